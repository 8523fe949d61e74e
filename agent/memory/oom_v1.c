/* oom_v1: see oom_v1.h. Called by oom_monitor. */
#include "memory/oom_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/cgroup_tree.h"
#include "memory/control_file.h"

/* After a signal: 1, 2, 4 ... ms. A kill follows it within microseconds, on a loaded machine later.
 */
#define AGAIN_MAX_MS 512

static void look_again_later(struct oom_v1 *v1);

static void on_again(struct event_timer *timer)
{
	struct oom_v1 *v1 = container_of(timer, struct oom_v1, again);

	v1->look(v1);
	if (v1->again_ms <= AGAIN_MAX_MS)
		look_again_later(v1);
}

static void look_again_later(struct oom_v1 *v1)
{
	event_timer_start(v1->source.loop, &v1->again, v1->again_ms, on_again, "oom counters");
	v1->again_ms *= 2;
}

static void on_event(struct event_source *source, uint32_t events)
{
	struct oom_v1 *v1 = container_of(source, struct oom_v1, source);
	uint64_t count;

	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
	v1->look(v1);
	v1->again_ms = 1;
	look_again_later(v1);
}

/* "EVENTFD FD" in cgroup.event_control; the second is needed only for the moment. */
static int ask(int event, int dir)
{
	_cleanup_fd_ int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	char text[32];

	if (control < 0)
		return -errno;
	str_format(text, sizeof(text), "%d %d", event, control);
	return file_write_at(dir, "cgroup.event_control", text);
}

/* ---- groups inside ---- */

struct nested_group {
	struct list_node node;
	struct cgroup_watch made; /* groups directly inside */
	struct oom_v1 *owner;
	ino_t ino;
	bool seen;
};

static void discover_soon(struct oom_v1 *v1);

static void on_made_inside(struct cgroup_watch *watch)
{
	discover_soon(container_of(watch, struct nested_group, made)->owner);
}

static void forget(struct nested_group *group)
{
	cgroup_events_unwatch(group->owner->events, &group->made);
	list_remove(&group->node);
	free(group);
}

static struct nested_group *find(const struct oom_v1 *v1, ino_t ino)
{
	list_for_each (node, &v1->nested) {
		struct nested_group *group = list_entry(node, struct nested_group, node);

		if (group->ino == ino)
			return group;
	}
	return NULL;
}

/* All share the container's eventfd: whichever it was, all are looked at. */
static int meet(int parent, const char *name, int dir, void *context)
{
	struct oom_v1 *v1 = context;
	struct nested_group *group;
	char path[32];
	struct stat st;

	if (fstat(dir, &st) < 0)
		return 0;
	group = find(v1, st.st_ino);
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return -ENOMEM;
		group->owner = v1;
		group->ino = st.st_ino;
		list_append(&v1->nested, &group->node);
		str_format(path, sizeof(path), "/proc/self/fd/%d/.", dir);
		cgroup_events_watch_children(v1->events, &group->made, path, on_made_inside);
		ask(v1->source.fd, dir);
		/* what was made in it before that is found by another look */
		discover_soon(v1);
	}
	group->seen = true;
	return 0;
}

static void on_discover(struct event_timer *timer)
{
	struct oom_v1 *v1 = container_of(timer, struct oom_v1, discover);
	_cleanup_fd_ int fd = open(v1->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	list_for_each (node, &v1->nested)
		list_entry(node, struct nested_group, node)->seen = false;
	/* of a part only, when there are too many: what is not in it is met again when it fits */
	cgroup_tree_walk(fd, OOM_V1_GROUPS_MAX, meet, v1);
	list_for_each_safe (node, &v1->nested) {
		struct nested_group *group = list_entry(node, struct nested_group, node);

		if (!group->seen)
			forget(group);
	}
	v1->look(v1);
}

/* However many are made meanwhile. */
static void discover_soon(struct oom_v1 *v1)
{
	if (!event_timer_running(&v1->discover))
		event_timer_start(v1->source.loop, &v1->discover, OOM_V1_DISCOVER_MS, on_discover,
			"oom groups");
}

static void on_made(struct cgroup_watch *watch)
{
	discover_soon(container_of(watch, struct oom_v1, made));
}

/* ---- the container ---- */

static int ask_for_all(struct oom_v1 *v1, int event)
{
	_cleanup_fd_ int dir = open(v1->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : ask(event, dir);

	if (r >= 0)
		r = event_source_add(cgroup_events_loop(v1->events), &v1->source, event, EPOLLIN,
			on_event, "oom");
	if (r < 0)
		return r;
	r = cgroup_events_watch_children(v1->events, &v1->made, v1->dir, on_made);
	if (r < 0)
		log_printf(LOG_WARN, "oom",
			"%s: kills in groups made inside will be told late: inotify: %s", v1->dir,
			errno_name(-r));
	return 0;
}

int oom_v1_watch(struct cgroup_events *events, struct oom_v1 *v1, const char *dir,
	void (*look)(struct oom_v1 *v1))
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	v1->events = events;
	v1->dir = dir;
	v1->look = look;
	list_init(&v1->nested);
	r = ask_for_all(v1, fd);
	if (r < 0)
		close(fd);
	return r;
}

void oom_v1_unwatch(struct oom_v1 *v1)
{
	int fd = v1->source.fd;

	event_timer_stop(&v1->again);
	if (!event_source_added(&v1->source))
		return;
	event_timer_stop(&v1->discover);
	cgroup_events_unwatch(v1->events, &v1->made);
	while (!list_empty(&v1->nested))
		forget(list_entry(v1->nested.next, struct nested_group, node));
	event_source_remove(&v1->source);
	close(fd);
}

static uint64_t kills_in(int dir)
{
	char text[256];

	return file_read_at(dir, "memory.oom_control", text, sizeof(text)) > 0
		       ? control_keyed(text, "oom_kill")
		       : 0;
}

static int add_kills(int parent, const char *name, int dir, void *context)
{
	*(uint64_t *)context += kills_in(dir);
	return 0;
}

/* A group that is gone takes its count along: what is less than before starts anew. */
static uint64_t grown(uint64_t *last, uint64_t now)
{
	uint64_t more = now > *last ? now - *last : 0;

	*last = now;
	return more;
}

int oom_v1_read(struct oom_v1 *v1, const char *dir, struct oom_counters *ret)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t below_now = 0, failcnt, here, below;
	int r;

	if (fd < 0)
		return -errno;
	if (faccessat(fd, "memory.oom_control", R_OK, 0) < 0)
		return -errno;
	r = cgroup_tree_walk(fd, OOM_V1_GROUPS_MAX, add_kills, &below_now);
	here = grown(&v1->here, kills_in(fd));
	/* of a part, which part is not known: nothing is told rather than something wrong */
	below = r == 0 ? grown(&v1->below, below_now) : 0;
	if (r < 0 && !v1->partial)
		log_printf(LOG_WARN, "oom",
			"%s: kills in its nested groups are not told while these are so many: %s",
			dir, errno_name(-r));
	v1->partial = r < 0;
	if (here + below > 0) {
		failcnt = control_number(dir, "memory.failcnt") +
			  control_number(dir, "memory.memsw.failcnt");
		v1->sum.oom_kill += here + below;
		if (failcnt != v1->failcnt) {
			v1->sum.local_oom += here + below;
			v1->sum.oom += here + below;
		} else {
			v1->sum.oom += below;
		}
		v1->failcnt = failcnt;
	}
	*ret = v1->sum;
	return 0;
}
