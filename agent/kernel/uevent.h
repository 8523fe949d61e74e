/*
 * uevent: the kernel's news about devices, over netlink. Source: Linux lib/kobject_uevent.c: a
 * message is "ACTION@DEVPATH", NUL, then "KEY=VALUE" strings, each ended by NUL;
 * include/uapi/linux/ netlink.h. Only what the kernel itself sends (port 0) is believed.
 */
#ifndef KERNEL_UEVENT_H
#define KERNEL_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

struct uevent {
	const char *action, *subsystem, *devpath; /* into the message's buffer; "" = not told */
};

/* Non-blocking CLOEXEC socket, or negative errno. */
int uevent_open(void);
/* Pure. message has len bytes and need not end in NUL; false: not a message of the kernel's form.
 */
bool uevent_parse(char *message, size_t len, struct uevent *ret);
/*
 * The next one, in buffer. 1; 0 when there is none (yet); -ENOBUFS when some were lost: who keeps
 * a picture has to look at everything again. Never sleeps.
 */
int uevent_next(int fd, char *buffer, size_t size, struct uevent *ret);

#endif
