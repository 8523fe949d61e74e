/*
 * Tests agent/launch/launch.c and launch_child.c: which namespaces a launched process is in, new
 * ones, joined ones, and user namespaces with their maps. Real processes, as root.
 */
#include "launch/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/launch/launch_asserts.h"

/* ---- namespaces ----------------------------------------------------------------------------- */

static void test_hostname(void **state)
{
	fixture_args(&f, "hostname", NULL);
	assert_output("fixture\n");
}

static void test_pid_one(void **state)
{
	fixture_shell(&f, "echo $$; ls -d /proc/[0-9]* | wc -l");
	assert_int_equal(fixture_run(&f), 0);
	assert_int_equal(strncmp(f.init.output, "1\n", 2), 0);
}

static void test_network_is_new(void **state)
{
	fixture_shell(&f, "ls /sys/class/net | grep -v ^bonding_masters");
	assert_output("lo\n");
}

static void test_joined_by_path(void **state)
{
	char path[64], own[64] = "";

	fixture_without_namespace(&f, "network");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)getpid());
	fixture_namespace(&f, "net", path);
	assert_true(readlink("/proc/self/ns/net", own, sizeof(own) - 2) > 0);
	strcat(own, "\n");
	fixture_args(&f, "readlink", "/proc/self/ns/net", NULL);
	assert_output(own);
}

static void test_joined_path_is_another_type(void **state)
{
	fixture_without_namespace(&f, "ipc");
	fixture_namespace(&f, "ipc", "/proc/self/ns/net");
	fixture_args(&f, "true", NULL);
	assert_fails("/proc/self/ns/net is no ipc namespace");
}

static void test_time_namespace(void **state)
{
	static struct fixture_process p;
	char own[64] = "";

	fixture_namespace(&f, "time", "");
	assert_true(readlink("/proc/self/ns/time", own, sizeof(own) - 1) > 0);
	fixture_args(&f, "readlink", "/proc/self/ns/time", NULL);
	assert_int_equal(fixture_run(&f), 0);
	assert_int_equal(strncmp(f.init.output, "time:[", 6), 0);
	assert_null(strstr(f.init.output, own));
	/* An exec joins it. */
	fixture_release(&f);
	fixture_init(&f);
	fixture_namespace(&f, "time", "");
	start_sleeper();
	fixture_shell(&f, "test $(readlink /proc/1/ns/time) = $(readlink /proc/self/ns/time) && "
			  "readlink /proc/self/ns/time");
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	fixture_wait(&f, &p);
	assert_int_equal(strncmp(p.output, "time:[", 6), 0);
	assert_null(strstr(p.output, own));
	fixture_process_release(&p);
}

/* Another container's ipc, uts and PID namespaces, as in a pod. */
static void test_shared_namespaces(void **state)
{
	static struct container_fixture second;
	struct namespace_set set;
	struct error err = ERROR_INIT;

	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	assert_true(fixture_start(&f, &f.init));
	assert_int_equal(namespace_set_pin(&set, f.init.launch.child.pid, &err), 0);
	fixture_init(&second);
	second.config.pid_fd = set.fd[NAMESPACE_PID];
	second.config.ipc_fd = set.fd[NAMESPACE_IPC];
	second.config.uts_fd = set.fd[NAMESPACE_UTS];
	second.spec.hostname = (char *)"ignored";
	fixture_shell(&second, "hostname; test $$ != 1 && tr '\\0' ' ' < /proc/1/cmdline");
	assert_int_equal(fixture_run(&second), 0);
	assert_string_equal(second.init.output, "fixture\nsleep 100 ");
	fixture_release(&second);
	namespace_set_release(&set);
}

/* ---- user namespace (c52) ------------------------------------------------------------------- */

static void own_root(unsigned id)
{
	char command[4096];

	snprintf(command, sizeof(command), "chown -R %u:%u %s", id, id, f.rootfs);
	assert_int_equal(system(command), 0);
}

static void test_user_namespace(void **state)
{
	own_root(100000);
	fixture_map_ids(&f, 100000, 65536);
	fixture_mask(&f, "/proc/kallsyms");
	fixture_mask(&f, "/data");
	fixture_readonly(&f, "/proc/sys");
	fixture_sysctl(&f, "net.ipv4.ip_forward", "1");
	fixture_sysctl(&f, "kernel.domainname", "example");
	fixture_shell(&f,
		"cat /proc/kallsyms; ls /data; cat /proc/sys/kernel/domainname "
		"/proc/sys/net/ipv4/ip_forward; id -u; cat /proc/self/uid_map | tr -s ' "
		"'; touch /tmp/mine; "
		"stat -c %u /tmp/mine; echo x > /dev/null && echo null; hostname > /dev/stdout");
	assert_output("example\n1\n0\n 0 100000 65536\n0\nnull\nfixture\n");
	own_root(0);
}

static void test_user_namespace_user(void **state)
{
	own_root(100000);
	fixture_map_ids(&f, 100000, 65536);
	f.user.uid = 1000;
	f.user.gid = 1001;
	fixture_args(&f, "grep", "^[UG]id", "/proc/self/status", NULL);
	assert_output("Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\n");
	own_root(0);
}

/* The pod's namespaces belong to the guest: joined before the user namespace is entered. */
static void test_user_namespace_and_shared(void **state)
{
	struct error err = ERROR_INIT;
	char own[64] = "";
	int ipc = namespace_open_own(NAMESPACE_IPC, &err);

	own_root(100000);
	fixture_map_ids(&f, 100000, 65536);
	f.config.ipc_fd = ipc;
	f.spec.n_mounts = 4; /* no mqueue of an ipc namespace that is not its own */
	assert_true(readlink("/proc/self/ns/ipc", own, sizeof(own) - 2) > 0);
	strcat(own, "\n");
	fixture_args(&f, "readlink", "/proc/self/ns/ipc", NULL);
	assert_output(own);
	own_root(0);
	close(ipc);
}

static void test_user_namespace_exec(void **state)
{
	static struct fixture_process p;

	own_root(100000);
	fixture_map_ids(&f, 100000, 65536);
	fixture_args(&f, "sleep", "100", NULL);
	assert_true(fixture_create(&f));
	assert_true(fixture_start(&f, &f.init));
	fixture_shell(&f, "id -u; hostname; tr '\\0' ' ' < /proc/1/cmdline");
	if (!fixture_exec(&f, &p))
		fail_msg("%s", p.text);
	assert_true(fixture_start(&f, &p));
	assert_int_equal(fixture_wait(&f, &p), 0);
	assert_string_equal(p.output, "0\nfixture\nsleep 100 ");
	fixture_process_release(&p);
	own_root(0);
}

static void test_user_namespace_bad_map(void **state)
{
	fixture_map_ids(&f, UINT32_MAX - 1, 65536);
	fixture_args(&f, "true", NULL);
	assert_fails("Linux.UIDMappings: write the map: EINVAL");
}

static const struct CMUnitTest tests[] = {
	LAUNCH_TEST(test_hostname),
	LAUNCH_TEST(test_pid_one),
	LAUNCH_TEST(test_network_is_new),
	LAUNCH_TEST(test_joined_by_path),
	LAUNCH_TEST(test_joined_path_is_another_type),
	LAUNCH_TEST(test_time_namespace),
	LAUNCH_TEST(test_shared_namespaces),
	LAUNCH_TEST(test_user_namespace),
	LAUNCH_TEST(test_user_namespace_user),
	LAUNCH_TEST(test_user_namespace_and_shared),
	LAUNCH_TEST(test_user_namespace_exec),
	LAUNCH_TEST(test_user_namespace_bad_map),
};

TEST_MAIN(tests)
