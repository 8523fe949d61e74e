/*
 * terminal: a pseudo terminal from a container's own devpts, so that its name (/dev/pts/N) means
 * the same inside (pts(4), ioctl_tty(2)). Used by launch/ in the child and by
 * sandbox/process. Never sleeps.
 */
#ifndef KERNEL_TERMINAL_H
#define KERNEL_TERMINAL_H

#include <stdint.h>

#include "base/error.h"

struct terminal {
	int master, slave; /* owned by the caller, close-on-exec */
};

/*
 * Opens dev/pts/ptmx inside the directory root and its peer (TIOCGPTPEER: by the master, not by a
 * name that could be something else). When root has no such file, a pair of spare_ptmx is made (an
 * open /dev/ptmx of the guest, taken over), or it is an error when that is -1.
 */
int terminal_open(int root, int spare_ptmx, struct terminal *ret, struct error *err);
/*
 * A slave of this master, opened by it and not by name: close-on-exec, nobody's controlling
 * terminal. Descriptor (caller's) or negative errno.
 */
int terminal_open_peer(int master);
/* The window's size in characters (TIOCSWINSZ; either end will do). 0 or negative errno. */
int terminal_set_size(int fd, uint16_t rows, uint16_t columns);
/* Makes fd the controlling terminal of the caller, a session leader without one. */
int terminal_make_controlling(int fd, struct error *err);

#endif
