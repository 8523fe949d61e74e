/*
 * event_loop: owns the epoll descriptor, the sorted timers and the deferred tasks of a process.
 * main() makes it; everything that waits for something joins it.
 */
#include "base/event_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define BATCH_MAX 64
#define SLOW_NS	  50000000u

/* Events under way. A callback may run a step of its own (tools waiting for an answer): a chain. */
struct event_batch {
	struct epoll_event events[BATCH_MAX]; /* data.ptr NULL: blanked */
	int count;
	struct event_batch *outer;
};

struct event_loop {
	int epoll_fd;
	bool stop;
	struct list_node timers; /* soonest first */
	struct list_node tasks;
	struct event_batch *batch;
};

uint64_t event_loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct event_loop *event_loop_new(void)
{
	struct event_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	list_init(&loop->timers);
	list_init(&loop->tasks);
	return loop;
}

/* Whoever is still in a list must not point into freed memory. */
static void unlink_all(struct list_node *head)
{
	while (!list_empty(head))
		list_remove(head->next);
}

void event_loop_free(struct event_loop *loop)
{
	if (!loop)
		return;
	unlink_all(&loop->timers);
	unlink_all(&loop->tasks);
	close_fd(&loop->epoll_fd);
	free(loop);
}

void event_loop_stop(struct event_loop *loop)
{
	loop->stop = true;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

static int control(struct event_source *source, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(source->loop->epoll_fd, op, source->fd, &event) < 0 ? -errno : 0;
}

static void blank(struct event_loop *loop, const struct event_source *source)
{
	for (struct event_batch *batch = loop->batch; batch; batch = batch->outer)
		for (int i = 0; i < batch->count; i++)
			if (batch->events[i].data.ptr == source)
				batch->events[i].data.ptr = NULL;
}

int event_source_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
	event_source_fn callback, const char *name)
{
	int r;

	if (source->loop)
		return -EEXIST;
	*source = (struct event_source){
		.loop = loop, .fd = fd, .events = events, .callback = callback, .name = name};
	r = events ? control(source, EPOLL_CTL_ADD, events) : 0;
	if (r < 0)
		source->loop = NULL;
	return r;
}

int event_source_set(struct event_source *source, uint32_t events)
{
	int r;

	if (!source->loop)
		return -EINVAL;
	if (events == source->events)
		return 0;
	if (events == 0) {
		control(source, EPOLL_CTL_DEL, 0);
		blank(source->loop, source);
		r = 0;
	} else {
		r = control(source, source->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
	}
	if (r == 0)
		source->events = events;
	return r;
}

void event_source_remove(struct event_source *source)
{
	if (!source->loop)
		return;
	if (source->events)
		control(source, EPOLL_CTL_DEL, 0);
	blank(source->loop, source);
	source->loop = NULL;
	source->events = 0;
}

bool event_source_added(const struct event_source *source)
{
	return source->loop != NULL;
}

/* ---- timers and tasks -------------------------------------------------------------------------
 */

void event_timer_start(struct event_loop *loop, struct event_timer *timer, uint64_t delay_ms,
	event_timer_fn callback, const char *name)
{
	struct list_node *after;
	uint64_t delay_ns;

	list_remove(&timer->node);
	timer->loop = loop;
	timer->callback = callback;
	timer->name = name;
	if (__builtin_mul_overflow(delay_ms, (uint64_t)1000000, &delay_ns) ||
		__builtin_add_overflow(event_loop_now_ns(), delay_ns, &timer->due_ns))
		timer->due_ns = UINT64_MAX;
	/* From the end: most timers have the same delay, so the newest is due last. */
	after = loop->timers.prev;
	while (after != &loop->timers &&
		list_entry(after, struct event_timer, node)->due_ns > timer->due_ns)
		after = after->prev;
	list_prepend(after, &timer->node);
}

void event_timer_stop(struct event_timer *timer)
{
	list_remove(&timer->node);
}

bool event_timer_running(const struct event_timer *timer)
{
	return !list_empty(&timer->node);
}

void event_task_defer(struct event_loop *loop, struct event_task *task, event_task_fn callback)
{
	if (!list_empty(&task->node))
		return;
	task->callback = callback;
	list_append(&loop->tasks, &task->node);
}

void event_task_cancel(struct event_task *task)
{
	list_remove(&task->node);
}

/* ---- running ----------------------------------------------------------------------------------
 */

/* Moves a whole list to another head, which must be empty. */
static void list_take(struct list_node *to, struct list_node *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* The owner may be freed by its callback: only name and time are looked at here. */
static uint64_t report_slow(const char *name, uint64_t started)
{
	uint64_t now = event_loop_now_ns();

	if (now - started > SLOW_NS)
		log_printf(LOG_WARN, "event-loop", "callback %s took %llu ms", name ? name : "?",
			(unsigned long long)(now - started) / 1000000);
	return now;
}

static int run_sources(struct event_loop *loop, struct event_batch *batch)
{
	uint64_t time = event_loop_now_ns();
	int called = 0;

	for (int i = 0; i < batch->count; i++) {
		struct event_source *source = batch->events[i].data.ptr;
		uint32_t events;
		const char *name;

		if (!source)
			continue;
		/* It may have been set to wait for something else earlier in this batch. */
		events = batch->events[i].events & (source->events | EPOLLERR | EPOLLHUP);
		if (!events)
			continue;
		batch->events[i].data.ptr = NULL;
		name = source->name;
		source->callback(source, events);
		time = report_slow(name, time);
		called++;
	}
	return called;
}

static int run_timers(struct event_loop *loop)
{
	struct list_node due;
	uint64_t time = event_loop_now_ns();
	int called = 0;

	/* Taken out first: a timer started by these callbacks waits for the next pass. */
	list_init(&due);
	while (!list_empty(&loop->timers)) {
		struct list_node *node = loop->timers.next;

		if (list_entry(node, struct event_timer, node)->due_ns > time)
			break;
		list_remove(node);
		list_append(&due, node);
	}
	while (!list_empty(&due)) {
		struct event_timer *timer = list_entry(due.next, struct event_timer, node);
		const char *name = timer->name;

		list_remove(&timer->node);
		timer->callback(timer);
		time = report_slow(name, time);
		called++;
	}
	return called;
}

static int run_tasks(struct event_loop *loop)
{
	struct list_node now;
	uint64_t time = event_loop_now_ns();
	int called = 0;

	list_take(&now, &loop->tasks);
	while (!list_empty(&now)) {
		struct event_task *task = list_entry(now.next, struct event_task, node);

		list_remove(&task->node);
		task->callback(task);
		time = report_slow("deferred task", time);
		called++;
	}
	return called;
}

/* How long to sleep; false = for ever. */
static bool sleep_time(const struct event_loop *loop, int timeout_ms, struct timespec *ret)
{
	uint64_t wait_ns = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000;

	if (!list_empty(&loop->timers)) {
		uint64_t now = event_loop_now_ns();
		uint64_t due = list_entry(loop->timers.next, struct event_timer, node)->due_ns;
		uint64_t left = due > now ? due - now : 0;

		if (due != UINT64_MAX && left < wait_ns)
			wait_ns = left;
	}
	if (!list_empty(&loop->tasks))
		wait_ns = 0;
	ret->tv_sec = (time_t)(wait_ns / 1000000000u);
	ret->tv_nsec = (long)(wait_ns % 1000000000u);
	return wait_ns != UINT64_MAX;
}

int event_loop_step(struct event_loop *loop, int timeout_ms)
{
	struct event_batch batch;
	struct timespec wait;
	int called;
	bool limited = sleep_time(loop, timeout_ms, &wait);

	batch.count =
		epoll_pwait2(loop->epoll_fd, batch.events, BATCH_MAX, limited ? &wait : NULL, NULL);
	if (batch.count < 0) {
		if (errno != EINTR)
			return -errno;
		batch.count = 0;
	}
	batch.outer = loop->batch;
	loop->batch = &batch;
	called = run_sources(loop, &batch);
	called += run_timers(loop);
	called += run_tasks(loop);
	loop->batch = batch.outer;
	return called;
}

int event_loop_run(struct event_loop *loop)
{
	int r = 0;

	while (!loop->stop && r >= 0)
		r = event_loop_step(loop, -1);
	loop->stop = false;
	return r < 0 ? r : 0;
}
