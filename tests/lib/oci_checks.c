/* oci_checks: see oci_checks.h. */
#include "lib/oci_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/oci_container.h"
#include "lib/test_main.h"

void oci_checks_begin(struct agent *agent)
{
	oci_prepare(agent);
}

/* ---- the process ---------------------------------------------------------------------------- */

void test_oci_user(void **state)
{
	static uint32_t groups[] = {5, 1234567};

	oci_fill("ids", "umask", "cwd", "status:NoNewPrivs", "file:/proc/self/oom_score_adj", NULL);
	oci.c.user.uid = 1000;
	oci.c.user.gid = 1001;
	oci.c.user.additionalgids = groups;
	oci.c.user.n_additionalgids = 2;
	oci.c.process.cwd = (char *)"/made/for/it";
	oci.c.process.oomscoreadj = 321;
	oci_prints("uid 1000 1000 gid 1001 1001 groups 5 1234567\numask 022\ncwd /made/for/it\n"
		   "NoNewPrivs:\t0 \nfile /proc/self/oom_score_adj: 321\n");
	oci_fill("ids", "status:NoNewPrivs", "file:/proc/self/oom_score_adj", "stat:/made", NULL);
	oci.c.process.nonewprivileges = true;
	oci.c.process.cwd = (char *)"/made";
	oci_prints("uid 0 0 gid 0 0 groups\nNoNewPrivs:\t1 \nfile /proc/self/oom_score_adj: 0\n"
		   "stat /made: mode 040755 owner 0:0 device 0:0\n");
}

/* With everything a pod's container mounts, and namespaces that it shares with the pod. */
void test_oci_user_namespace(void **state)
{
	oci_fill("ids", "caps", "file:/proc/self/uid_map", "file:/proc/self/setgroups",
		"mount:/proc", "mount:/sys", "mount:/dev/mqueue", "mount:/cg", "write:/tmp",
		"stat:/tmp/inside-wrote", "stat:/dev/null", "file:/proc/version", "call:0", NULL);
	oci_namespace("user", "");
	oci_map_ids();
	oci_caps(0, "CAP_CHOWN CAP_SYS_ADMIN");
	oci_caps(1, "CAP_CHOWN");
	oci_caps(3, "CAP_CHOWN CAP_SYS_ADMIN");
	oci.c.user.uid = 0;
	oci_mount("sysfs", "/sys", "sysfs", "nosuid,noexec,nodev,ro");
	oci_mount("mqueue", "/dev/mqueue", "mqueue", "nosuid,noexec,nodev");
	oci_mount("cgroup", "/cg", "cgroup", "ro,nosuid");
	oci_mount("tmpfs", "/tmp", "tmpfs", "mode=1777");
	oci.c.linux_part.maskedpaths = (char *[]){(char *)"/proc/version"};
	oci.c.linux_part.n_maskedpaths = 1;
	oci_prints("uid 0 0 gid 0 0 groups\n"
		   "CapBnd:\t0000000000200001 CapEff:\t0000000000200001 CapInh:\t0000000000000000 "
		   "CapPrm:\t0000000000200001 CapAmb:\t0000000000000000 \n"
		   "file /proc/self/uid_map:          0          0          1\n"
		   "file /proc/self/setgroups: allow\n"
		   "mount /proc: proc rw,relatime\n"
		   "mount /sys: sysfs ro,nosuid,nodev,noexec,relatime\n"
		   "mount /dev/mqueue: mqueue rw,nosuid,nodev,noexec,relatime\n"
		   "mount /cg: cgroup2 ro,nosuid,relatime\n"
		   "write /tmp: yes\n"
		   "stat /tmp/inside-wrote: mode 100644 owner 0:0 device 0:0\n"
		   "stat /dev/null: mode 020666 owner 0:0 device 1:3\n"
		   "file /proc/version: \n"
		   "call 0 = 0\n");
	oci_fill("ids", "status:Uid", NULL);
	oci_namespace("user", "");
	oci_map_ids();
	oci.c.user.uid = 70000;
	oci_refused(STATUS_INVALID_ARGUMENT, "Process.User.UID: 70000 is not in");
	oci.c.user.uid = oci.c.user.gid = 65;
	oci_prints("uid 65 65 gid 65 65 groups\nUid:\t65\t65\t65\t65 \n");
}

#define HOLDER "oci-holder"

/* A container with a user namespace of its own, and the path of that. */
static const char *hold_user_namespace(char *path, size_t size)
{
	static const char *const argv[] = {"sleep", "98765", NULL};
	struct test_container c;
	int pid = 0;

	oci_fill(NULL, NULL);
	oci_namespace("user", "");
	oci_map_ids();
	container_fill(&c, oci.agent, HOLDER, argv);
	oci.c.linux_part.cgroupspath = c.linux_part.cgroupspath;
	c.linux_part = oci.c.linux_part;
	container_send(oci.agent, &c);
	container_start_id(oci.agent, HOLDER);
	oci_fill("pid:sleep 98765", NULL);
	oci.mounts[0] = oci_mount("/proc", "/proc", "bind", "rbind");
	oci.c.spec.n_mounts--;
	assert_int_equal(sscanf(oci_run(), "pid %d", &pid), 1);
	str_format(path, size, "/proc/%d/ns/user", pid);
	return path;
}

/* What is made for the container belongs to that namespace, its files to the guest's ids. */
void test_oci_joined_user_namespace(void **state)
{
	char path[64], script[128];
	const char *output;

	hold_user_namespace(path, sizeof(path));
	str_format(script, sizeof(script),
		"test $(readlink /proc/self/ns/user) != ''; readlink "
		"/proc/self/ns/user");
	assert_int_equal(container_exec_sh(oci.agent, HOLDER, "ns", script, NULL), 0);
	output = container_output(oci.agent, HOLDER, "ns", false);
	assert_int_equal(strncmp(output, "user:[", 6), 0);
	str_copy(script, sizeof(script), output);
	assert_int_equal(container_wait(oci.agent, HOLDER, "ns"), 0);
	oci_fill("ns:user", "ids", "file:/proc/self/uid_map", "mount:/proc", "mount:/tmp",
		"mount:/dev/mqueue", "write:/tmp", "file:/proc/sys/net/ipv4/ip_forward",
		"stat:/dev/null", "file:/proc/self/oom_score_adj", "file:/proc/1/comm", NULL);
	oci_namespace("user", path);
	oci_namespace("network", "");
	oci_map_ids();
	oci.c.process.oomscoreadj = 77;
	oci_mount("mqueue", "/dev/mqueue", "mqueue", "nosuid");
	oci_mount("tmpfs", "/tmp", "tmpfs", "mode=1777");
	output = oci_run();
	assert_int_equal(strncmp(output, "ns ", 3), 0);
	assert_memory_equal(output + 3, script, strlen(script));
	assert_string_equal(output + 3 + strlen(script),
		"uid 0 0 gid 0 0 groups\n"
		"file /proc/self/uid_map:          0          0          1\n"
		"mount /proc: proc rw,relatime\nmount /tmp: tmpfs rw,relatime\n"
		"mount /dev/mqueue: mqueue rw,nosuid,relatime\nwrite /tmp: yes\n"
		"file /proc/sys/net/ipv4/ip_forward: 0\n"
		"stat /dev/null: mode 020666 owner 0:0 device 1:3\n"
		"file /proc/self/oom_score_adj: 77\nfile /proc/1/comm: inside\n");
	assert_int_equal(oci.code, 0);
	/* who is who in it is not the spec's to say */
	oci_fill("ids", NULL);
	oci_namespace("user", path);
	oci_map_ids();
	oci.map[1].hostid = 200001;
	oci_refused(STATUS_INVALID_ARGUMENT,
		"Linux.UIDMappings: the user namespace that is joined has another map");
	/* as in a pod: the PID namespace of another, and a user of its own */
	oci_fill("ids", "status:NSpid", NULL);
	oci_without_namespace("pid");
	oci_namespace("user", path);
	str_copy(script, sizeof(script), path);
	str_copy(strrchr(script, '/'), 8, "/pid");
	oci_namespace("pid", script);
	oci_map_ids();
	oci.c.user.uid = oci.c.user.gid = 65;
	assert_int_equal(strncmp(oci_run(), "uid 65 65 gid 65 65 groups\nNSpid:\t", 34), 0);
	assert_int_equal(oci.code, 0);
	container_remove_id(oci.agent, HOLDER);
}

static const char *caps_line(uint64_t bounding, uint64_t effective, uint64_t inheritable,
	uint64_t permitted, uint64_t ambient)
{
	static char line[256];

	str_format(line, sizeof(line),
		"CapBnd:\t%016llx CapEff:\t%016llx CapInh:\t%016llx CapPrm:\t%016llx "
		"CapAmb:\t%016llx \n",
		(unsigned long long)bounding, (unsigned long long)effective,
		(unsigned long long)inheritable, (unsigned long long)permitted,
		(unsigned long long)ambient);
	return line;
}

/* CHOWN 0, KILL 5, SETPCAP 8, NET_RAW 13: as the kernel works them out at exec
 * (capabilities(7)). */
void test_oci_capabilities(void **state)
{
	oci_fill("caps", NULL);
	for (int set = 0; set < 5; set++)
		oci_caps(set, "");
	oci_prints(caps_line(0, 0, 0, 0, 0));
	/* a user keeps what is ambient; each set is its own */
	oci_fill("caps", NULL);
	oci.c.user.uid = 1000;
	oci_caps(0, "CAP_CHOWN kill SETPCAP CAP_NET_RAW");
	oci_caps(1, "CAP_KILL");
	oci_caps(2, "CAP_KILL CAP_NET_RAW");
	oci_caps(3, "CAP_KILL CAP_NET_RAW CAP_SETPCAP");
	oci_caps(4, "CAP_KILL");
	oci_prints(caps_line(0x2121, 0x20, 0x2020, 0x20, 0x20));
	/* root gets all of the bounding set (and what it may inherit) */
	oci_fill("caps", NULL);
	oci_caps(0, "CAP_CHOWN CAP_KILL");
	oci_caps(1, "CAP_KILL");
	oci_caps(2, "");
	oci_caps(3, "CAP_KILL");
	oci_prints(caps_line(0x21, 0x21, 0, 0x21, 0));
	/* ambient needs permitted and inheritable: told, and started without */
	oci_fill("caps", NULL);
	oci.c.user.uid = 1000;
	oci_caps(0, "CAP_KILL");
	oci_caps(1, "CAP_KILL");
	oci_caps(3, "CAP_KILL");
	oci_caps(4, "CAP_KILL");
	oci_prints(caps_line(0x20, 0, 0, 0, 0));
	oci_fill("caps", NULL);
	oci_caps(2, "CAP_WALK_ON_WATER");
	oci_refused(STATUS_INVALID_ARGUMENT,
		"Process.Capabilities.Inheritable: unknown capability \"CAP_WALK_ON_WATER\"");
}

void test_oci_limits(void **state)
{
	/* CORE is 4, NOFILE 7, FSIZE 1; infinity is 2^64 - 1 */
	Grpc__POSIXRlimit limit[] = {GRPC__POSIXRLIMIT__INIT, GRPC__POSIXRLIMIT__INIT,
		GRPC__POSIXRLIMIT__INIT},
			  *limits[] = {&limit[0], &limit[1], &limit[2]};

	oci_fill("rlimit:4", "rlimit:7", "rlimit:1", NULL);
	limit[0].type = (char *)"RLIMIT_CORE";
	limit[1].type = (char *)"RLIMIT_NOFILE";
	limit[1].soft = 100;
	limit[1].hard = 2000;
	limit[2].type = (char *)"RLIMIT_FSIZE";
	limit[2].soft = limit[2].hard = UINT64_MAX;
	oci.c.process.rlimits = limits;
	oci.c.process.n_rlimits = 3;
	oci_prints("rlimit 4 0 0\nrlimit 7 100 2000\n"
		   "rlimit 1 18446744073709551615 18446744073709551615\n");
	limit[0].type = (char *)"RLIMIT_COFFEE";
	oci_refused(STATUS_INVALID_ARGUMENT, "Process.Rlimits: unknown type \"RLIMIT_COFFEE\"");
}

/* ---- seccomp -------------------------------------------------------------------------------- */

static const char *call(const char *verb, long number, const char *rest)
{
	static char words[8][64];
	static unsigned n;

	n = (n + 1) % ARRAY_SIZE(words);
	str_format(words[n], sizeof(words[n]), "%s:%ld%s", verb, number, rest);
	return words[n];
}

static const char *exec_prints(const char *exec_id, Grpc__Process *process)
{
	static char *args[] = {(char *)"/inside", (char *)"ids", (char *)"caps", (char *)"rlimit:7",
		(char *)"umask", (char *)"cwd", (char *)"status:NoNewPrivs",
		(char *)"status:Seccomp", (char *)"file:/proc/self/oom_score_adj", NULL};
	Grpc__ExecProcessRequest request = GRPC__EXEC_PROCESS_REQUEST__INIT;
	static char last[1024], ppid[32];
	const char *output;

	str_format(ppid, sizeof(ppid), "call:%d", SYS_getppid);
	args[9] = ppid;
	process->args = args;
	process->n_args = ARRAY_SIZE(args);
	request.container_id = (char *)"oci";
	request.exec_id = (char *)exec_id;
	request.process = process;
	agent_ok(oci.agent, "ExecProcess", &request);
	output = container_output(oci.agent, "oci", exec_id, false);
	str_copy(last, sizeof(last), output);
	assert_int_equal(container_wait(oci.agent, "oci", exec_id), 0);
	return last;
}

/* What the request says is the exec's own (c16); what it leaves out is the container's. */
void test_oci_exec(void **state)
{
	Grpc__POSIXRlimit limit = GRPC__POSIXRLIMIT__INIT, *limits[] = {&limit};
	Grpc__LinuxCapabilities caps = GRPC__LINUX_CAPABILITIES__INIT;
	Grpc__Process process = GRPC__PROCESS__INIT;
	Grpc__User user = GRPC__USER__INIT;
	uint32_t groups[] = {7};
	/* an agent that lacks CAP_SYS_RESOURCE, as on some hosts, may limit its own user only */
	uid_t own = oci.agent->vm ? 65 : 0;
	char expected[700];

	oci_fill(call("call", SYS_pause, ""), NULL);
	oci.c.process.nonewprivileges = true;
	oci.c.process.oomscoreadj = 50;
	limit.type = (char *)"RLIMIT_NOFILE";
	limit.soft = 100;
	limit.hard = 2000;
	oci.c.process.rlimits = limits;
	oci.c.process.n_rlimits = 1;
	for (int set = 0; set < 4; set++)
		oci_caps(set, "CAP_KILL CAP_NET_RAW");
	oci_rule("getppid", "SCMP_ACT_ERRNO", 77);
	container_send(oci.agent, &oci.c);
	container_start_id(oci.agent, "oci");
	/* as Go sends it */
	process.user = &user;
	process.cwd = (char *)"/tmp";
	str_format(expected, sizeof(expected),
		"uid 0 0 gid 0 0 groups\n%srlimit 7 100 2000\numask 022\ncwd /tmp\n"
		"NoNewPrivs:\t0 \nSeccomp:\t2 \nfile /proc/self/oom_score_adj: 50\n"
		"call %d: errno 77\n",
		caps_line(0x2020, 0x2020, 0x2020, 0x2020, 0), SYS_getppid);
	assert_string_equal(exec_prints("go", &process), expected);
	/* all of its own */
	user.uid = own;
	user.gid = own;
	user.additionalgids = groups;
	user.n_additionalgids = 1;
	limit.soft = limit.hard = 60;
	process.rlimits = limits;
	process.n_rlimits = 1;
	process.oomscoreadj = 51;
	process.nonewprivileges = true;
	caps.bounding = caps.permitted = caps.inheritable = caps.ambient = oci.caps[0];
	caps.n_bounding = 2;
	caps.n_permitted = caps.n_inheritable = caps.n_ambient = 1;
	process.capabilities = &caps;
	str_format(expected, sizeof(expected),
		"uid %u %u gid %u %u groups 7\n%srlimit 7 60 60\numask 022\ncwd /tmp\n"
		"NoNewPrivs:\t1 \nSeccomp:\t2 \nfile /proc/self/oom_score_adj: 51\n"
		"call %d: errno 77\n",
		own, own, own, own, caps_line(0x2020, 0x20, 0x20, 0x20, 0x20), SYS_getppid);
	assert_string_equal(exec_prints("own", &process), expected);
	container_remove_id(oci.agent, "oci");
}

void test_oci_seccomp_actions(void **state)
{
	char expected[256];

	oci_fill(call("call", SYS_getppid, ""), call("call", SYS_getuid, ""),
		call("call", SYS_getgid, ""), call("call", SYS_getpgrp, ""),
		call("trap", SYS_geteuid, ""), "status:Seccomp", NULL);
	oci_rule("getppid", "SCMP_ACT_ERRNO", 77);
	oci_rule("getuid", "SCMP_ACT_ERRNO", 0); /* means EPERM (c14) */
	oci_rule("getgid", "SCMP_ACT_TRACE", 3); /* no tracer: ENOSYS (seccomp(2)) */
	oci_rule("getpgrp", "SCMP_ACT_LOG", 0);
	oci_rule("geteuid", "SCMP_ACT_TRAP", 0);
	str_format(expected, sizeof(expected),
		"call %d: errno 77\ncall %d: errno 1\ncall %d: errno 38\ncall %d = 1\n"
		"trapped %d\nSeccomp:\t2 \n",
		SYS_getppid, SYS_getuid, SYS_getgid, SYS_getpgrp, SYS_geteuid);
	oci_prints(expected);
	for (int i = 0; i < 3; i++) {
		static const char *const kill[] = {
			"SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS"};

		oci_fill("cwd", call("trap", SYS_getppid, ""), "cwd", NULL);
		oci.c.process.nonewprivileges = i == 1;
		oci_rule("getppid", kill[i], 0);
		assert_string_equal(oci_run(), "cwd /\n");
		assert_int_equal(oci.code, 128 + 31); /* SIGSYS, caught by nobody */
	}
	/* a list of what is allowed: all else fails */
	oci_fill(call("call", SYS_getppid, ""), call("call", SYS_getuid, ""), NULL);
	oci.c.process.nonewprivileges = true;
	oci_rule("getuid", "SCMP_ACT_ALLOW", 0);
	oci.seccomp.defaultaction = (char *)"SCMP_ACT_ERRNO";
	for (size_t i = 0; i < 16; i++) {
		static const char *const needed[] = {"execve", "write", "exit_group", "brk",
			"arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64",
			"readlinkat", "getrandom", "mprotect", "newfstatat", "readlink", "uname",
			"fstat"};

		oci_rule(needed[i], "SCMP_ACT_ALLOW", 0);
	}
	str_format(expected, sizeof(expected), "call %d: errno 1\ncall %d = 0\n", SYS_getppid,
		SYS_getuid);
	oci_prints(expected);
}

void test_oci_seccomp_operators(void **state)
{
	/* what is called with 4, 5, 6: does the rule "op 5" hold? */
	static const struct {
		const char *op;
		bool hit[3];
	} cases[] = {
		{"SCMP_CMP_NE", {true, false, true}},
		{"SCMP_CMP_LT", {true, false, false}},
		{"SCMP_CMP_LE", {true, true, false}},
		{"SCMP_CMP_EQ", {false, true, false}},
		{"SCMP_CMP_GE", {false, true, true}},
		{"SCMP_CMP_GT", {false, false, true}},
		/* Value is the mask, ValueTwo what is wanted under it */
		{"SCMP_CMP_MASKED_EQ", {false, true, false}},
	};
	/* as system calls whose arguments nobody reads; the argument is the third */
	static const struct {
		const char *name;
		long number;
	} calls[] = {{"getppid", SYS_getppid}, {"getuid", SYS_getuid}, {"getgid", SYS_getgid},
		{"geteuid", SYS_geteuid}, {"getegid", SYS_getegid}, {"getpid", SYS_getpid},
		{"gettid", SYS_gettid}};
	static char words[21][64];
	char expected[1200] = "";
	size_t len = 0;

	oci_fill(NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned k = 0; k < 3; k++) {
			char *word = words[3 * i + k];

			str_format(word, 64, "call:%ld,0,9,%u", calls[i].number, 4 + k);
			oci.args[oci.c.process.n_args++] = word;
			if (cases[i].hit[k])
				len += (size_t)snprintf(expected + len, sizeof(expected) - len,
					"call %s: errno 99\n", word + 5);
			else
				len += (size_t)snprintf(expected + len, sizeof(expected) - len,
					"call %s = %d\n", word + 5, i > 4);
		}
		oci_rule_arg(oci_rule(calls[i].name, "SCMP_ACT_ERRNO", 99), 2, cases[i].op, 5, 5);
	}
	oci_prints(expected);
}

void test_oci_seccomp_rest(void **state)
{
	static char *flags[] = {(char *)"SECCOMP_FILTER_FLAG_LOG",
		(char *)"SECCOMP_FILTER_FLAG_SPEC_ALLOW", (char *)"SECCOMP_FILTER_FLAG_TSYNC"};
	char expected[200];

	/* one that no kernel has is skipped, those beside it count */
	oci_fill(call("call", SYS_getppid, ""), "status:Speculation_Store_Bypass", NULL);
	oci_rule("sing_a_song", "SCMP_ACT_KILL", 0);
	oci_rule("getppid", "SCMP_ACT_ERRNO", 5);
	oci.seccomp.flags = flags;
	oci.seccomp.n_flags = 3;
	str_format(expected, sizeof(expected), "call %d: errno 5\n", SYS_getppid);
	assert_true(str_starts(oci_run(), expected));
	assert_int_equal(oci.code, 0);
	/* what nobody here can listen to is refused by name */
	oci_fill("cwd", NULL);
	oci_rule("getppid", "SCMP_ACT_NOTIFY", 0);
	oci_refused(STATUS_INVALID_ARGUMENT, "Linux.Seccomp: SCMP_ACT_NOTIFY");
	oci_fill("cwd", NULL);
	oci_rule("getppid", "SCMP_ACT_ALLOW", 0);
	flags[2] = (char *)"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
	oci.seccomp.flags = flags;
	oci.seccomp.n_flags = 3;
	oci_refused(STATUS_INVALID_ARGUMENT, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
	flags[2] = (char *)"SECCOMP_FILTER_FLAG_TSYNC";
#ifdef __x86_64__
	static char *arches[] = {(char *)"SCMP_ARCH_X86_64", (char *)"SCMP_ARCH_X86"};

	/* another architecture's calls are let through only when it is named */
	for (size_t i = 1; i <= 2; i++) {
		oci_fill("call32", NULL);
		oci_rule("getppid", "SCMP_ACT_ERRNO", 5);
		oci.seccomp.architectures = arches;
		oci.seccomp.n_architectures = i;
		assert_string_equal(oci_run(), i == 2 ? "getpid32 = a pid\n" : "");
		assert_int_equal(oci.code, i == 2 ? 0 : 128 + 31);
	}
#endif
}

/* ---- namespaces ----------------------------------------------------------------------------- */

/* Not pid and mnt: numbers of those of a container before are given again. */
static const char *const ns_verbs[] = {
	"ns:ipc", "ns:uts", "ns:cgroup", "ns:net", "ns:time", "ns:user"};

/* The n-th line of text, in one of four static buffers. */
static const char *line_of(const char *text, size_t n)
{
	static char lines[4][80];
	static unsigned turn;

	turn = (turn + 1) % 4;
	while (n-- && (text = strchr(text, '\n')))
		text++;
	str_format(lines[turn], sizeof(lines[0]), "%.*s", text ? (int)strcspn(text, "\n") : 0,
		text ? text : "");
	return lines[turn];
}

static void fill_ns(void)
{
	static char getpid_call[32];

	str_format(getpid_call, sizeof(getpid_call), "call:%d", SYS_getpid);
	oci_fill(ns_verbs[0], ns_verbs[1], ns_verbs[2], ns_verbs[3], ns_verbs[4], ns_verbs[5],
		getpid_call, NULL);
}

/* Which of the six differ between two runs, as a word of 0 and 1 in the order of ns_verbs. */
static const char *compare(const char *a, const char *b)
{
	static char word[ARRAY_SIZE(ns_verbs) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(ns_verbs); i++) {
		assert_int_equal(strncmp(line_of(a, i), "ns ", 3), 0);
		assert_non_null(strstr(b, " = 1\n")); /* process 1 of its own */
		word[i] = strcmp(line_of(a, i), line_of(b, i)) == 0 ? '0' : '1';
	}
	return word;
}

void test_oci_namespaces(void **state)
{
	char guest[1024], first[1024];

	/* the agent's own, by path: as far as a container may have those */
	fill_ns();
	oci_without_namespace("cgroup");
	oci_namespace("cgroup", "/proc/self/ns/cgroup");
	oci_namespace("time", "/proc/self/ns/time");
	oci_namespace("network", "/proc/self/ns/net");
	str_copy(guest, sizeof(guest), oci_run());
	/* all of one's own, but what the pod shares; a namespace named twice is one */
	fill_ns();
	oci_namespace("network", "");
	oci_namespace("net", "");
	oci_namespace("time", "");
	oci_namespace("user", "");
	oci_map_ids();
	str_copy(first, sizeof(first), oci_run());
	assert_string_equal(compare(guest, first), "001111");
	/* absent ones are the guest's, but for pid and cgroup */
	fill_ns();
	oci.c.linux_part.n_namespaces = 0;
	oci_namespace("mount", "");
	str_copy(first, sizeof(first), oci_run());
	assert_string_equal(compare(guest, first) + 2, "1000");
	oci_fill("cwd", NULL);
	oci_namespace("network", "/proc/self/ns/uts");
	oci_refused(STATUS_INVALID_ARGUMENT, "/proc/self/ns/uts is no net namespace");
	oci_fill("cwd", NULL);
	oci_namespace("network", "/no/such/net");
	oci_refused(STATUS_INTERNAL, "open /no/such/net: ENOENT");
}
