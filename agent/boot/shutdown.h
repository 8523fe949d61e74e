/*
 * shutdown: how the agent ends. Called by main, and by bug() from anywhere.
 */
#ifndef BOOT_SHUTDOWN_H
#define BOOT_SHUTDOWN_H

/*
 * Process 1: kills what still runs, unmounts, syncs (all of it in a child that is given ten
 * seconds, as a dead disk can hold either for ever), then powers the machine off. Any other
 * process: exits with exit_code. MAY SLEEP. Never returns.
 */
_Noreturn void shutdown_end(int exit_code);

/*
 * A broken invariant: logs a CRIT record, then ends as shutdown_end() does (an ordinary process by
 * abort()). Not for bad input, a lack of memory, or anything a peer can bring about.
 */
_Noreturn void bug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
