/* cgroup_events: see cgroup_events.h. Used by memory/oom_monitor and sandbox/container_remove. */
#include "kernel/cgroup_events.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"

struct cgroup_events {
	struct event_source source;
	struct list_node watches;
	struct list_node *cursor; /* next to visit in a walk; moved on when that one is removed */
};

/* A callback may unwatch any watch: the walk keeps its place in the owner, not in a local. */
static void call_matching(struct cgroup_events *events, int wd)
{
	events->cursor = events->watches.next;
	while (events->cursor != &events->watches) {
		struct cgroup_watch *w = list_entry(events->cursor, struct cgroup_watch, node);

		events->cursor = events->cursor->next;
		if (wd < 0 || w->wd == wd)
			w->changed(w);
	}
	events->cursor = &events->watches;
}

static void on_readable(struct event_source *source, uint32_t mask)
{
	struct cgroup_events *events = container_of(source, struct cgroup_events, source);
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(source->fd, buf, sizeof(buf));

	for (char *p = buf; n > 0 && p < buf + n;) {
		const struct inotify_event *e = (const void *)p;

		if (e->mask & IN_Q_OVERFLOW) {
			log_printf(
				LOG_WARN, "cgroup", "inotify overflow: reading all counters again");
			call_matching(events, -1);
		} else if (e->mask & (IN_MODIFY | IN_CREATE)) {
			call_matching(events, e->wd);
		}
		p += sizeof(*e) + e->len;
	}
}

struct cgroup_events *cgroup_events_new(struct event_loop *loop)
{
	struct cgroup_events *events = calloc(1, sizeof(*events));
	int fd, r;

	if (!events)
		return NULL;
	list_init(&events->watches);
	events->cursor = &events->watches;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd >= 0) {
		r = event_source_add(
			loop, &events->source, fd, EPOLLIN, on_readable, "cgroup-events");
		if (r == 0)
			return events;
		close(fd);
		errno = -r;
	}
	free(events);
	return NULL;
}

struct event_loop *cgroup_events_loop(const struct cgroup_events *events)
{
	return events->source.loop;
}

void cgroup_events_free(struct cgroup_events *events)
{
	int fd;

	if (!events)
		return;
	fd = events->source.fd;
	event_source_remove(&events->source);
	close(fd);
	free(events);
}

static int add(struct cgroup_events *events, struct cgroup_watch *watch, const char *path,
	uint32_t mask, void (*changed)(struct cgroup_watch *watch))
{
	watch->wd = inotify_add_watch(events->source.fd, path, mask);
	if (watch->wd < 0)
		return -errno;
	watch->changed = changed;
	list_append(&events->watches, &watch->node);
	return 0;
}

int cgroup_events_watch(struct cgroup_events *events, struct cgroup_watch *watch, const char *dir,
	const char *file, void (*changed)(struct cgroup_watch *watch))
{
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), dir, file) < 0)
		return -ENAMETOOLONG;
	return add(events, watch, path, IN_MODIFY, changed);
}

int cgroup_events_watch_children(struct cgroup_events *events, struct cgroup_watch *watch,
	const char *dir, void (*changed)(struct cgroup_watch *watch))
{
	return add(events, watch, dir, IN_CREATE | IN_ONLYDIR, changed);
}

void cgroup_events_unwatch(struct cgroup_events *events, struct cgroup_watch *watch)
{
	if (list_empty(&watch->node))
		return;
	if (events->cursor == &watch->node)
		events->cursor = watch->node.next;
	list_remove(&watch->node);
	inotify_rm_watch(events->source.fd, watch->wd);
}
