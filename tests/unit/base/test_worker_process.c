/* Tests agent/base/worker_process.c and worker_child.c. */
#include "base/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define ANSWERS_MAX 8

struct asked {
	struct worker_request request;
	int calls, result;
	size_t count;
	struct {
		const char *name;
		int errnum;
		size_t len;
		char text[WORKER_FILE_MAX + 1];
	} files[3];
};

static struct event_loop *loop;
static struct worker *worker;
static int fds_before;
static char order[32];

static void no_log(const char *record, size_t len, void *context)
{
}

static int setup(void **state)
{
	log_set_sink(no_log, NULL);
	order[0] = '\0';
	fds_before = test_count_fds();
	loop = event_loop_new();
	if (child_reaper_init(loop) < 0)
		return -1;
	worker = worker_new(loop);
	return worker ? 0 : -1;
}

static int teardown(void **state)
{
	worker_free(worker);
	/* Killed, disowned: reaped as an unknown child. */
	while (waitpid(-1, NULL, WNOHANG) != -1)
		event_loop_step(loop, 10);
	child_reaper_release();
	event_loop_free(loop);
	return test_count_fds() == fds_before && child_process_count() == 0 ? 0 : -1;
}

static void on_done(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct asked *asked = container_of(request, struct asked, request);

	asked->calls++;
	asked->result = result;
	asked->count = count;
	for (size_t i = 0; i < count && i < ARRAY_SIZE(asked->files); i++) {
		asked->files[i].name = files[i].name;
		asked->files[i].errnum = files[i].errnum;
		asked->files[i].len = files[i].len;
		memcpy(asked->files[i].text, files[i].text, files[i].len + 1);
	}
	if (result < 0)
		assert_null(files);
}

static const char *const two_names[] = {"memory.stat", "memory.events", "missing"};

static void ask(struct asked *asked, const char *dir, const char *const *names, size_t count)
{
	memset(asked, 0, sizeof(*asked));
	assert_int_equal(worker_read(worker, &asked->request, dir, names, count, on_done), 0);
}

static void await(struct asked *asked)
{
	while (!asked->calls)
		assert_true(event_loop_step(loop, -1) >= 0);
}

static struct asked a, b, c;

static void test_files(void **state)
{
	scratch_file("cg/memory.stat", "anon 1\nfile 2\n");
	scratch_file("cg/memory.events", "");
	ask(&a, scratch_path("cg"), two_names, 3);
	await(&a);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.count, 3);
	assert_string_equal(a.files[0].text, "anon 1\nfile 2\n");
	assert_int_equal(a.files[0].len, 14);
	assert_string_equal(a.files[0].name, "memory.stat");
	assert_int_equal(a.files[1].errnum, 0);
	assert_string_equal(a.files[1].text, "");
	assert_int_equal(a.files[2].errnum, ENOENT);
	assert_int_equal(a.files[2].len, 0);
}

static void write_pieces(const char *path)
{
	int fd = open(path, O_WRONLY), left = 1;

	if (fd < 0 || write(fd, "one", 3) != 3)
		_exit(1);
	while (ioctl(fd, FIONREAD, &left) == 0 && left > 0)
		usleep(1000);
	_exit(write(fd, "two", 3) == 3 ? 0 : 1);
}

/* Only a control file of a cgroup may end with a short read. */
static void test_short_reads(void **state)
{
	static const char *const names[] = {"pieces"};

	scratch_file("pieces/file", "");
	assert_int_equal(mkfifo(scratch_path("pieces/pieces"), 0600), 0);
	if (fork() == 0)
		write_pieces(scratch_path("pieces/pieces"));
	ask(&a, scratch_path("pieces"), names, 1);
	await(&a);
	assert_int_equal(a.result, 0);
	assert_string_equal(a.files[0].text, "onetwo");
}

static void test_missing_folder(void **state)
{
	ask(&a, scratch_path("no-such-folder"), two_names, 2);
	await(&a);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.files[0].errnum, ENOENT);
	assert_int_equal(a.files[1].errnum, ENOENT);
}

/* The folder is removed between two requests that are both under way or queued. */
static void test_folder_vanishes(void **state)
{
	static const char *const names[] = {"f"};

	scratch_file("gone/f", "x");
	ask(&a, scratch_path("gone"), names, 1);
	await(&a);
	assert_string_equal(a.files[0].text, "x");
	assert_int_equal(unlink(scratch_path("gone/f")), 0);
	assert_int_equal(rmdir(scratch_path("gone")), 0);
	ask(&b, scratch_path("gone"), names, 1);
	await(&b);
	assert_int_equal(b.files[0].errnum, ENOENT);
}

static void test_many_in_order(void **state)
{
	static struct asked many[50];
	char name[32];

	scratch_file("m/memory.stat", "1");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		ask(&many[i], scratch_path("m"), two_names, 1);
	}
	await(&many[49]);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(many[i].calls, 1);
		assert_string_equal(many[i].files[0].text, "1");
	}
}

/* All that a request may ask for, each file as long as may be. */
static void test_most_at_once(void **state)
{
	static const char *names[WORKER_FILES_MAX + 1];
	static char text[WORKER_FILE_MAX + 1];

	memset(text, 'z', WORKER_FILE_MAX);
	scratch_file("most/f", text);
	for (int i = 0; i <= WORKER_FILES_MAX; i++)
		names[i] = "f";
	ask(&a, scratch_path("most"), names, WORKER_FILES_MAX);
	await(&a);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.count, WORKER_FILES_MAX);
	assert_int_equal(a.files[2].len, WORKER_FILE_MAX);
	assert_string_equal(a.files[2].text, text);
	assert_int_equal(worker_read(worker, &b.request, "/", names, WORKER_FILES_MAX + 1, on_done),
		-EINVAL);
	assert_int_equal(worker_read(worker, &b.request, "/", names, 0, on_done), -EINVAL);
}

static void test_long_file_is_cut_at_a_line(void **state)
{
	static char text[WORKER_FILE_MAX + 200];
	static const char *const names[] = {"long", "no-lines"};
	size_t len = 0;

	while (len < WORKER_FILE_MAX + 100)
		len += (size_t)sprintf(text + len, "line %d\n", (int)len);
	scratch_file("cut/long", text);
	memset(text, 'y', WORKER_FILE_MAX + 100);
	scratch_file("cut/no-lines", text);
	ask(&a, scratch_path("cut"), names, 2);
	await(&a);
	assert_true(a.files[0].len <= WORKER_FILE_MAX && a.files[0].len > WORKER_FILE_MAX - 20);
	assert_int_equal(a.files[0].text[a.files[0].len - 1], '\n');
	assert_int_equal(a.files[1].len, WORKER_FILE_MAX);
}

static void test_too_long_a_question(void **state)
{
	static char dir[20000];

	memset(dir, 'd', sizeof(dir) - 1);
	assert_int_equal(
		worker_read(worker, &a.request, dir, two_names, 1, on_done), -ENAMETOOLONG);
}

/* A FIFO without a writer: open(2) never returns. */
static void test_stuck_read(void **state)
{
	static const char *const names[] = {"fifo"};
	int pid = worker_pid(worker);

	scratch_file("stuck/memory.stat", "fine");
	assert_int_equal(mkfifo(scratch_path("stuck/fifo"), 0600), 0);
	ask(&a, scratch_path("stuck"), names, 1);
	ask(&b, scratch_path("stuck"), two_names, 1);
	await(&a);
	assert_int_equal(a.result, -ETIMEDOUT);
	await(&b);
	assert_int_equal(b.result, 0);
	assert_string_equal(b.files[0].text, "fine");
	assert_int_not_equal(worker_pid(worker), pid);
}

static void test_cancel(void **state)
{
	scratch_file("cancel/memory.stat", "x");
	ask(&a, scratch_path("cancel"), two_names, 2);
	ask(&b, scratch_path("cancel"), two_names, 2);
	ask(&c, scratch_path("cancel"), two_names, 2);
	event_loop_step(loop, 0); /* a is under way now */
	worker_cancel(&a.request);
	worker_cancel(&a.request);
	worker_cancel(&b.request);
	await(&c);
	assert_int_equal(c.result, 0);
	assert_string_equal(c.files[0].text, "x");
	assert_int_equal(a.calls + b.calls, 0);
}

static void test_killed_worker_is_replaced(void **state)
{
	static const char *const names[] = {"fifo2"};
	int pid = worker_pid(worker);

	scratch_file("k/memory.stat", "x");
	/* Idle. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (kill(pid, 0) == 0)
		event_loop_step(loop, 10);
	ask(&a, scratch_path("k"), two_names, 1);
	await(&a);
	assert_int_equal(a.result, 0);
	/* With a request under way. */
	assert_int_equal(mkfifo(scratch_path("k/fifo2"), 0600), 0);
	ask(&a, scratch_path("k"), names, 1);
	event_loop_step(loop, 0);
	assert_int_equal(kill(worker_pid(worker), SIGKILL), 0);
	await(&a);
	assert_int_equal(a.result, -EIO);
	ask(&a, scratch_path("k"), two_names, 1);
	await(&a);
	assert_int_equal(a.result, 0);
}

static void test_free_cancels(void **state)
{
	scratch_file("free/memory.stat", "x");
	ask(&a, scratch_path("free"), two_names, 1);
	ask(&b, scratch_path("free"), two_names, 1);
	event_loop_step(loop, 0);
	worker_free(worker);
	assert_int_equal(a.result, -ECANCELED);
	assert_int_equal(b.result, -ECANCELED);
	assert_int_equal(a.calls + b.calls, 2);
	worker = worker_new(loop);
	assert_non_null(worker);
}

/* Its descriptors: the socket and stderr, whatever the parent had open. */
static void test_holds_no_descriptors(void **state)
{
	char path[64];
	int n = 0, extra = open("/dev/null", O_RDONLY);

	worker_free(worker);
	worker = worker_new(loop);
	/* An answer tells that it is set up; for this one it need open nothing. */
	ask(&a, scratch_path("no-such-folder"), two_names, 1);
	await(&a);
	for (int fd = 0; fd < 256; fd++) {
		char target[8];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker_pid(worker), fd);
		if (readlink(path, target, sizeof(target)) >= 0)
			n++;
	}
	assert_int_equal(n, 2);
	close(extra);
}

#ifndef __SANITIZE_ADDRESS__
/*
 * What the parent changes after the fork stays in the worker as a private copy, unless it gave the
 * memory away. This program is dynamic and has more data of its own than the agent (there it is
 * below 60 KiB), hence the bar; with the heap kept it would be above 600.
 */
static void test_costs_little(void **state)
{
	char path[64], text[4096], *at;
	long private_kb = 0;
	char *heap[50];

	for (int i = 0; i < 50; i++)
		heap[i] = memset(malloc(10000), 1, 10000);
	worker_free(worker);
	worker = worker_new(loop);
	scratch_file("p/memory.stat", "x");
	ask(&a, scratch_path("p"), two_names, 2);
	await(&a);
	for (int i = 0; i < 50; i++)
		memset(heap[i], 2, 10000);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", worker_pid(worker));
	assert_true(file_read(path, text, sizeof(text)) > 0);
	at = strstr(text, "Private_Dirty:");
	assert_non_null(at);
	private_kb = strtol(at + strlen("Private_Dirty:"), NULL, 10);
	for (int i = 0; i < 50; i++)
		free(heap[i]);
	print_message("# worker's private dirty memory: %ld KiB\n", private_kb);
	assert_true(private_kb < 200);
}
#endif

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
static const struct CMUnitTest tests[] = {
	WITH_LOOP(test_files),
	WITH_LOOP(test_short_reads),
	WITH_LOOP(test_missing_folder),
	WITH_LOOP(test_folder_vanishes),
	WITH_LOOP(test_many_in_order),
	WITH_LOOP(test_most_at_once),
	WITH_LOOP(test_long_file_is_cut_at_a_line),
	WITH_LOOP(test_too_long_a_question),
	WITH_LOOP(test_stuck_read),
	WITH_LOOP(test_cancel),
	WITH_LOOP(test_killed_worker_is_replaced),
	WITH_LOOP(test_free_cancels),
	WITH_LOOP(test_holds_no_descriptors),
#ifndef __SANITIZE_ADDRESS__
	WITH_LOOP(test_costs_little),
#endif
};
TEST_MAIN(tests)
