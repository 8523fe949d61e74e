/*
 * Tests agent/kernel/seccomp.c: profiles are compiled to a memfd, installed in a forked child, and
 * seen to work by what system calls answer there. Wants root (or it would have to set
 * no_new_privs).
 */
#include "kernel/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "lib/test_main.h"

#define STR(text) ((char *)(text))

static Grpc__LinuxSeccomp profile;
static Grpc__LinuxSyscall rule[2];
static Grpc__LinuxSyscall *rules[] = {&rule[0], &rule[1]};
static Grpc__LinuxSeccompArg arg[2];
static Grpc__LinuxSeccompArg *args[] = {&arg[0], &arg[1]};
static char *names[2], *words[3];
static struct error err;

/* Everything allowed but what one rule says about getpriority(which, who). */
static void start_profile(const char *action)
{
	grpc__linux_seccomp__init(&profile);
	grpc__linux_syscall__init(&rule[0]);
	grpc__linux_syscall__init(&rule[1]);
	grpc__linux_seccomp_arg__init(&arg[0]);
	grpc__linux_seccomp_arg__init(&arg[1]);
	memset(&err, 0, sizeof(err));
	profile.defaultaction = STR("SCMP_ACT_ALLOW");
	profile.syscalls = rules;
	profile.n_syscalls = 1;
	rule[0].names = names;
	rule[0].n_names = 1;
	rule[0].action = STR(action);
	rule[0].args = args;
	names[0] = STR("getpriority");
}

static void compare(int i, uint64_t index, const char *op, uint64_t value, uint64_t second)
{
	rule[0].n_args = (size_t)i + 1;
	arg[i].index = index;
	arg[i].op = STR(op);
	arg[i].value = value;
	arg[i].valuetwo = second;
}

static int compiled(void)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_true(fd >= 0);
	if (seccomp_compile(&profile, fd, &err) < 0)
		fail_msg("%s", err.text);
	return fd;
}

/* errno of getpriority(which, who) under the profile, 0 for success; 1000 + signal when killed. */
static int answer(int which, int who)
{
	int fd = compiled(), status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka catches it */
		/* Twice: the descriptor's offset does not matter. */
		if (seccomp_install(fd, 0, &err) < 0 ||
			seccomp_install(fd, seccomp_flags(&profile), &err) < 0)
			_exit(250);
		_exit(syscall(SYS_getpriority, which, who) < 0 ? errno : 0);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_errno(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	rule[0].errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	rule[0].errnoret = ENOSYS;
	assert_int_equal(answer(0, 0), ENOSYS);
}

/* Unset or 0 would make the call "work" without running (c14). */
static void test_errno_unset(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	assert_int_equal(answer(0, 0), EPERM);
	rule[0].errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	assert_int_equal(answer(0, 0), EPERM);
}

static void test_kill(void **state)
{
	start_profile("SCMP_ACT_KILL_PROCESS");
	assert_int_equal(answer(0, 0), 1000 + SIGSYS);
	rule[0].action = STR("SCMP_ACT_TRAP");
	assert_int_equal(answer(0, 0), 1000 + SIGSYS);
}

static void test_default_action(void **state)
{
	static char *allowed[] = {STR("exit_group"), STR("exit"), STR("seccomp"), STR("fstat"),
		STR("newfstatat"), STR("pread64")};

	start_profile("SCMP_ACT_ALLOW");
	profile.defaultaction = STR("SCMP_ACT_ERRNO");
	rule[0].names = allowed;
	rule[0].n_names = ARRAY_SIZE(allowed);
	assert_int_equal(answer(0, 0), EPERM);
}

static void test_arguments_are_anded(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	compare(0, 0, "SCMP_CMP_EQ", 0, 0);
	compare(1, 1, "SCMP_CMP_GT", 5, 0);
	assert_int_equal(answer(0, 0), 0);
	assert_int_not_equal(answer(1, 6), EPERM);
	assert_int_equal(answer(0, 6), EPERM);
}

/* Value is the mask, ValueTwo what must remain. */
static void test_masked(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	compare(0, 1, "SCMP_CMP_MASKED_EQ", 0x0f00, 0x0300);
	assert_int_equal(answer(0, 0x70030000), ESRCH);
	assert_int_equal(answer(0, 0x70000355), EPERM);
	assert_int_equal(answer(0, 0x70000755), ESRCH);
}

static void no_log(const char *record, size_t len, void *context)
{
	int *count = context;

	if (strstr(record, "no_such_call"))
		(*count)++;
}

static void test_unknown_name_is_skipped(void **state)
{
	int logged = 0;

	start_profile("SCMP_ACT_ERRNO");
	rule[0].n_names = 2;
	names[0] = STR("no_such_call");
	names[1] = STR("getpriority");
	log_set_sink(no_log, &logged);
	assert_int_equal(answer(0, 0), EPERM);
	log_set_sink(NULL, NULL);
	assert_int_equal(logged, 1);
}

static void test_rule_like_the_default_is_skipped(void **state)
{
	start_profile("SCMP_ACT_ALLOW");
	profile.n_syscalls = 2;
	rule[1].names = names;
	rule[1].n_names = 1;
	rule[1].action = STR("SCMP_ACT_ERRNO");
	assert_int_equal(answer(0, 0), EPERM);
}

static void test_flags(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	profile.flags = words;
	profile.n_flags = 3;
	words[0] = STR("SECCOMP_FILTER_FLAG_TSYNC");
	words[1] = STR("SECCOMP_FILTER_FLAG_LOG");
	words[2] = STR("SECCOMP_FILTER_FLAG_SPEC_ALLOW");
	assert_int_equal(seccomp_flags(&profile), SECCOMP_FILTER_FLAG_TSYNC |
							  SECCOMP_FILTER_FLAG_LOG |
							  SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_int_equal(answer(0, 0), EPERM);
	assert_int_equal(seccomp_flags(NULL), 0);
}

static void test_architectures(void **state)
{
	start_profile("SCMP_ACT_ERRNO");
	profile.architectures = words;
	profile.n_architectures = 3;
#ifdef __x86_64__
	words[0] = STR("SCMP_ARCH_X86_64");
	words[1] = STR("SCMP_ARCH_X86");
	words[2] = STR("SCMP_ARCH_X32");
#else
	profile.n_architectures = 0;
#endif
	assert_int_equal(answer(0, 0), EPERM);
	words[0] = STR("x86_64");
	profile.n_architectures = 1;
	assert_true(seccomp_check(&profile, &err) < 0);
	words[0] = STR("SCMP_ARCH_AVERYLONGNAMETHATNOBODYUSESFORANYTHING");
	assert_true(seccomp_check(&profile, &err) < 0);
}

/* Everything the launch plan's table does not cover is the compiler's to refuse as well. */
static void test_compile_checks(void **state)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	start_profile("SCMP_ACT_WISH");
	assert_int_equal(seccomp_compile(&profile, fd, &err), -EPROTO);
	assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
}

static void test_install_refuses_nonsense(void **state)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_int_equal(seccomp_install(fd, 0, &err), -EINVAL);
	assert_int_equal(write(fd, "1234567", 7), 7);
	assert_int_equal(seccomp_install(fd, 0, &err), -EINVAL);
	assert_int_equal(write(fd, "8", 1), 1);
	assert_int_equal(seccomp_install(fd, 0, &err), -EINVAL);
	assert_non_null(strstr(err.text, "install the filter"));
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(seccomp_install(fd, 0, &err), -EINVAL);
	close(fd);
	assert_int_equal(seccomp_install(fd, 0, &err), -EBADF);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_errno),
	cmocka_unit_test(test_errno_unset),
	cmocka_unit_test(test_kill),
	cmocka_unit_test(test_default_action),
	cmocka_unit_test(test_arguments_are_anded),
	cmocka_unit_test(test_masked),
	cmocka_unit_test(test_unknown_name_is_skipped),
	cmocka_unit_test(test_rule_like_the_default_is_skipped),
	cmocka_unit_test(test_flags),
	cmocka_unit_test(test_architectures),
	cmocka_unit_test(test_compile_checks),
	cmocka_unit_test(test_install_refuses_nonsense),
};

TEST_MAIN(tests)
