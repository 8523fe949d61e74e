/* uevent: see uevent.h. Used by sandbox/guest_memory. */
#include "kernel/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"

/* The kernel's own messages; udevd's are group 2. */
#define KERNEL_GROUP 1

int uevent_open(void)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	int r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

bool uevent_parse(char *message, size_t len, struct uevent *ret)
{
	struct uevent found = {"", "", ""};

	if (len == 0 || message[len - 1] != '\0' || !strchr(message, '@'))
		return false;
	for (char *at = message; at < message + len; at += strlen(at) + 1) {
		if (str_starts(at, "ACTION="))
			found.action = at + strlen("ACTION=");
		else if (str_starts(at, "SUBSYSTEM="))
			found.subsystem = at + strlen("SUBSYSTEM=");
		else if (str_starts(at, "DEVPATH="))
			found.devpath = at + strlen("DEVPATH=");
	}
	*ret = found;
	return true;
}

int uevent_next(int fd, char *buffer, size_t size, struct uevent *ret)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(
			fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOBUFS ? -ENOBUFS : 0;
		if (from.nl_pid == 0 && uevent_parse(buffer, (size_t)n, ret))
			return 1;
	}
}
