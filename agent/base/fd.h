/* fd: descriptors. All calls return >= 0 or a negative errno and retry EINTR. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);
/* read(2)/write(2) until len bytes, end of file or error; bytes done, or negative errno. May sleep.
 */
ssize_t fd_read_full(int fd, void *data, size_t len);
ssize_t fd_write_full(int fd, const void *data, size_t len);
/* Close every descriptor >= lowest except those in keep (ascending order); close_range(2) based. */
int fd_close_from(int lowest, const int *keep, size_t keep_count);
/* Moves fd to a number >= lowest (CLOEXEC kept set); closes the old one. Returns the new number. */
int fd_move_above(int fd, int lowest);

#endif
