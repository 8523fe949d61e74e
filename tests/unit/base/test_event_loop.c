/* Tests agent/base/event_loop.c. */
#include "base/event_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static char order[64];

static void note(char c)
{
	size_t len = strlen(order);

	order[len] = c;
	order[len + 1] = '\0';
}

static int setup(void **state)
{
	order[0] = '\0';
	loop = event_loop_new();
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	event_loop_free(loop);
	return 0;
}

/* A source that is always ready. */
struct ready {
	struct event_source source;
	char name;
	uint32_t events;
	struct event_source *remove, *park;
};

static void on_ready(struct event_source *source, uint32_t events)
{
	struct ready *ready = container_of(source, struct ready, source);

	note(ready->name);
	ready->events = events;
	if (ready->remove)
		event_source_remove(ready->remove);
	if (ready->park)
		event_source_set(ready->park, 0);
}

static void add_ready(struct ready *ready, char name)
{
	*ready = (struct ready){.name = name};
	assert_int_equal(event_source_add(loop, &ready->source, eventfd(1, EFD_CLOEXEC), EPOLLIN,
				 on_ready, "ready"),
		0);
}

static void drop_ready(struct ready *ready)
{
	int fd = ready->source.fd;

	event_source_remove(&ready->source);
	event_source_remove(&ready->source);
	close(fd);
}

static void test_sources(void **state)
{
	struct ready a;

	add_ready(&a, 'a');
	assert_true(event_source_added(&a.source));
	assert_int_equal(
		event_source_add(loop, &a.source, a.source.fd, EPOLLIN, on_ready, "x"), -EEXIST);
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(a.events, EPOLLIN);
	assert_int_equal(event_source_set(&a.source, EPOLLIN | EPOLLOUT), 0);
	event_loop_step(loop, -1);
	assert_int_equal(a.events, EPOLLIN | EPOLLOUT);
	drop_ready(&a);
	assert_false(event_source_added(&a.source));
	assert_int_equal(event_source_set(&a.source, EPOLLIN), -EINVAL);
	assert_int_equal(event_loop_step(loop, 0), 0);
	assert_int_equal(event_source_add(loop, &a.source, -1, EPOLLIN, on_ready, "x"), -EBADF);
	assert_false(event_source_added(&a.source));
}

/* Each removes the other: whoever comes first is the only one called. */
static void test_removed_in_same_batch(void **state)
{
	struct ready a, b;

	add_ready(&a, 'a');
	add_ready(&b, 'b');
	a.remove = &b.source;
	b.remove = &a.source;
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(strlen(order), 1);
	drop_ready(&a);
	drop_ready(&b);
}

static void test_parked_in_same_batch(void **state)
{
	struct ready a, b;

	add_ready(&a, 'a');
	add_ready(&b, 'b');
	a.park = &b.source;
	b.park = &a.source;
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(order[0], order[1]);
	drop_ready(&a);
	drop_ready(&b);
}

/* Removed and freed by its neighbour: the batch must not look at it again. */
struct pair {
	struct event_source source;
	struct pair *other;
};
static int pair_calls;

static void on_pair(struct event_source *source, uint32_t events)
{
	struct pair *pair = container_of(source, struct pair, source);

	pair_calls++;
	if (pair->other) {
		event_source_remove(&pair->other->source);
		memset(pair->other, 0xff, sizeof(*pair->other));
		free(pair->other);
		pair->other = NULL;
	}
}

static void test_freed_in_same_batch(void **state)
{
	struct pair *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b)), *left;
	int fd[2] = {eventfd(1, EFD_CLOEXEC), eventfd(1, EFD_CLOEXEC)};

	a->other = b;
	b->other = a;
	pair_calls = 0;
	event_source_add(loop, &a->source, fd[0], EPOLLIN, on_pair, "a");
	event_source_add(loop, &b->source, fd[1], EPOLLIN, on_pair, "b");
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(pair_calls, 1);
	/* epoll tells them in the order they were added. */
	left = a;
	event_source_remove(&left->source);
	free(left);
	close(fd[0]);
	close(fd[1]);
}

/* Parked, its cause taken away, and waited for again: the old event must not come. */
static void on_drain(struct event_source *source, uint32_t events)
{
	struct ready *ready = container_of(source, struct ready, source);
	uint64_t value;

	note(ready->name);
	event_source_set(ready->park, 0);
	assert_int_equal(read(ready->park->fd, &value, sizeof(value)), sizeof(value));
	event_source_set(ready->park, EPOLLIN);
	event_source_set(source, 0);
}

static void test_stale_event_after_park(void **state)
{
	struct ready a, b;

	add_ready(&a, 'a');
	add_ready(&b, 'b');
	a.source.callback = on_drain;
	a.park = &b.source;
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_int_equal(event_loop_step(loop, 10), 0);
	assert_string_equal(order, "a");
	drop_ready(&a);
	drop_ready(&b);
}

/* The peer is gone: HUP would be reported for ever, wanted or not. */
static void test_parked_hup_does_not_spin(void **state)
{
	struct ready a = {.name = 'a'};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(event_source_add(loop, &a.source, pair[0], 0, on_ready, "a"), 0);
	close(pair[1]);
	assert_int_equal(event_loop_step(loop, 20), 0);
	assert_int_equal(event_source_set(&a.source, EPOLLIN), 0);
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_true(a.events & EPOLLHUP);
	assert_int_equal(event_source_set(&a.source, 0), 0);
	assert_int_equal(event_loop_step(loop, 20), 0);
	drop_ready(&a);
}

/* A copy of the descriptor elsewhere must not keep its events coming. */
static void test_removed_before_close(void **state)
{
	struct ready a;
	int copy;

	add_ready(&a, 'a');
	copy = dup(a.source.fd);
	drop_ready(&a);
	assert_int_equal(event_loop_step(loop, 20), 0);
	close(copy);
}

struct named_timer {
	struct event_timer timer;
	char name;
	bool again;
	struct event_timer *stop;
};

static void on_timer(struct event_timer *timer)
{
	struct named_timer *named = container_of(timer, struct named_timer, timer);

	note(named->name);
	assert_false(event_timer_running(timer));
	if (named->again)
		event_timer_start(loop, timer, 0, on_timer, "again");
	if (named->stop)
		event_timer_stop(named->stop);
}

static void start(struct named_timer *named, char name, uint64_t ms)
{
	named->name = name;
	event_timer_start(loop, &named->timer, ms, on_timer, "test");
}

static void run_until(size_t count)
{
	while (strlen(order) < count)
		assert_true(event_loop_step(loop, -1) >= 0);
}

static void test_timer_order(void **state)
{
	struct named_timer a = {0}, b = {0}, c = {0}, d = {0}, never = {0};

	event_timer_stop(&a.timer);
	assert_false(event_timer_running(&a.timer));
	start(&a, 'a', 30);
	start(&b, 'b', 10);
	start(&c, 'c', 20);
	start(&d, 'd', 10);
	start(&never, 'n', UINT64_MAX);
	start(&a, 'a', 1); /* restarted: counts from now */
	event_timer_stop(&c.timer);
	assert_true(event_timer_running(&d.timer));
	run_until(3);
	assert_string_equal(order, "abd");
	assert_int_equal(event_loop_step(loop, 5), 0);
	event_timer_stop(&never.timer);
}

/* One that starts itself anew waits for the next pass; sources get their turn between. */
static void test_timer_again(void **state)
{
	struct named_timer a = {.again = true};
	struct ready b;

	start(&a, 'a', 0);
	add_ready(&b, 'b');
	event_loop_step(loop, -1);
	event_loop_step(loop, -1);
	assert_string_equal(order, "baba");
	event_timer_stop(&a.timer);
	drop_ready(&b);
}

static void test_timer_stopped_by_another(void **state)
{
	struct named_timer a = {0}, b = {0};
	uint64_t now;

	start(&a, 'a', 1);
	start(&b, 'b', 1);
	a.stop = &b.timer;
	now = event_loop_now_ns();
	while (event_loop_now_ns() < now + 3000000)
		; /* both are due in one pass */
	event_loop_step(loop, -1);
	assert_int_equal(event_loop_step(loop, 5), 0);
	assert_string_equal(order, "a");
}

struct named_task {
	struct event_task task;
	char name;
	bool again;
	struct event_task *cancel;
};

static void on_task(struct event_task *task)
{
	struct named_task *named = container_of(task, struct named_task, task);

	note(named->name);
	if (named->again) {
		named->again = false;
		event_task_defer(loop, task, on_task);
	}
	if (named->cancel)
		event_task_cancel(named->cancel);
}

static void test_tasks(void **state)
{
	struct named_task a = {.name = 'a', .again = true}, b = {.name = 'b'}, c = {.name = 'c'};
	struct ready r;

	event_task_cancel(&a.task);
	add_ready(&r, 'r');
	event_task_defer(loop, &a.task, on_task);
	event_task_defer(loop, &b.task, on_task);
	event_task_defer(loop, &a.task, on_task); /* already waiting */
	event_task_defer(loop, &c.task, on_task);
	b.cancel = &c.task;
	/* After the batch, in order; the one deferred again runs in the next pass, without sleep.
	 */
	assert_int_equal(event_loop_step(loop, -1), 3);
	assert_string_equal(order, "rab");
	drop_ready(&r);
	assert_int_equal(event_loop_step(loop, -1), 1);
	assert_string_equal(order, "raba");
}

static void on_stop(struct event_timer *timer)
{
	note('s');
	event_loop_stop(timer->loop);
}

static void test_run_and_stop(void **state)
{
	struct event_timer timer = {0};

	event_timer_start(loop, &timer, 1, on_stop, "stop");
	assert_int_equal(event_loop_run(loop), 0);
	assert_string_equal(order, "s");
	event_timer_start(loop, &timer, 1, on_stop, "stop");
	assert_int_equal(event_loop_run(loop), 0);
	assert_string_equal(order, "ss");
}

/* A tool waits for its answer inside a callback; the outer batch goes on correctly. */
static void on_nested(struct event_source *source, uint32_t events)
{
	struct ready *ready = container_of(source, struct ready, source);

	note('(');
	event_source_set(source, 0);
	event_loop_step(loop, 0);
	drop_ready(container_of(ready->remove, struct ready, source));
	note(')');
}

static void test_nested_step(void **state)
{
	struct ready outer = {.name = 'o'}, b;

	event_source_add(loop, &outer.source, eventfd(1, EFD_CLOEXEC), EPOLLIN, on_nested, "outer");
	add_ready(&b, 'b');
	outer.remove = &b.source;
	while (!strchr(order, ')'))
		event_loop_step(loop, -1);
	assert_non_null(strstr(order, "(b)"));
	assert_int_equal(event_loop_step(loop, 0), 0);
	drop_ready(&outer);
}

static char logged[LOG_RECORD_MAX];

static void keep_record(const char *record, size_t len, void *context)
{
	memcpy(logged, record, len);
	logged[len - 1] = '\0';
}

static void on_slow(struct event_timer *timer)
{
	uint64_t start_ns = event_loop_now_ns();

	while (event_loop_now_ns() < start_ns + 60000000)
		;
}

static void test_slow_callback_is_named(void **state)
{
	struct event_timer timer = {0};

	log_set_sink(keep_record, NULL);
	event_timer_start(loop, &timer, 0, on_slow, "tortoise");
	event_loop_step(loop, -1);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(logged, "tortoise"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
	cmocka_unit_test_setup_teardown(test_removed_in_same_batch, setup, teardown),
	cmocka_unit_test_setup_teardown(test_parked_in_same_batch, setup, teardown),
	cmocka_unit_test_setup_teardown(test_freed_in_same_batch, setup, teardown),
	cmocka_unit_test_setup_teardown(test_stale_event_after_park, setup, teardown),
	cmocka_unit_test_setup_teardown(test_parked_hup_does_not_spin, setup, teardown),
	cmocka_unit_test_setup_teardown(test_removed_before_close, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_order, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_again, setup, teardown),
	cmocka_unit_test_setup_teardown(test_timer_stopped_by_another, setup, teardown),
	cmocka_unit_test_setup_teardown(test_tasks, setup, teardown),
	cmocka_unit_test_setup_teardown(test_run_and_stop, setup, teardown),
	cmocka_unit_test_setup_teardown(test_nested_step, setup, teardown),
	cmocka_unit_test_setup_teardown(test_slow_callback_is_named, setup, teardown),
};
TEST_MAIN(tests)
