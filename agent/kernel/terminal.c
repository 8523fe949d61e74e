/*
 * terminal: see terminal.h. Used by launch/.
 */
#include "kernel/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/path.h"

/* The image may have put anything at /dev/pts/ptmx: opening must not hang, and it must be a master.
 */
static int open_container_ptmx(int root, struct error *err)
{
	_cleanup_fd_ int fd = path_open_in_root(
		root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return error_errno(err, -fd, "terminal: open /dev/pts/ptmx in the container");
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return error_errno(err, errno, "terminal: stat /dev/pts/ptmx in the container");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || fs.f_type != DEVPTS_SUPER_MAGIC)
		return error_errno(err, ENOTTY,
			"terminal: /dev/pts/ptmx in the container is no pseudo terminal");
	return take_fd(&fd);
}

int terminal_open(int root, int spare_ptmx, struct terminal *ret, struct error *err)
{
	_cleanup_fd_ int master = -1, spare = spare_ptmx;
	struct error own = ERROR_INIT;
	int slave, unlock = 0;

	master = open_container_ptmx(root, &own);
	if (master == -ENOENT && spare >= 0)
		master = take_fd(&spare);
	if (master < 0) {
		if (err)
			*err = own;
		return master;
	}
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_errno(err, errno, "terminal: unlock the pseudo terminal");
	slave = terminal_open_peer(master);
	if (slave < 0)
		return error_errno(err, -slave, "terminal: open the slave (TIOCGPTPEER)");
	ret->master = take_fd(&master);
	ret->slave = slave;
	return 0;
}

int terminal_open_peer(int master)
{
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int terminal_set_size(int fd, uint16_t rows, uint16_t columns)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};

	return ioctl(fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int terminal_make_controlling(int fd, struct error *err)
{
	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return error_errno(err, errno, "terminal: TIOCSCTTY");
	return 0;
}
