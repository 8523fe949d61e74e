/*
 * resident: which of our memory stays in RAM, and which goes back. The agent has to go on while the
 * guest is out of memory, so it locks what it uses (mlockall(2), MCL_ONFAULT); but
 * madvise(MADV_DONTNEED), by which malloc_trim(3) gives pages back, refuses locked ones (EINVAL).
 * So both are here. Called by main, the worker's child and ttrpc/server. Neither sleeps.
 */
#ifndef BASE_RESIDENT_H
#define BASE_RESIDENT_H

#include <stddef.h>

/*
 * Unmaps the program's text and constants; what is used again is mapped at that use. Before the
 * lock: what only the start needed is then not locked, and can be thrown out where the program is
 * on a disk. Does nothing to what is locked already.
 */
void resident_forget_text(void);
/* Pages in use now and, from now on, each at its first use. 0 or negative errno. Not inherited by
 * children. */
int resident_lock(void);
/*
 * Gives back what of the stack lies deeper than the caller and keep bytes more: pages that a deep
 * call has used once, or that came along with a fork. For a stack that grows down, as all of ours.
 */
void resident_forget_stack(size_t keep);
/* Of the stack, for the calls that answer while the guest is out of memory. */
#define RESIDENT_STACK 16384
/*
 * Gives the heap's free pages back to the kernel, and the stack's beyond RESIDENT_STACK; what stays
 * is locked as before.
 */
void resident_trim(void);

#endif
