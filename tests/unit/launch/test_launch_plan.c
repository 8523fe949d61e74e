/*
 * Tests agent/launch/launch_plan.c and plan_*.c: specs in, plans or errors out. Pure: no root, no
 * system call. The bad specs are a table: what is changed, and the text the error must hold.
 */
#include "launch/launch_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "launch/launch_plan_types.h"
#include "lib/test_main.h"

#define STR(text) ((char *)(text))

/* A spec that is good; every case changes something. */
static struct {
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__Linux linux;
	Grpc__User user;
	Grpc__LinuxCapabilities caps;
	Grpc__Mount mount, second_mount;
	Grpc__LinuxNamespace ns[3];
	Grpc__POSIXRlimit rlimit, second_rlimit;
	Grpc__LinuxDevice device;
	Grpc__Linux__SysctlEntry sysctl;
	Grpc__LinuxIDMapping map;
	Grpc__LinuxSeccomp seccomp;
	Grpc__LinuxSyscall rule;
	Grpc__LinuxSeccompArg arg, second_arg;
	Grpc__Hooks hooks;
	Grpc__Hook hook;
	Grpc__Root root;
	Grpc__Box box;
} s;

static char *args[] = {STR("prog"), STR("arg")};
static char *env[] = {STR("PATH=/bin"), STR("X= y ")};
static char *cap_words[] = {STR("CAP_CHOWN"), STR("\"NET_RAW\"")};
static char *option_words[8];
static char *paths[] = {STR("/proc//kcore/")};
static char *words[] = {STR("WORD")};
static char *syscalls[] = {STR("mkdir")};
static uint32_t groups[] = {5, 6};

static Grpc__Mount *mounts[] = {&s.mount, &s.second_mount};
static Grpc__LinuxNamespace *namespaces[] = {&s.ns[0], &s.ns[1], &s.ns[2]};
static Grpc__POSIXRlimit *rlimits[] = {&s.rlimit, &s.second_rlimit};
static Grpc__LinuxDevice *devices[] = {&s.device};
static Grpc__Linux__SysctlEntry *sysctls[] = {&s.sysctl};
static Grpc__LinuxIDMapping *maps[] = {&s.map};
static Grpc__LinuxSyscall *rules[] = {&s.rule};
static Grpc__LinuxSeccompArg *rule_args[] = {&s.arg, &s.second_arg};
static Grpc__Hook *hooks[] = {&s.hook};

static struct launch_config config;
static struct arena arena;
static struct error err;

static void good_spec(void)
{
	grpc__spec__init(&s.spec);
	grpc__process__init(&s.process);
	grpc__linux__init(&s.linux);
	grpc__user__init(&s.user);
	grpc__linux_capabilities__init(&s.caps);
	grpc__mount__init(&s.mount);
	grpc__mount__init(&s.second_mount);
	for (size_t i = 0; i < ARRAY_SIZE(s.ns); i++)
		grpc__linux_namespace__init(&s.ns[i]);
	grpc__posixrlimit__init(&s.rlimit);
	grpc__posixrlimit__init(&s.second_rlimit);
	grpc__linux_device__init(&s.device);
	grpc__linux__sysctl_entry__init(&s.sysctl);
	grpc__linux_idmapping__init(&s.map);
	grpc__linux_seccomp__init(&s.seccomp);
	grpc__linux_syscall__init(&s.rule);
	grpc__linux_seccomp_arg__init(&s.arg);
	grpc__linux_seccomp_arg__init(&s.second_arg);
	grpc__hooks__init(&s.hooks);
	grpc__hook__init(&s.hook);
	grpc__root__init(&s.root);
	grpc__box__init(&s.box);
	s.spec.process = &s.process;
	s.spec.linux = &s.linux;
	s.spec.root = &s.root;
	s.process.args = args;
	s.process.n_args = 2;
	s.process.env = env;
	s.process.n_env = 2;
	s.process.user = &s.user;
	s.process.capabilities = &s.caps;
	s.linux.namespaces = namespaces;
	s.linux.n_namespaces = 1;
	s.ns[0].type = STR("mount");
	config = (struct launch_config){.container_id = "c1",
		.rootfs = "/run/r",
		.cgroup_path = "/",
		.ipc_fd = -1,
		.uts_fd = -1,
		.pid_fd = -1};
}

static void one_mount(
	const char *source, const char *destination, const char *type, const char *option)
{
	s.spec.mounts = mounts;
	s.spec.n_mounts = 1;
	s.mount.source = STR(source);
	s.mount.destination = STR(destination);
	s.mount.type = STR(type);
	s.mount.options = option_words;
	option_words[0] = STR(option);
	s.mount.n_options = option ? 1 : 0;
}

static void add_namespace(const char *type, const char *path)
{
	Grpc__LinuxNamespace *ns = &s.ns[s.linux.n_namespaces++];

	ns->type = STR(type);
	ns->path = STR(path);
}

static void one_rlimit(const char *type, uint64_t soft, uint64_t hard)
{
	s.process.rlimits = rlimits;
	s.process.n_rlimits = 1;
	s.rlimit.type = STR(type);
	s.rlimit.soft = soft;
	s.rlimit.hard = hard;
}

static void one_device(const char *path, const char *type, int64_t major, int64_t minor)
{
	s.linux.devices = devices;
	s.linux.n_devices = 1;
	s.device.path = STR(path);
	s.device.type = STR(type);
	s.device.major = major;
	s.device.minor = minor;
}

static void one_sysctl(const char *name)
{
	s.linux.sysctl = sysctls;
	s.linux.n_sysctl = 1;
	s.sysctl.key = STR(name);
	s.sysctl.value = STR("1");
}

static void one_map(uint32_t size)
{
	s.linux.uidmappings = s.linux.gidmappings = maps;
	s.linux.n_uidmappings = s.linux.n_gidmappings = 1;
	s.map.hostid = 100000;
	s.map.size = size;
}

static void one_seccomp_rule(const char *action)
{
	s.linux.seccomp = &s.seccomp;
	s.seccomp.defaultaction = STR("SCMP_ACT_ALLOW");
	s.seccomp.syscalls = rules;
	s.seccomp.n_syscalls = 1;
	s.rule.action = STR(action);
	s.rule.names = syscalls;
	s.rule.n_names = 1;
}

static int plan_it(const struct launch_plan **plan)
{
	memset(&err, 0, sizeof(err));
	return launch_plan_container(&s.spec, &config, &arena, plan, &err);
}

static const struct launch_plan *must_plan(void)
{
	const struct launch_plan *plan = NULL;

	if (plan_it(&plan) < 0)
		fail_msg("%s", err.text);
	return plan;
}

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	good_spec();
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	return 0;
}

/* ---- bad specs ------------------------------------------------------------------------------ */

#define BAD(name, body)                                                                            \
	static void bad_##name(void)                                                               \
	{                                                                                          \
		body;                                                                              \
	}

BAD(no_process, s.spec.process = NULL)
BAD(no_args, s.process.n_args = 0)
BAD(empty_program, words[0] = STR(""); s.process.args = words; s.process.n_args = 1)
BAD(env_without_equals, words[0] = STR("SECRET"); s.process.env = words; s.process.n_env = 1)
BAD(env_without_name, words[0] = STR("=x"); s.process.env = words; s.process.n_env = 1)
BAD(relative_cwd, s.process.cwd = STR("tmp"))
BAD(console_size, s.process.terminal = true; s.box.width = 65536; s.process.consolesize = &s.box)
BAD(uid_minus_one, s.user.uid = UINT32_MAX)
BAD(no_caps, s.process.capabilities = NULL)
BAD(bad_cap, words[0] = STR("CAP_FLY"); s.caps.bounding = words; s.caps.n_bounding = 1)
BAD(effective_only, s.caps.effective = cap_words; s.caps.n_effective = 1)
BAD(bad_rlimit, one_rlimit("RLIMIT_FUN", 1, 1))
BAD(soft_above_hard, one_rlimit("RLIMIT_NOFILE", 2, 1))
BAD(rlimit_twice, one_rlimit("RLIMIT_CORE", 1, 1); s.process.n_rlimits = 2;
	s.second_rlimit.type = STR("RLIMIT_CORE"))
BAD(oom_score, s.process.oomscoreadj = 1001)
BAD(hooks, s.spec.hooks = &s.hooks; s.hooks.prestart = hooks; s.hooks.n_prestart = 1)
BAD(no_mount_namespace, s.linux.n_namespaces = 0)
BAD(no_linux, s.spec.linux = NULL)
BAD(namespace_word, add_namespace("moon", ""))
BAD(namespaces_differ, add_namespace("net", ""); add_namespace("network", "/proc/1/ns/net"))
BAD(user_by_path, add_namespace("user", "/proc/1/ns/user"))
BAD(hostname_without_uts, s.spec.hostname = STR("h"))
BAD(hostname_long, add_namespace("uts", "");
	s.spec.hostname = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
BAD(map_without_user, one_map(1))
BAD(user_without_map, add_namespace("user", ""))
BAD(user_not_in_map, add_namespace("user", ""); one_map(5); s.user.uid = 5)
BAD(map_of_size_zero, add_namespace("user", ""); one_map(0))
BAD(sysctl_foreign, one_sysctl("kernel.panic"))
BAD(sysctl_hostname, add_namespace("uts", ""); one_sysctl("kernel.hostname"))
BAD(sysctl_ipc, one_sysctl("kernel.shmmax"))
BAD(sysctl_mqueue, one_sysctl("fs.mqueue.msg_max"))
BAD(sysctl_domainname, one_sysctl("kernel.domainname"))
BAD(sysctl_path, one_sysctl("net.ipv4/../../kernel.panic"))
BAD(sysctl_dots, one_sysctl("net...x"))
BAD(relative_destination, one_mount("x", "dev", "tmpfs", NULL))
BAD(dotdot_destination, one_mount("x", "/a/../../b", "tmpfs", NULL))
BAD(root_destination, one_mount("x", "//.", "tmpfs", NULL))
BAD(no_type, one_mount("x", "/a", "", NULL))
BAD(relative_source, one_mount("x", "/a", "bind", NULL))
BAD(bind_into_proc, one_mount("/x", "/proc/sys", "bind", NULL))
BAD(bind_into_proc_by_option, one_mount("/x", "/proc/1/x", "none", "rbind"))
BAD(remount, one_mount("/x", "/y", "tmpfs", "remount"))
BAD(propagation_word, s.linux.rootfspropagation = STR("sideways"))
BAD(masked_relative, words[0] = STR("proc"); s.linux.maskedpaths = words; s.linux.n_maskedpaths = 1)
BAD(readonly_root_path, words[0] = STR("/"); s.linux.readonlypaths = words;
	s.linux.n_readonlypaths = 1)
BAD(device_elsewhere, one_device("/etc/x", "c", 1, 3))
BAD(device_climbs, one_device("/dev/../etc/x", "c", 1, 3))
BAD(device_type, one_device("/dev/x", "s", 1, 3))
BAD(device_number, one_device("/dev/x", "b", -1, 3))
BAD(selinux_label, s.process.selinuxlabel = STR("label"))
BAD(mount_label, s.linux.mountlabel = STR("a:b:c:d"))
BAD(seccomp_default, s.linux.seccomp = &s.seccomp; s.seccomp.defaultaction = STR("SCMP_ACT_WISH"))
BAD(seccomp_action, one_seccomp_rule("ALLOW"))
BAD(seccomp_nameless, one_seccomp_rule("SCMP_ACT_LOG"); s.rule.n_names = 0)
BAD(seccomp_arch, one_seccomp_rule("SCMP_ACT_LOG"); words[0] = STR("SCMP_ARCH_Z80");
	s.seccomp.architectures = words; s.seccomp.n_architectures = 1)
BAD(seccomp_flag, one_seccomp_rule("SCMP_ACT_LOG");
	words[0] = STR("SECCOMP_FILTER_FLAG_NEW_LISTENER"); s.seccomp.flags = words;
	s.seccomp.n_flags = 1)
BAD(seccomp_operator, one_seccomp_rule("SCMP_ACT_LOG"); s.rule.args = rule_args; s.rule.n_args = 1;
	s.arg.op = STR("=="))
BAD(seccomp_index, one_seccomp_rule("SCMP_ACT_LOG"); s.rule.args = rule_args; s.rule.n_args = 1;
	s.arg.op = STR("SCMP_CMP_EQ"); s.arg.index = 6)
BAD(seccomp_argument_twice, one_seccomp_rule("SCMP_ACT_LOG"); s.rule.args = rule_args;
	s.rule.n_args = 2; s.arg.op = s.second_arg.op = STR("SCMP_CMP_EQ"))

static const struct {
	const char *name;
	void (*change)(void);
	const char *text;
	int status;
} bad_specs[] = {
	{"no process", bad_no_process, "OCI.Process is absent", STATUS_INVALID_ARGUMENT},
	{"no args", bad_no_args, "Process.Args", STATUS_INVALID_ARGUMENT},
	{"empty program", bad_empty_program, "Process.Args", STATUS_INVALID_ARGUMENT},
	{"env", bad_env_without_equals, "Process.Env[0]", STATUS_INVALID_ARGUMENT},
	{"env name", bad_env_without_name, "Process.Env[0]", STATUS_INVALID_ARGUMENT},
	{"cwd", bad_relative_cwd, "Process.Cwd: \"tmp\"", STATUS_INVALID_ARGUMENT},
	{"console size", bad_console_size, "Process.ConsoleSize: 0 x 65536",
		STATUS_INVALID_ARGUMENT},
	{"uid", bad_uid_minus_one, "Process.User", STATUS_INVALID_ARGUMENT},
	{"no caps", bad_no_caps, "Process.Capabilities is absent", STATUS_INVALID_ARGUMENT},
	{"cap", bad_bad_cap, "Capabilities.Bounding: unknown capability \"CAP_FLY\"",
		STATUS_INVALID_ARGUMENT},
	{"effective", bad_effective_only, "Effective holds some", STATUS_INVALID_ARGUMENT},
	{"rlimit", bad_bad_rlimit, "Rlimits: unknown type \"RLIMIT_FUN\"", STATUS_INVALID_ARGUMENT},
	{"soft", bad_soft_above_hard, "RLIMIT_NOFILE: Soft is above Hard", STATUS_INVALID_ARGUMENT},
	{"twice", bad_rlimit_twice, "RLIMIT_CORE twice", STATUS_INVALID_ARGUMENT},
	{"oom", bad_oom_score, "Process.OOMScoreAdj: 1001", STATUS_INVALID_ARGUMENT},
	{"hooks", bad_hooks, "OCI.Hooks.prestart[0]: path \"\" is not absolute",
		STATUS_INVALID_ARGUMENT},
	{"no mount ns", bad_no_mount_namespace, "no mount namespace", STATUS_INVALID_ARGUMENT},
	{"no linux", bad_no_linux, "no mount namespace", STATUS_INVALID_ARGUMENT},
	{"ns word", bad_namespace_word, "Namespaces: unknown type \"moon\"",
		STATUS_INVALID_ARGUMENT},
	{"ns twice", bad_namespaces_differ, "two different net namespaces",
		STATUS_INVALID_ARGUMENT},
	{"user by path", bad_user_by_path, "Linux.UIDMappings: a user", STATUS_INVALID_ARGUMENT},
	{"hostname", bad_hostname_without_uts, "without a uts", STATUS_INVALID_ARGUMENT},
	{"long hostname", bad_hostname_long, "longer than 64", STATUS_INVALID_ARGUMENT},
	{"map", bad_map_without_user, "no user namespace", STATUS_INVALID_ARGUMENT},
	{"no map", bad_user_without_map, "Linux.UIDMappings: a user", STATUS_INVALID_ARGUMENT},
	{"uid not in map", bad_user_not_in_map, "Process.User.UID: 5", STATUS_INVALID_ARGUMENT},
	{"empty map", bad_map_of_size_zero, "Process.User.UID: 0 is not in",
		STATUS_INVALID_ARGUMENT},
	{"sysctl", bad_sysctl_foreign, "Sysctl: kernel.panic", STATUS_INVALID_ARGUMENT},
	{"sysctl hostname", bad_sysctl_hostname, "kernel.hostname", STATUS_INVALID_ARGUMENT},
	{"sysctl ipc", bad_sysctl_ipc, "kernel.shmmax", STATUS_INVALID_ARGUMENT},
	{"sysctl mqueue", bad_sysctl_mqueue, "fs.mqueue.msg_max", STATUS_INVALID_ARGUMENT},
	{"sysctl domain", bad_sysctl_domainname, "kernel.domainname", STATUS_INVALID_ARGUMENT},
	{"sysctl path", bad_sysctl_path, "is no name", STATUS_INVALID_ARGUMENT},
	{"sysctl dots", bad_sysctl_dots, "is no name", STATUS_INVALID_ARGUMENT},
	{"destination", bad_relative_destination, "Mounts[0] dev: destination: \"dev\" is not",
		STATUS_INVALID_ARGUMENT},
	{"..", bad_dotdot_destination, "contains \"..\"", STATUS_INVALID_ARGUMENT},
	{"on root", bad_root_destination, "hide the root", STATUS_INVALID_ARGUMENT},
	{"no type", bad_no_type, "no type, and no bind", STATUS_INVALID_ARGUMENT},
	{"source", bad_relative_source, "source \"x\" of a bind", STATUS_INVALID_ARGUMENT},
	{"proc", bad_bind_into_proc, "inside /proc", STATUS_INVALID_ARGUMENT},
	{"proc option", bad_bind_into_proc_by_option, "inside /proc", STATUS_INVALID_ARGUMENT},
	{"remount", bad_remount, "remount", STATUS_INVALID_ARGUMENT},
	{"propagation", bad_propagation_word, "RootfsPropagation", STATUS_INVALID_ARGUMENT},
	{"masked", bad_masked_relative, "Linux.MaskedPaths", STATUS_INVALID_ARGUMENT},
	{"read-only", bad_readonly_root_path, "Linux.ReadonlyPaths", STATUS_INVALID_ARGUMENT},
	{"device path", bad_device_elsewhere, "not below /dev", STATUS_INVALID_ARGUMENT},
	{"device ..", bad_device_climbs, "Linux.Devices.Path", STATUS_INVALID_ARGUMENT},
	{"device type", bad_device_type, "unknown type \"s\"", STATUS_INVALID_ARGUMENT},
	{"device number", bad_device_number, "-1:3", STATUS_INVALID_ARGUMENT},
	{"label", bad_selinux_label, "Process.SelinuxLabel", STATUS_INVALID_ARGUMENT},
	{"mount label", bad_mount_label, "Linux.MountLabel", STATUS_INVALID_ARGUMENT},
	{"default", bad_seccomp_default, "Linux.Seccomp: seccomp: unknown action",
		STATUS_INVALID_ARGUMENT},
	{"action", bad_seccomp_action, "unknown action \"ALLOW\"", STATUS_INVALID_ARGUMENT},
	{"nameless", bad_seccomp_nameless, "without names", STATUS_INVALID_ARGUMENT},
	{"arch", bad_seccomp_arch, "unknown architecture", STATUS_INVALID_ARGUMENT},
	{"flag", bad_seccomp_flag, "unsupported flag", STATUS_INVALID_ARGUMENT},
	{"operator", bad_seccomp_operator, "unknown operator \"==\"", STATUS_INVALID_ARGUMENT},
	{"index", bad_seccomp_index, "index 6", STATUS_INVALID_ARGUMENT},
	{"argument", bad_seccomp_argument_twice, "compared twice", STATUS_INVALID_ARGUMENT},
};

static void test_bad_specs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_specs); i++) {
		const struct launch_plan *plan = NULL;

		good_spec();
		bad_specs[i].change();
		if (plan_it(&plan) >= 0)
			fail_msg("%s: accepted", bad_specs[i].name);
		if (plan || !strstr(err.text, bad_specs[i].text) ||
			err.status != bad_specs[i].status)
			fail_msg("%s: status %d \"%s\", expected %d \"%s\"", bad_specs[i].name,
				err.status, err.text, bad_specs[i].status, bad_specs[i].text);
	}
}

/* The text of an environment entry may be a secret. */
static void test_secrets_stay_out_of_errors(void **state)
{
	const struct launch_plan *plan;

	bad_env_without_equals();
	assert_true(plan_it(&plan) < 0);
	assert_null(strstr(err.text, "SECRET"));
}

static void test_budget(void **state)
{
	const struct launch_plan *plan = NULL;

	arena_release(&arena);
	arena_init(&arena, 512);
	assert_true(plan_it(&plan) < 0);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	assert_null(plan);
}

/* ---- good specs ----------------------------------------------------------------------------- */

static void test_program(void **state)
{
	const struct launch_plan *plan;

	s.process.terminal = true;
	s.user.uid = 1;
	s.user.gid = 2;
	s.user.additionalgids = groups;
	s.user.n_additionalgids = 2;
	s.process.oomscoreadj = -17;
	one_rlimit("RLIMIT_NOFILE", 5, UINT64_MAX);
	plan = must_plan();
	assert_true(launch_plan_terminal(plan));
	assert_string_equal(plan->args[1], "arg");
	assert_null(plan->args[2]);
	assert_string_equal(plan->env[1], "X= y ");
	assert_int_equal(plan->env_count, 2);
	assert_null(plan->env[2]);
	assert_null(plan->env[3]); /* HOME may come here */
	assert_string_equal(plan->cwd, "/");
	assert_int_equal(plan->gid, 2);
	assert_int_equal(plan->group_count, 2);
	assert_int_equal(plan->groups[1], 6);
	assert_int_equal(plan->oom_score_adj, -17);
	assert_int_equal(plan->rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(plan->rlimits[0].limit.rlim_max == RLIM_INFINITY);
	/* Nothing points into the spec. */
	assert_ptr_not_equal(plan->args[0], args[0]);
	assert_ptr_not_equal(plan->env[0], env[0]);
}

static void test_capability_words(void **state)
{
	const struct launch_plan *plan;

	s.caps.bounding = s.caps.permitted = cap_words;
	s.caps.n_bounding = s.caps.n_permitted = 2;
	plan = must_plan();
	assert_true(plan->capabilities.bounding == 0x2001);
	assert_true(plan->capabilities.permitted == 0x2001);
	assert_true(plan->capabilities.effective == 0);
}

static void test_namespaces(void **state)
{
	const struct launch_plan *plan;

	add_namespace("network", "");
	add_namespace("net", ""); /* the same under its other name (c46) */
	plan = must_plan();
	assert_int_equal(plan->namespaces[NAMESPACE_MNT].how, PLAN_NAMESPACE_NEW);
	assert_int_equal(plan->namespaces[NAMESPACE_NET].how, PLAN_NAMESPACE_NEW);
	assert_int_equal(plan->namespaces[NAMESPACE_PID].how, PLAN_NAMESPACE_NEW);
	assert_int_equal(plan->namespaces[NAMESPACE_CGROUP].how, PLAN_NAMESPACE_NEW);
	assert_int_equal(plan->namespaces[NAMESPACE_IPC].how, PLAN_NAMESPACE_KEEP);
	assert_int_equal(plan->namespaces[NAMESPACE_UTS].how, PLAN_NAMESPACE_KEEP);
	assert_int_equal(plan->namespaces[NAMESPACE_USER].how, PLAN_NAMESPACE_KEEP);
	assert_true(plan->new_rootfs);
}

static void test_shared_namespaces(void **state)
{
	const struct launch_plan *plan;

	config.ipc_fd = 7;
	config.uts_fd = 8;
	config.pid_fd = 9;
	add_namespace("ipc", "/some/path");
	s.spec.hostname = STR("");
	plan = must_plan();
	assert_int_equal(plan->namespaces[NAMESPACE_IPC].how, PLAN_NAMESPACE_FD);
	assert_int_equal(plan->namespaces[NAMESPACE_IPC].fd, 7);
	/* No uts entry: it stays the agent's. */
	assert_int_equal(plan->namespaces[NAMESPACE_UTS].how, PLAN_NAMESPACE_KEEP);
	assert_int_equal(plan->namespaces[NAMESPACE_PID].fd, 9);
}

static void test_hostname_of_a_shared_uts_stays(void **state)
{
	config.uts_fd = 8;
	add_namespace("uts", "");
	s.spec.hostname = STR("h");
	assert_null(must_plan()->hostname);
	config.uts_fd = -1;
	assert_string_equal(must_plan()->hostname, "h");
}

static void test_id_maps(void **state)
{
	add_namespace("user", "");
	one_map(65536);
	s.user.uid = 12;
	assert_string_equal(must_plan()->uid_map, "0 100000 65536\n");
	assert_int_equal(must_plan()->guest_uid, 100012);
}

static void test_sysctls(void **state)
{
	one_sysctl("net.ipv4.ip_forward");
	assert_string_equal(must_plan()->sysctls[0].path, "/proc/sys/net/ipv4/ip_forward");
	add_namespace("ipc", "");
	one_sysctl("fs.mqueue.msg_max");
	assert_string_equal(must_plan()->sysctls[0].path, "/proc/sys/fs/mqueue/msg_max");
}

static void test_bind_mount(void **state)
{
	const struct plan_mount *m;

	one_mount("/src", "//a/./b/", "bind", "rbind");
	option_words[1] = STR("ro");
	option_words[2] = STR("rslave");
	s.mount.n_options = 3;
	m = &must_plan()->mounts[0];
	assert_string_equal(m->destination, "/a/b");
	assert_string_equal(m->what, "Mounts[0] /a/b");
	assert_true(m->flags == (MS_BIND | MS_REC | MS_RDONLY));
	assert_true(m->propagation == (MS_SLAVE | MS_REC));
	assert_null(m->data);
	/* Type "local" with rbind is a bind as well. */
	one_mount("/src", "/a", "local", "rbind");
	m = &must_plan()->mounts[0];
	assert_true(m->flags == (MS_BIND | MS_REC));
	assert_string_equal(m->type, "");
}

static void test_file_system_mount(void **state)
{
	const struct plan_mount *m;

	one_mount("tmpfs", "/t", "tmpfs", "size=1m");
	option_words[1] = STR("ro");
	option_words[2] = STR("mode=755");
	s.mount.n_options = 3;
	m = &must_plan()->mounts[0];
	assert_string_equal(m->data, "size=1m,mode=755");
	assert_true(m->late_readonly);
	assert_true(m->flags == 0);
	one_mount("cgroup", "/sys/fs/cgroup", "cgroup", "ro");
	m = &must_plan()->mounts[0];
	assert_string_equal(m->type, "cgroup2");
	assert_true(m->flags == MS_RDONLY);
	one_mount("proc", "/proc", "proc", NULL);
	assert_true(must_plan()->mounts[0].plain_target);
}

static void test_proc_files(void **state)
{
	one_mount("/x", "/proc/meminfo", "bind", NULL);
	assert_true(must_plan()->mounts[0].over_proc);
	one_mount("/x", "/proc/net/dev", "bind", NULL);
	assert_true(must_plan()->mounts[0].over_proc);
	one_mount("/x", "/proc", "bind", NULL);
	assert_true(must_plan()->mounts[0].from_proc);
	one_mount("/x", "/process", "bind", NULL);
	assert_false(must_plan()->mounts[0].over_proc);
}

static void test_dev(void **state)
{
	assert_true(must_plan()->make_dev);
	one_mount("tmpfs", "/dev/", "tmpfs", NULL);
	assert_true(must_plan()->make_dev);
	one_mount("/x", "/dev", "bind", NULL);
	assert_false(must_plan()->make_dev);
	s.spec.n_mounts = 0;
	one_device("/dev//net/tun", "u", 10, 200);
	assert_string_equal(must_plan()->devices[0].path, "/dev/net/tun");
	assert_int_equal(must_plan()->devices[0].kind, S_IFCHR);
	assert_true(must_plan()->devices[0].dev == makedev(10, 200));
}

static void test_paths_and_root(void **state)
{
	const struct launch_plan *plan;

	s.linux.maskedpaths = s.linux.readonlypaths = paths;
	s.linux.n_maskedpaths = s.linux.n_readonlypaths = 1;
	s.root.readonly = true;
	s.linux.rootfspropagation = STR("rshared");
	plan = must_plan();
	assert_string_equal(plan->masked_paths[0], "/proc/kcore");
	assert_string_equal(plan->readonly_paths[0], "/proc/kcore");
	assert_true(plan->readonly_root);
	assert_true(plan->root_propagation == (MS_SHARED | MS_REC));
}

static void test_seccomp(void **state)
{
	const struct launch_plan *plan;

	assert_null(launch_plan_seccomp(must_plan()));
	one_seccomp_rule("SCMP_ACT_ERRNO");
	plan = must_plan();
	assert_ptr_equal(launch_plan_seccomp(plan), &s.seccomp);
	assert_true(plan->seccomp_before);
	s.process.nonewprivileges = true;
	assert_false(must_plan()->seccomp_before);
}

static void test_mount_label(void **state)
{
	s.linux.mountlabel = STR("system_u:object_r:container_file_t:s0:c1,c2");
	one_mount("tmpfs", "/t", "tmpfs", "size=1m");
	assert_string_equal(must_plan()->mounts[0].data,
		"size=1m,context=\"system_u:object_r:container_file_t:s0:c1,c2\"");
	assert_true(must_plan()->selinux_mounts);
}

/* ---- execs ---------------------------------------------------------------------------------- */

static void test_exec_takes_what_is_missing(void **state)
{
	Grpc__Process process = GRPC__PROCESS__INIT;
	const struct launch_plan *plan;

	s.caps.bounding = cap_words;
	s.caps.n_bounding = 1;
	one_rlimit("RLIMIT_CORE", 1, 2);
	s.process.oomscoreadj = 5;
	s.user.uid = 77;
	s.process.nonewprivileges = true;
	one_seccomp_rule("SCMP_ACT_LOG");
	process.args = args;
	process.n_args = 1;
	assert_int_equal(launch_plan_exec(&process, &s.spec, &config, &arena, &plan, &err), 0);
	assert_true(plan->exec);
	assert_false(plan->new_rootfs);
	assert_true(plan->capabilities.bounding == 1);
	assert_int_equal(plan->rlimit_count, 1);
	assert_int_equal(plan->oom_score_adj, 5);
	assert_int_equal(plan->uid, 77);
	assert_non_null(plan->seccomp);
	/* This one comes from the request alone. */
	assert_false(plan->no_new_privileges);
	assert_int_equal(plan->env_count, 0);
}

static void test_exec_brings_its_own(void **state)
{
	Grpc__Process process = GRPC__PROCESS__INIT;
	Grpc__LinuxCapabilities none = GRPC__LINUX_CAPABILITIES__INIT;
	const struct launch_plan *plan;

	s.caps.bounding = cap_words;
	s.caps.n_bounding = 1;
	process.args = args;
	process.n_args = 1;
	process.capabilities = &none;
	process.oomscoreadj = 9;
	assert_int_equal(launch_plan_exec(&process, &s.spec, &config, &arena, &plan, &err), 0);
	assert_true(plan->capabilities.bounding == 0);
	assert_int_equal(plan->oom_score_adj, 9);
	process.n_args = 0;
	assert_true(launch_plan_exec(&process, &s.spec, &config, &arena, &plan, &err) < 0);
}

#define PLAN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	PLAN_TEST(test_bad_specs),
	PLAN_TEST(test_secrets_stay_out_of_errors),
	PLAN_TEST(test_budget),
	PLAN_TEST(test_program),
	PLAN_TEST(test_capability_words),
	PLAN_TEST(test_namespaces),
	PLAN_TEST(test_shared_namespaces),
	PLAN_TEST(test_hostname_of_a_shared_uts_stays),
	PLAN_TEST(test_id_maps),
	PLAN_TEST(test_sysctls),
	PLAN_TEST(test_bind_mount),
	PLAN_TEST(test_file_system_mount),
	PLAN_TEST(test_proc_files),
	PLAN_TEST(test_dev),
	PLAN_TEST(test_paths_and_root),
	PLAN_TEST(test_seccomp),
	PLAN_TEST(test_mount_label),
	PLAN_TEST(test_exec_takes_what_is_missing),
	PLAN_TEST(test_exec_brings_its_own),
};

TEST_MAIN(tests)
