/*
 * event_loop: one thread, one epoll. Descriptors, timers, deferred tasks.
 *
 * A source is embedded in its owner. Removing it also blanks it in the batch being dispatched, and
 * EPOLL_CTL_DEL comes before close (a copy of the descriptor in a child would keep its events
 * alive). Callbacks must not sleep; one that takes over 50 ms is logged by name. An idle loop
 * sleeps in epoll_pwait2(2) without a timeout: no periodic tick.
 */
#ifndef BASE_EVENT_LOOP_H
#define BASE_EVENT_LOOP_H

#include "base/list.h"

#include <stdint.h>
#include <sys/epoll.h>

struct event_loop;
struct event_source;
struct event_timer;
struct event_task;

typedef void (*event_source_fn)(struct event_source *source, uint32_t events);
typedef void (*event_timer_fn)(struct event_timer *timer);
typedef void (*event_task_fn)(struct event_task *task);

struct event_source {
	struct event_loop *loop; /* NULL while not added */
	int fd;			 /* not owned */
	uint32_t events;	 /* EPOLLIN..., 0 = parked: not in epoll at all (no HUP storms) */
	event_source_fn callback;
	const char *name; /* static text, for logs */
};

struct event_timer {
	struct list_node node; /* sorted by due */
	struct event_loop *loop;
	uint64_t due_ns; /* CLOCK_MONOTONIC (CLOCK_BOOTTIME is not needed: guests do not suspend) */
	event_timer_fn callback;
	const char *name;
};

struct event_task {
	struct list_node node;
	event_task_fn callback;
};

/* NULL on failure (errno set). */
struct event_loop *event_loop_new(void);
void event_loop_free(struct event_loop *loop); /* sources must be gone or are forgotten */
/* Runs until event_loop_stop(); 0, or a negative errno when epoll itself fails. */
int event_loop_run(struct event_loop *loop);
/* One pass, waiting at most timeout_ms (-1: for ever). Number of callbacks run, or negative errno.
 */
int event_loop_step(struct event_loop *loop, int timeout_ms);
void event_loop_stop(struct event_loop *loop);
uint64_t event_loop_now_ns(void); /* CLOCK_MONOTONIC */

/* 0 or negative errno. A zeroed source is "not added". */
int event_source_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
	event_source_fn callback, const char *name);
/* Changes what is waited for; 0 parks it. No system call when nothing changes. */
int event_source_set(struct event_source *source, uint32_t events);
void event_source_remove(struct event_source *source); /* idempotent; does not close */
bool event_source_added(const struct event_source *source);

/* (Re)starts a one-shot timer. Cannot fail: no allocation. */
void event_timer_start(struct event_loop *loop, struct event_timer *timer, uint64_t delay_ms,
	event_timer_fn callback, const char *name);
void event_timer_stop(struct event_timer *timer); /* idempotent, accepts zeroed */
bool event_timer_running(const struct event_timer *timer);

/* Runs the task after the current batch of callbacks (before sleeping again). Idempotent. */
void event_task_defer(struct event_loop *loop, struct event_task *task, event_task_fn callback);
void event_task_cancel(struct event_task *task);

#endif
