/*
 * Tests agent/kernel/seccomp_cache.c: equal profiles share a filter, others never do, everybody has
 * his own descriptor, and the one asked for least recently goes.
 */
#include "kernel/seccomp_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_main.h"

static Grpc__LinuxSeccomp profile;
static Grpc__LinuxSyscall rule, *rules[] = {&rule};
static char name[16], *names[] = {name};

static const Grpc__LinuxSeccomp *with(const char *syscall)
{
	grpc__linux_seccomp__init(&profile);
	grpc__linux_syscall__init(&rule);
	str_copy(name, sizeof(name), syscall);
	rule.names = names;
	rule.n_names = 1;
	rule.action = (char *)"SCMP_ACT_ERRNO";
	profile.defaultaction = (char *)"SCMP_ACT_ALLOW";
	profile.syscalls = rules;
	profile.n_syscalls = 1;
	return &profile;
}

/* A filter that says whose it is. */
static int filter(const char *text)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, 4), 4);
	return fd;
}

static void keep(const char *syscall)
{
	_cleanup_fd_ int fd = filter(syscall);

	seccomp_cache_keep(with(syscall), fd);
}

static bool found(const char *syscall)
{
	_cleanup_fd_ int fd = seccomp_cache_find(with(syscall));
	char text[5] = "";

	if (fd < 0) {
		assert_int_equal(fd, -ENOENT);
		return false;
	}
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pread(fd, text, 4, 0), 4);
	assert_memory_equal(text, syscall, 4);
	return true;
}

static void test_equal_profiles_share(void **state)
{
	assert_false(found("read"));
	keep("read");
	assert_true(found("read"));
	assert_true(found("read"));
	assert_false(found("reap"));
	seccomp_cache_clear();
	assert_false(found("read"));
}

/* One word more or another action is another filter. */
static void test_a_difference_counts(void **state)
{
	keep("read");
	with("read");
	rule.action = (char *)"SCMP_ACT_KILL";
	assert_int_equal(seccomp_cache_find(&profile), -ENOENT);
	with("read");
	profile.defaultaction = (char *)"SCMP_ACT_LOG";
	assert_int_equal(seccomp_cache_find(&profile), -ENOENT);
	with("read");
	rule.errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	assert_int_equal(seccomp_cache_find(&profile), -ENOENT);
	assert_true(found("read"));
	seccomp_cache_clear();
}

/* Everybody's own: what one does to it is not another's. */
static void test_what_is_kept_stays_as_it_is(void **state)
{
	int fd, before;

	keep("read");
	before = test_count_fds();
	fd = seccomp_cache_find(with("read"));
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "evil", 4, 0), 4);
	assert_true(found("read"));
	close(fd);
	assert_int_equal(test_count_fds(), before);
	seccomp_cache_clear();
}

static void test_the_one_longest_unasked_goes(void **state)
{
	static const char *const first[] = {"read", "write", "mkdir", "rmdir"};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		keep(first[i]);
	assert_true(found("read"));
	keep("chmod");
	assert_true(found("read"));
	assert_false(found("write"));
	assert_true(found("mkdir") && found("rmdir") && found("chmod"));
	seccomp_cache_clear();
}

/* A pipe is no filter; a profile may be too long. Neither is kept, nothing breaks. */
static void test_what_cannot_be_kept(void **state)
{
	static char *many[9000];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	seccomp_cache_keep(with("read"), fds[0]);
	assert_false(found("read"));
	close(fds[0]);
	close(fds[1]);
	with("read");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (char *)"getpriority";
	rule.names = many;
	rule.n_names = ARRAY_SIZE(many);
	fds[0] = filter("long");
	seccomp_cache_keep(&profile, fds[0]);
	assert_int_equal(seccomp_cache_find(&profile), -ENOENT);
	close(fds[0]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_equal_profiles_share),
	cmocka_unit_test(test_a_difference_counts),
	cmocka_unit_test(test_what_is_kept_stays_as_it_is),
	cmocka_unit_test(test_the_one_longest_unasked_goes),
	cmocka_unit_test(test_what_cannot_be_kept),
};

TEST_MAIN(tests)
