/* vhost_vsock: /dev/vhost-vsock and VHOST_VSOCK_SET_GUEST_CID (linux, include/uapi/linux/vhost.h).
 */
#include "vm/vhost_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CID_FIRST 3 /* 0 hypervisor, 1 loopback, 2 host (vsock(7)) */
#define CID_TRIES 50

/* A kernel that has the node but no AF_VSOCK sockets would be of no use. */
static int check_sockets(void)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int vhost_vsock_open(uint32_t *ret_cid)
{
	_cleanup_fd_ int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	int r = fd < 0 ? -errno : check_sockets();

	for (int i = 0; r == 0 && i < CID_TRIES; i++) {
		uint32_t random;
		uint64_t cid;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		cid = CID_FIRST + random % (UINT32_MAX - CID_FIRST);
		if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
			*ret_cid = (uint32_t)cid;
			return take_fd(&fd);
		}
		if (errno != EADDRINUSE)
			r = -errno;
	}
	return r < 0 ? r : -EADDRINUSE;
}
