/* pressure_watch: see pressure_watch.h. */
#include "memory/pressure_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

static void on_ready(struct event_source *source, uint32_t events)
{
	struct pressure_watch *watch = container_of(source, struct pressure_watch, source);

	watch->fired(watch, events & EPOLLERR);
}

static int open_trigger(const char *path, const struct pressure_bound *bound, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char text[64];

	/* ENOENT: built without; EOPNOTSUPP: psi=0 */
	if (fd < 0 && (errno == ENOENT || errno == EOPNOTSUPP))
		return error_set(err, STATUS_UNIMPLEMENTED, errno,
			"this kernel tells of no memory pressure (PSI): open %s", path);
	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	str_format(text, sizeof(text), "%s %u %u", bound->full ? "full" : "some", bound->stall_us,
		bound->window_us);
	/* with its NUL, as the kernel's own example has it */
	if (write(fd, text, strlen(text) + 1) < 0)
		return error_errno(err, errno, "write '%s' to %s", text, path);
	return take_fd(&fd);
}

int pressure_watch_start(struct event_loop *loop, struct pressure_watch *watch, const char *path,
	const struct pressure_bound *bound, void (*fired)(struct pressure_watch *watch, bool gone),
	struct error *err)
{
	int fd = open_trigger(path, bound, err), r;

	if (fd < 0)
		return fd;
	memset(watch, 0, sizeof(*watch));
	watch->fired = fired;
	r = event_source_add(loop, &watch->source, fd, EPOLLPRI, on_ready, "memory pressure");
	if (r < 0) {
		close(fd);
		return error_errno(err, -r, "watch %s", path);
	}
	return 0;
}

void pressure_watch_stop(struct pressure_watch *watch)
{
	int fd = watch->source.fd;

	if (!event_source_added(&watch->source))
		return;
	event_source_remove(&watch->source);
	close(fd);
}
