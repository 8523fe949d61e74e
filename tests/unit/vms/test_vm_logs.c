/* vm_logs: whose line is it, and a guest that will not stop talking. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vms/vm_logs.h"

static struct vm_logs logs;
static char text[2u << 20];
static int folder;

static void begin(const char *name)
{
	folder = open(scratch_mkdir(name), O_RDONLY | O_DIRECTORY);
	assert_int_equal(vm_logs_open(&logs, folder), 0);
}

static void feed(const char *bytes)
{
	vm_logs_feed(&logs, bytes, strlen(bytes));
}

static const char *read_log(const char *path)
{
	assert_true(file_read(path, text, sizeof(text)) >= 0);
	return text;
}

static void lines_go_to_their_files(void **state)
{
	begin("lines");
	feed("[    0.1] Linux\r\n{\"msg\":\"up");
	feed("\"}\r\n\r\n[    0.2] more {\"msg\":\n{\"msg\":\"b\"}\n[    0.3] no end");
	vm_logs_close(&logs);
	close(folder);
	assert_string_equal(
		read_log(scratch_path("lines/agent.log")), "{\"msg\":\"up\"}\n{\"msg\":\"b\"}\n");
	assert_string_equal(read_log(scratch_path("lines/kernel.log")),
		"[    0.1] Linux\n[    0.2] more {\"msg\":\n[    0.3] no end\n");
	assert_string_equal(read_log(scratch_path("lines/console.log")),
		"[    0.1] Linux\r\n{\"msg\":\"up\"}\r\n\r\n[    0.2] more {\"msg\":\n"
		"{\"msg\":\"b\"}\n[    0.3] no end");
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_guest_that_will_not_stop(void **state)
{
	static char chunk[4096];

	begin("flood");
	memset(chunk, 'x', sizeof(chunk));
	/* five megabytes without a single newline */
	for (int i = 0; i < 5 * 256; i++)
		vm_logs_feed(&logs, chunk, sizeof(chunk));
	vm_logs_close(&logs);
	close(folder);
	assert_in_range(size_of(scratch_path("flood/console.log")), 1, VM_LOG_MAX);
	assert_in_range(size_of(scratch_path("flood/console.log.1")), 1, VM_LOG_MAX);
	assert_in_range(size_of(scratch_path("flood/kernel.log")), 1, VM_LOG_MAX);
	assert_int_equal(size_of(scratch_path("flood/agent.log")), 0);
	assert_int_equal(size_of(scratch_path("flood/console.log.2")), -1);
	assert_true(strlen(read_log(scratch_path("flood/kernel.log"))) > VM_LOG_LINE_MAX);
	assert_true(strchr(text, '\n') - text < VM_LOG_LINE_MAX);
}

/* A guest makes the keeper talk without end; what a library prints beside it lands there too. */
static void a_keeper_that_will_not_stop(void **state)
{
	static const char line[] = "the guest broke its ring\n";
	int out = dup(1), err = dup(2), fd, fds;

	begin("own");
	scratch_file("own/vm.log", "before\n");
	fds = test_count_fds();
	fd = open(scratch_path("own/vm.log"), O_WRONLY | O_APPEND);
	fflush(stdout);
	dup2(fd, 2);
	close(fd);
	vm_logs_take_stderr(&logs);
	for (size_t i = 0; i < 3 * VM_LOG_MAX / sizeof(line); i++)
		vm_logs_say(&logs, line, strlen(line));
	vm_logs_say(&logs, "last\n", 5);
	dprintf(2, "beside\n");
	vm_logs_close(&logs);
	dup2(out, 1);
	dup2(err, 2);
	assert_int_equal(test_count_fds(), fds - 3); /* its own three files are closed */
	close(out);
	close(err);
	close(folder);
	assert_in_range(size_of(scratch_path("own/vm.log")), 1, VM_LOG_MAX);
	assert_in_range(size_of(scratch_path("own/vm.log.1")), VM_LOG_MAX / 2, VM_LOG_MAX);
	assert_int_equal(size_of(scratch_path("own/vm.log.2")), -1);
	assert_non_null(strstr(read_log(scratch_path("own/vm.log")), "ring\nlast\nbeside\n"));
}

static void a_folder_that_is_gone(void **state)
{
	int fds = test_count_fds();

	assert_true(vm_logs_open(&logs, -1) < 0);
	feed("lost\n");
	vm_logs_close(&logs);
	assert_int_equal(test_count_fds(), fds);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lines_go_to_their_files),
	cmocka_unit_test(a_guest_that_will_not_stop),
	cmocka_unit_test(a_keeper_that_will_not_stop),
	cmocka_unit_test(a_folder_that_is_gone),
};

TEST_MAIN(tests)
