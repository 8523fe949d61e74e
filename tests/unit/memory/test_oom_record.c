/* agent/memory/oom_record.c: the kernel's log as packets of a socket, records that wait for it. */
#include "memory/oom_record.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct oom_records records;
static int kernel; /* what it writes is in the log */
static char logged[8192];

static void keep_log(const char *record, size_t len, void *context)
{
	snprintf(logged, sizeof(logged), "%.*s", (int)len, record);
}

static const char *owner_of(void *owner, const char *task_memcg)
{
	return str_starts(task_memcg, "/cradle/c1") ? "c1" : NULL;
}

static int setup(void **state)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	fd_set_nonblock(fds[0], true);
	kernel = fds[1];
	loop = event_loop_new();
	log_set_sink(keep_log, NULL);
	logged[0] = '\0';
	oom_records_init(&records, loop, fds[0], owner_of, NULL);
	return 0;
}

static int teardown(void **state)
{
	oom_records_release(&records);
	close(kernel);
	event_loop_free(loop);
	scratch_remove();
	return 0;
}

static void say_victim(const char *group, unsigned pid)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
		"6,8,5,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=%s,task=p%u,pid=%u,uid="
		"0\n",
		group, pid, pid);

	assert_int_equal(write(kernel, line, (size_t)n), n);
}

static void say_sizes(unsigned pid)
{
	char line[512];
	int n = snprintf(line, sizeof(line),
		"3,9,6,-;Memory cgroup out of memory: Killed process %u (p%u) total-vm:9kB, "
		"anon-rss:%ukB, file-rss:2kB, shmem-rss:3kB, UID:0\n",
		pid, pid, pid);

	assert_int_equal(write(kernel, line, (size_t)n), n);
}

static void add(const char *id, uint64_t kills)
{
	struct oom_record record;

	oom_record_begin(&record, id);
	oom_record_read(&record, scratch_path("pod/%s", id));
	record.kills = kills;
	oom_records_add(&records, &record, kills);
	oom_records_tell(&records);
}

static const struct oom_record *listed(bool told_only, size_t index, size_t expected)
{
	const struct oom_record *list[OOM_RECORDS_MAX];
	uint64_t lost;

	assert_int_equal(
		oom_records_list(&records, told_only, list, OOM_RECORDS_MAX, &lost), expected);
	return list[index];
}

/* Both lines are there: told at once, with all there is to know. */
static void test_complete_at_once(void **state)
{
	const struct oom_record *r;

	scratch_file("pod/c1/memory.max", "67108864\n");
	scratch_file("pod/c1/memory.current", "66000000\n");
	scratch_file("pod/c1/memory.peak", "67108864\n");
	scratch_file("pod/c1/memory.stat", "anon 65000000\nfile 12288\nshmem 4096\n");
	scratch_file("pod/c1/memory.pressure", "some avg10=12.34 avg60=0.00 avg300=0.00 total=99\n"
					       "full avg10=5.06 avg60=0.00 avg300=0.00 total=77\n");
	say_victim("/cradle/c1/below", 11);
	say_sizes(11);
	add("c1", 1);
	r = listed(true, 0, 1);
	assert_int_equal(r->pid, 11);
	assert_string_equal(r->comm, "p11");
	assert_true(r->sized);
	assert_int_equal(r->victim_anon, 11 * 1024);
	assert_int_equal(r->victim_shmem, 3 * 1024);
	assert_int_equal(r->limit, 67108864);
	assert_int_equal(r->usage, 66000000);
	assert_int_equal(r->anon, 65000000);
	assert_int_equal(r->file, 12288);
	assert_int_equal(r->shmem, 4096);
	assert_true(r->pressure.known);
	assert_int_equal(r->pressure.some_permyriad, 1234);
	assert_non_null(strstr(logged, "\"pressure-10s\":\"some 12.34 full 5.06\""));
	assert_non_null(strstr(logged, "\"victim-anon\":\"11264\""));
}

struct watcher {
	struct waiter waiter;
	int woken;
};

static void on_woken(struct waiter *waiter, int value)
{
	((struct watcher *)waiter)->woken++;
}

/* The sizes come after the kill: who waits for records hears of it when it is complete. */
static void test_waits_for_the_sizes(void **state)
{
	struct watcher watcher = {.waiter.wake = on_woken};

	waiter_park(&records.watchers, &watcher.waiter);
	say_victim("/cradle/c1", 12);
	add("c1", 1);
	assert_int_equal(watcher.woken, 0);
	listed(true, 0, 0);
	assert_int_equal(listed(false, 0, 1)->pid, 12);
	say_sizes(12);
	while (!watcher.woken)
		event_loop_step(loop, 1000);
	assert_true(listed(true, 0, 1)->sized);
	assert_false(event_timer_running(&records.timer));
}

/* The log's rate limit: no line comes. Told a little later, as it is. */
static void test_without_a_line(void **state)
{
	struct watcher watcher = {.waiter.wake = on_woken};

	waiter_park(&records.watchers, &watcher.waiter);
	say_victim("/cradle/other", 13);
	say_sizes(13);
	add("c1", 1);
	while (!watcher.woken)
		event_loop_step(loop, 1000);
	assert_int_equal(listed(true, 0, 1)->pid, 0);
	assert_non_null(strstr(logged, "\"victim-anon\":\"unknown\""));
}

/* A line may come before its kill is counted; it is not lost, and not taken for an older kill. */
static void test_line_before_record(void **state)
{
	say_victim("/cradle/c1", 14);
	say_sizes(14);
	say_victim("/cradle/c1", 15);
	say_sizes(15);
	add("c1", 1);
	add("c1", 1);
	assert_int_equal(listed(true, 0, 2)->pid, 14);
	assert_int_equal(listed(true, 1, 2)->pid, 15);
	assert_int_equal(listed(true, 1, 2)->victim_anon, 15 * 1024);
}

/* A record of three kills takes three lines and tells of the first. */
static void test_several_kills(void **state)
{
	for (unsigned pid = 20; pid < 24; pid++)
		say_victim("/cradle/c1", pid);
	add("c1", 3);
	add("c1", 1);
	assert_int_equal(listed(false, 0, 2)->pid, 20);
	assert_int_equal(listed(false, 1, 2)->pid, 23);
}

#define RECORD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
	RECORD_TEST(test_complete_at_once),
	RECORD_TEST(test_waits_for_the_sizes),
	RECORD_TEST(test_without_a_line),
	RECORD_TEST(test_line_before_record),
	RECORD_TEST(test_several_kills),
};
TEST_MAIN(tests)
