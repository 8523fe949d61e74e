/* pressure_watch: see pressure_watch.h. */
#include "memory/pressure_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/helper_process.h"
#include "base/strings.h"
#include "hard_limits.h"

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

/* ---- closing ---- */

/* Triggers to be closed, and the one helper that does it; what finds no room is closed here. */
static struct {
	struct helper helper;
	struct event_task task;
	struct event_loop *loop;
	int fds[HELPER_KEEP_MAX]; /* owned; one place is for the gate */
	size_t count;
} closing;

/* The child: until we have closed ours. The kernel closes its own when it ends, and sleeps then. */
static int wait_for_gate(void *gate, struct error *err)
{
	char byte;

	return read(*(int *)gate, &byte, 1) < 0 ? error_errno(err, errno, "wait") : 0;
}

static void close_later(struct event_loop *loop);

static void on_closed(struct helper *helper, int result, const struct error *err)
{
	if (closing.count)
		close_later(closing.loop);
}

static void on_close(struct event_task *task)
{
	_cleanup_fd_ int reader = -1, writer = -1;
	struct error err = ERROR_INIT;
	int gate[2];

	if (helper_active(&closing.helper))
		return;
	if (pipe2(gate, O_CLOEXEC) == 0) {
		reader = gate[0];
		writer = gate[1];
		closing.fds[closing.count] = reader;
		closing.helper.keep = closing.fds;
		closing.helper.keep_count = closing.count + 1;
		/* without one, they are closed here and now */
		helper_run(closing.loop, &closing.helper, wait_for_gate, &reader, HELPER_TIMEOUT_MS,
			on_closed, "close triggers", &err);
	}
	while (closing.count)
		close(closing.fds[--closing.count]);
}

static void close_later(struct event_loop *loop)
{
	closing.loop = loop;
	event_task_defer(loop, &closing.task, on_close);
}

void pressure_watch_stop(struct pressure_watch *watch)
{
	struct event_loop *loop = watch->source.loop;
	int fd = watch->source.fd;

	if (!event_source_added(&watch->source))
		return;
	event_source_remove(&watch->source);
	if (closing.count == ARRAY_SIZE(closing.fds) - 1) {
		close(fd);
		return;
	}
	closing.fds[closing.count++] = fd;
	close_later(loop);
}
