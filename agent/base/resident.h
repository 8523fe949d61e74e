/*
 * resident: which of our memory stays in RAM, and which goes back. The agent has to go on while the
 * guest is out of memory, so it locks what it uses (mlockall(2), MCL_ONFAULT); but
 * madvise(MADV_DONTNEED), by which malloc_trim(3) gives pages back, refuses locked ones (EINVAL).
 * So both are here. Called by main, the worker's child and ttrpc/server. Neither sleeps.
 */
#ifndef BASE_RESIDENT_H
#define BASE_RESIDENT_H

/*
 * Unmaps the program's text and constants; what is used again is mapped at that use. Before the
 * lock: what only the start needed is then not locked, and can be thrown out where the program is
 * on a disk. Does nothing to what is locked already.
 */
void resident_forget_text(void);
/* Pages in use now and, from now on, each at its first use. 0 or negative errno. Not inherited by
 * children. */
int resident_lock(void);
/* Gives the heap's free pages back to the kernel; what stays is locked as before. */
void resident_trim(void);

#endif
