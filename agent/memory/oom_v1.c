/* oom_v1: see oom_v1.h. Called by oom_monitor. */
#include "memory/oom_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
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
static int ask(int event, const char *dir)
{
	char path[PATH_MAX], text[32];
	_cleanup_fd_ int control = -1;

	if (path_join(path, sizeof(path), dir, "memory.oom_control") < 0)
		return -ENAMETOOLONG;
	control = open(path, O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return -errno;
	str_format(text, sizeof(text), "%d %d", event, control);
	if (path_join(path, sizeof(path), dir, "cgroup.event_control") < 0)
		return -ENAMETOOLONG;
	return file_write(path, text);
}

int oom_v1_watch(struct event_loop *loop, struct oom_v1 *v1, const char *dir,
	void (*look)(struct oom_v1 *v1))
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	v1->look = look;
	r = ask(fd, dir);
	if (r >= 0)
		r = event_source_add(loop, &v1->source, fd, EPOLLIN, on_event, "oom");
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
	r = cgroup_tree_walk(fd, add_kills, &below_now);
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
