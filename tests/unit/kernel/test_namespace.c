/* Tests agent/kernel/namespace.c; wants root. */
#include "kernel/namespace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static void test_words(void **state)
{
	static const struct {
		const char *word;
		int type;
	} cases[] = {
		{"mount", NAMESPACE_MNT},
		{"mnt", NAMESPACE_MNT},
		{"network", NAMESPACE_NET},
		{"net", NAMESPACE_NET},
		{"pid", NAMESPACE_PID},
		{"ipc", NAMESPACE_IPC},
		{"uts", NAMESPACE_UTS},
		{"user", NAMESPACE_USER},
		{"cgroup", NAMESPACE_CGROUP},
		{"time", NAMESPACE_TIME},
		{"Mount", -EINVAL},
		{"", -EINVAL},
		{"pid ", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (namespace_type_parse(cases[i].word) != cases[i].type)
			fail_msg("\"%s\"", cases[i].word);
	assert_true(namespace_clone_flag(NAMESPACE_MNT) == CLONE_NEWNS);
	assert_true(namespace_clone_flag(NAMESPACE_TIME) == CLONE_NEWTIME);
	assert_string_equal(namespace_name(NAMESPACE_MNT), "mnt");
}

/* A child in new uts and ipc namespaces, ready when the pipe says so. */
static pid_t child_elsewhere(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) < 0 || sethostname("elsewhere", 9) < 0)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_pin_what_differs(void **state)
{
	pid_t pid = child_elsewhere();
	struct namespace_set set;
	struct error err = ERROR_INIT;
	int fds = test_count_fds();

	assert_int_equal(namespace_set_pin(&set, pid, &err), 0);
	for (int i = 0; i < NAMESPACE_COUNT; i++)
		assert_int_equal(set.fd[i] >= 0, i == NAMESPACE_UTS || i == NAMESPACE_IPC);
	assert_int_equal(test_count_fds(), fds + 2);
	namespace_set_release(&set);
	namespace_set_release(&set);
	assert_int_equal(test_count_fds(), fds);
	end_child(pid);
}

/* A pinned namespace outlives its processes; there and back again. */
static void test_enter_and_come_back(void **state)
{
	pid_t pid = child_elsewhere();
	struct namespace_set set;
	struct error err = ERROR_INIT;
	char before[65], there[65], after[65];
	int own = namespace_open_own(NAMESPACE_UTS, &err);

	assert_int_equal(namespace_set_pin(&set, pid, &err), 0);
	end_child(pid);
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	assert_int_equal(namespace_enter(NAMESPACE_UTS, set.fd[NAMESPACE_UTS], &err), 0);
	gethostname(there, sizeof(there));
	assert_int_equal(namespace_enter(NAMESPACE_UTS, own, &err), 0);
	gethostname(after, sizeof(after));
	assert_string_equal(there, "elsewhere");
	assert_string_equal(after, before);
	/* The wrong kind. */
	assert_int_equal(namespace_enter(NAMESPACE_IPC, own, &err), -EINVAL);
	assert_non_null(strstr(err.text, "join the ipc namespace"));
	close(own);
	namespace_set_release(&set);
}

static void test_pin_nobody(void **state)
{
	struct namespace_set set;
	struct error err = ERROR_INIT;
	pid_t pid = fork();
	int fds = test_count_fds();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	namespace_set_init(&set);
	assert_int_equal(namespace_set_pin(&set, pid, &err), -ENOENT);
	assert_int_equal(set.fd[NAMESPACE_UTS], -1);
	assert_int_equal(test_count_fds(), fds);
}

static void test_open_by_path(void **state)
{
	struct error err = ERROR_INIT;
	int fd = namespace_open(NAMESPACE_NET, "/proc/self/ns/net", &err);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(namespace_open(NAMESPACE_NET, "/proc/self/ns/uts", &err), -EINVAL);
	assert_non_null(strstr(err.text, "/proc/self/ns/uts is no net namespace"));
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_int_equal(namespace_open(NAMESPACE_NET, "/etc/passwd", &err), -EINVAL);
	assert_int_equal(namespace_open(NAMESPACE_NET, "/no/such/file", &err), -ENOENT);
	/* Opening must not wait for a writer. */
	assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
	assert_int_equal(namespace_open(NAMESPACE_NET, scratch_path("fifo"), &err), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_words),
	cmocka_unit_test(test_pin_what_differs),
	cmocka_unit_test(test_enter_and_come_back),
	cmocka_unit_test(test_pin_nobody),
	cmocka_unit_test(test_open_by_path),
};

TEST_MAIN(tests)
