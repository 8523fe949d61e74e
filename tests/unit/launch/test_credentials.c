/*
 * Tests agent/launch/credentials.c: what a launched process may do, as the kernel tells it in
 * /proc/self/status: ids, groups, capabilities, no_new_privs, seccomp; kernel parameters, cgroup.
 */
#include "launch/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "unit/launch/launch_asserts.h"

static void status_of(const char *words)
{
	fixture_args(&f, "grep", "-E", words, "/proc/self/status", NULL);
}

/* ---- ids ------------------------------------------------------------------------------------ */

static void test_ids_and_groups(void **state)
{
	uint32_t groups[] = {20, 4000000000u};

	f.user.uid = 1234;
	f.user.gid = 5678;
	f.user.additionalgids = groups;
	f.user.n_additionalgids = 2;
	status_of("^(Uid|Gid|Groups)");
	assert_output("Uid:\t1234\t1234\t1234\t1234\nGid:\t5678\t5678\t5678\t5678\n"
		      "Groups:\t20 4000000000 \n");
}

static void test_no_groups_are_inherited(void **state)
{
	status_of("^(Groups)");
	assert_output("Groups:\t \n");
}

static void test_streams_belong_to_the_user(void **state)
{
	f.user.uid = 1234;
	fixture_shell(&f, "echo again > /dev/stdout; echo error > /dev/stderr");
	assert_output("again\nerror\n");
}

/* ---- capabilities --------------------------------------------------------------------------- */

static void test_capabilities_of_root(void **state)
{
	fixture_capabilities(&f, "CAP_CHOWN", "net_raw", NULL);
	f.capabilities.n_inheritable = 0;
	status_of("^Cap");
	assert_output("CapInh:\t0000000000000000\nCapPrm:\t0000000000002001\n"
		      "CapEff:\t0000000000002001\nCapBnd:\t0000000000002001\n"
		      "CapAmb:\t0000000000000000\n");
}

static void test_no_capabilities(void **state)
{
	fixture_capabilities(&f, NULL);
	status_of("^Cap");
	assert_output("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
		      "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
		      "CapAmb:\t0000000000000000\n");
}

static void test_user_has_none_without_ambient(void **state)
{
	fixture_capabilities(&f, "CAP_NET_RAW", NULL);
	f.user.uid = 1000;
	status_of("^Cap(Prm|Eff|Bnd)");
	assert_output("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		      "CapBnd:\t0000000000002000\n");
}

static void test_ambient(void **state)
{
	fixture_capabilities(&f, "CAP_NET_RAW", NULL);
	f.capabilities.ambient = f.caps;
	f.capabilities.n_ambient = 1;
	f.user.uid = 1000;
	status_of("^Cap(Prm|Eff|Amb)");
	assert_output("CapPrm:\t0000000000002000\nCapEff:\t0000000000002000\n"
		      "CapAmb:\t0000000000002000\n");
}

/* Ambient without inheritable is refused by the kernel: said in the log, not a failure. */
static void test_ambient_impossible(void **state)
{
	fixture_capabilities(&f, "CAP_NET_RAW", NULL);
	f.capabilities.ambient = f.caps;
	f.capabilities.n_ambient = 1;
	f.capabilities.n_inheritable = 0;
	status_of("^CapAmb");
	assert_output("CapAmb:\t0000000000000000\n");
}

static void test_no_new_privileges(void **state)
{
	f.process.nonewprivileges = true;
	status_of("^NoNewPrivs");
	assert_output("NoNewPrivs:\t1\n");
}

/* ---- seccomp -------------------------------------------------------------------------------- */

static Grpc__LinuxSeccomp profile = GRPC__LINUX_SECCOMP__INIT;
static Grpc__LinuxSyscall rule = GRPC__LINUX_SYSCALL__INIT;
static Grpc__LinuxSyscall *rules[] = {&rule};
static char *names[] = {(char *)"mkdir", (char *)"mkdirat", (char *)"no_such_system_call"};

static void refuse_mkdir(void)
{
	profile.defaultaction = (char *)"SCMP_ACT_ALLOW";
	profile.syscalls = rules;
	profile.n_syscalls = 1;
	rule.names = names;
	rule.n_names = 3;
	rule.action = (char *)"SCMP_ACT_ERRNO";
	f.linux.seccomp = &profile;
	fixture_shell(&f, "grep ^Seccomp: /proc/self/status; mkdir /tmp/x 2>&1; test ! -d /tmp/x");
}

#define REFUSED "Seccomp:\t2\nmkdir: can't create directory '/tmp/x': Operation not permitted\n"

/* errnoret is unset: EPERM, not a silent success (c14). */
static void test_seccomp(void **state)
{
	refuse_mkdir();
	fixture_compile_seccomp(&f);
	assert_output(REFUSED);
}

static void test_seccomp_after_privileges(void **state)
{
	refuse_mkdir();
	fixture_compile_seccomp(&f);
	f.process.nonewprivileges = true;
	f.user.uid = 1000;
	assert_output(REFUSED);
}

static void test_seccomp_for_execs(void **state)
{
	static struct fixture_process p;

	refuse_mkdir();
	fixture_compile_seccomp(&f);
	start_sleeper();
	refuse_mkdir();
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	assert_int_equal(fixture_wait(&f, &p), 0);
	assert_string_equal(p.output, REFUSED);
	fixture_process_release(&p);
}

/* A filter in the plan that nobody compiled must not be forgotten. */
static void test_seccomp_not_compiled(void **state)
{
	refuse_mkdir();
	assert_fails("the seccomp filter was not compiled");
}

/* ---- kernel parameters, cgroup -------------------------------------------------------------- */

static void test_sysctl(void **state)
{
	fixture_sysctl(&f, "kernel.shm_rmid_forced", "1");
	fixture_sysctl(&f, "net.ipv4.ip_forward", "1");
	fixture_sysctl(&f, "net.ipv4.no_such_parameter", "1"); /* skipped, said in the log */
	fixture_sysctl(&f, "kernel.domainname", "example");
	fixture_shell(&f, "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_forward "
			  "/proc/sys/kernel/domainname");
	assert_output("1\n1\nexample\n");
}

static void test_sysctl_bad_value(void **state)
{
	fixture_sysctl(&f, "net.ipv4.ip_forward", "many");
	fixture_args(&f, "true", NULL);
	assert_fails("Linux.Sysctl: write net.ipv4.ip_forward: EINVAL");
}

static const char *scratch_group(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/cradle-test-%d",
		file_exists("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup",
		(int)getpid());
	return path;
}

/* Born in its cgroup, which it sees as the root of all. */
static void test_cgroup(void **state)
{
	static struct fixture_process p;
	char procs[64];

	assert_int_equal(mkdir(scratch_group(), 0755), 0);
	f.cgroup_fd = open(scratch_group(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f.cgroup_fd >= 0);
	start_sleeper();
	assert_true(file_read_at(f.cgroup_fd, "cgroup.procs", procs, sizeof(procs)) > 0);
	assert_int_equal(atoi(procs), f.init.launch.child.pid);
	fixture_args(&f, "grep", "^0:", "/proc/self/cgroup", NULL);
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	fixture_wait(&f, &p);
	assert_string_equal(p.output, "0::/\n");
	fixture_process_release(&p);
	fixture_process_release(&f.init);
	while (child_process_count() > 0 || rmdir(scratch_group()) < 0)
		event_loop_step(f.loop, 10);
}

static void test_cgroup_removed(void **state)
{
	assert_int_equal(mkdir(scratch_group(), 0755), 0);
	f.cgroup_fd = open(scratch_group(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rmdir(scratch_group()), 0);
	fixture_args(&f, "true", NULL);
	assert_fails("clone3: start a child in the container's cgroup: E");
}

static void test_labels_without_a_kernel_for_them(void **state)
{
	if (file_exists("/sys/fs/selinux/enforce") || file_exists("/proc/self/attr/apparmor/exec"))
		fail_msg("this test wants a kernel without SELinux and AppArmor");
	fixture_args(&f, "true", NULL);
	f.process.selinuxlabel = (char *)"system_u:system_r:container_t:s0";
	assert_fails("Process.SelinuxLabel: this kernel has no SELinux");
	fixture_process_release(&f.init);
	f.process.selinuxlabel = (char *)"";
	f.process.apparmorprofile = (char *)"some-profile";
	assert_fails("Process.ApparmorProfile some-profile: this kernel has no AppArmor");
}

/* ---- an agent that is not all-powerful (c51); the last: what is dropped is gone ------------- */

static void test_agent_lacks_a_capability(void **state)
{
	struct capability_sets sets;
	struct error err = ERROR_INIT;
	uint64_t lost = CAPABILITY_BIT(capability_parse("CAP_SYS_TIME"));

	assert_int_equal(capability_bound(~lost, &err), 0);
	assert_int_equal(capability_get(&sets, &err), 0);
	sets.permitted &= ~lost;
	sets.effective &= ~lost;
	assert_int_equal(capability_set(&sets, &err), 0);
	fixture_capabilities(&f, "CAP_SYS_TIME", "CAP_CHOWN", NULL);
	f.user.uid = 1000;
	status_of("^(CapBnd|Uid)");
	assert_output("Uid:\t1000\t1000\t1000\t1000\nCapBnd:\t0000000000000001\n");
}

static const struct CMUnitTest tests[] = {
	LAUNCH_TEST(test_ids_and_groups),
	LAUNCH_TEST(test_no_groups_are_inherited),
	LAUNCH_TEST(test_streams_belong_to_the_user),
	LAUNCH_TEST(test_capabilities_of_root),
	LAUNCH_TEST(test_no_capabilities),
	LAUNCH_TEST(test_user_has_none_without_ambient),
	LAUNCH_TEST(test_ambient),
	LAUNCH_TEST(test_ambient_impossible),
	LAUNCH_TEST(test_no_new_privileges),
	LAUNCH_TEST(test_seccomp),
	LAUNCH_TEST(test_seccomp_after_privileges),
	LAUNCH_TEST(test_seccomp_for_execs),
	LAUNCH_TEST(test_seccomp_not_compiled),
	LAUNCH_TEST(test_sysctl),
	LAUNCH_TEST(test_sysctl_bad_value),
	LAUNCH_TEST(test_cgroup),
	LAUNCH_TEST(test_cgroup_removed),
	LAUNCH_TEST(test_labels_without_a_kernel_for_them),
	LAUNCH_TEST(test_agent_lacks_a_capability),
};

TEST_MAIN(tests)
