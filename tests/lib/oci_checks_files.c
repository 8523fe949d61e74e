/* oci_checks_files: the part of oci_checks.h about file systems, devices, parameters, hooks and
 * what is refused. */
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/oci_checks.h"
#include "lib/oci_container.h"
#include "lib/test_main.h"

/* ---- mounts --------------------------------------------------------------------------------- */

/* A volume with another file system in it, both of them as these words say. */
static void fill_volumes(const char *options)
{
	oci_storage("oci-a", options);
	oci_storage("oci-a/sub", options);
}

static void bind_volume(const char *destination, const char *options)
{
	oci_mount(OCI_SHARED "oci-a", destination, "bind", options);
}

static void expect_recursion(void)
{
	oci_fill("mount:/ro", "mount:/ro/sub", "mount:/rro", "mount:/rro/sub", "mount:/all/sub",
		"mount:/none", "mount:/strict/sub", "mount:/both", "mount:/both/sub", "write:/ro",
		"write:/ro/sub", "write:/rro/sub", NULL);
	fill_volumes("");
	bind_volume("/ro", "rbind,ro");
	bind_volume("/rro", "rbind,rw,rro");
	bind_volume("/all", "rbind,rnosuid,rnodev,rnoexec,rnoatime,rnodiratime,rnosymfollow");
	bind_volume("/none", "bind,rro,noatime,nosymfollow,nodiratime");
	bind_volume("/strict", "rbind,rnoatime,rstrictatime");
	bind_volume("/both", "rbind,ro,rrw,rnosuid,rsuid");
	oci_prints("mount /ro: tmpfs ro,relatime\n"
		   "mount /ro/sub: tmpfs rw,relatime\n"
		   "mount /rro: tmpfs ro,relatime\n"
		   "mount /rro/sub: tmpfs ro,relatime\n"
		   "mount /all/sub: tmpfs rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow\n"
		   "mount /none: tmpfs ro,noatime,nodiratime,nosymfollow\n"
		   "mount /strict/sub: tmpfs rw\n"
		   "mount /both: tmpfs rw,relatime\nmount /both/sub: tmpfs rw,relatime\n"
		   "write /ro: errno 30\nwrite /ro/sub: yes\nwrite /rro/sub: errno 30\n");
}

/* The negations, and that what nobody takes back stays. */
static void expect_negations(void)
{
	oci_fill("mount:/kept", "mount:/neg", "mount:/neg/sub", "mount:/rneg/sub",
		"mount:/kept/sub", NULL);
	fill_volumes("nosuid,nodev,noexec,noatime,nodiratime,nosymfollow");
	bind_volume("/kept", "rbind,ro");
	bind_volume("/neg", "rbind,suid,dev,exec,atime,diratime,symfollow");
	bind_volume("/rneg", "rbind,rsuid,rdev,rexec,ratime,rdiratime,rsymfollow");
	oci_prints("mount /kept: tmpfs ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow\n"
		   "mount /neg: tmpfs rw,relatime\n"
		   "mount /neg/sub: tmpfs rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow\n"
		   "mount /rneg/sub: tmpfs rw,relatime\n"
		   "mount /kept/sub: tmpfs "
		   "rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow\n");
}

static void expect_new_mounts(void)
{
	oci_fill("mount:/t", "super:/t=sync", "super:/t=dirsync", "super:/t=lazytime", "mount:/u",
		"super:/u=lazytime", "super:/u=size=64k", "mount:/p", "mount:/q", "mount:/r",
		"mount:/s", NULL);
	oci_mount("tmpfs", "/t", "tmpfs",
		"ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow,sync,dirsync,lazytime");
	oci_mount("tmpfs", "/u", "tmpfs",
		"rro,ro,rw,nosuid,suid,nodev,dev,noexec,exec,strictatime,sync,async,lazytime,"
		"nolazytime,nosymfollow,symfollow,silent,loud,mand,nomand,iversion,noiversion,acl,"
		"defaults,size=64k");
	oci_mount("tmpfs", "/p", "tmpfs", "shared");
	oci_mount("tmpfs", "/q", "tmpfs", "unbindable");
	oci_storage("oci-a", "");
	bind_volume("/r", "rbind,rshared,rslave");
	bind_volume("/s", "rbind,rshared");
	oci_prints("mount /t: tmpfs ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow\n"
		   "super /t=sync: yes\nsuper /t=dirsync: yes\nsuper /t=lazytime: yes\n"
		   "mount /u: tmpfs rw\nsuper /u=lazytime: no\nsuper /u=size=64k: yes\n"
		   "mount /p: tmpfs rw,relatime shared\nmount /q: tmpfs rw,relatime unbindable\n"
		   "mount /r: tmpfs rw,relatime\nmount /s: tmpfs rw,relatime shared\n");
}

void test_oci_mount_options(void **state)
{
	expect_recursion();
	expect_negations();
	expect_new_mounts();
	/* a tmpfs that begins with what the image has there */
	oci_fill("mount:/bin", "stat:/bin/busybox", "write:/bin", NULL);
	oci_mount("tmpfs", "/bin", "tmpfs", "nosuid,tmpcopyup");
	assert_true(str_starts(oci_run(), "mount /bin: tmpfs rw,nosuid,relatime\n"
					  "stat /bin/busybox: mode 100755 owner 0:0 device 0:0\n"
					  "write /bin: yes\n"));
	/* users' own words: nothing to the kernel, and not worth a refusal */
	oci_fill("mount:/v", NULL);
	oci_storage("oci-a", "");
	bind_volume("/v", "rbind,delegated,nosuid,volume-opt=x");
	oci_prints("mount /v: tmpfs rw,nosuid,relatime\n");
	/* the root: read-only, and how what is mounted in it spreads */
	oci_fill("write:/", "write:/tmp", "mount:/tmp", NULL);
	oci.c.root.readonly = true;
	oci.c.linux_part.rootfspropagation = (char *)"rshared";
	oci_mount("tmpfs", "/tmp", "tmpfs", "");
	oci_prints("write /: errno 30\nwrite /tmp: yes\nmount /tmp: tmpfs rw,relatime shared\n");
}

void test_oci_mount_refusals(void **state)
{
	static const struct {
		const char *type, *options, *text;
	} cases[] = {
		{"bind", "rbind,idmap", "Mounts[4] /x: mount options: \"idmap\" is not supported"},
		{"bind", "rbind,ridmap", "\"ridmap\" is not supported"},
		{"tmpfs", "loop", "\"loop\" is not supported"},
		{"tmpfs", "remount", "\"remount\" has no meaning here"},
		{"bind", "rbind,tmpcopyup", "\"tmpcopyup\" is for a tmpfs"},
		{"proc", "tmpcopyup", "\"tmpcopyup\" is for a tmpfs"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		oci_fill("cwd", NULL);
		oci_mount("/", "/x", cases[i].type, cases[i].options);
		oci_refused(STATUS_INVALID_ARGUMENT, cases[i].text);
	}
	oci_fill("cwd", NULL);
	oci_mount("tmpfs", "/x", "tmpfs", "no-such-option");
	oci_refused(STATUS_INTERNAL, "no-such-option");
	oci_fill("cwd", NULL);
	oci.c.linux_part.rootfspropagation = (char *)"sideways";
	oci_refused(STATUS_INVALID_ARGUMENT, "Linux.RootfsPropagation: unknown word \"sideways\"");
}

void test_oci_paths(void **state)
{
	static char *masked[] = {(char *)"/proc/cmdline", (char *)"/proc/sys/net",
		(char *)"/proc/no-such", (char *)"/proc/cmdline/below", (char *)"/tmp"};
	static char *readonly[] = {
		(char *)"/dev", (char *)"/proc/version", (char *)"/no/such/path"};

	oci_fill("file:/proc/cmdline", "mount:/proc/sys/net", "stat:/proc/sys/net/core",
		"write:/tmp", "write:/dev", "mount:/dev/pts", "mount:/proc/version", NULL);
	oci.c.linux_part.maskedpaths = masked;
	oci.c.linux_part.n_maskedpaths = ARRAY_SIZE(masked);
	oci.c.linux_part.readonlypaths = readonly;
	oci.c.linux_part.n_readonlypaths = ARRAY_SIZE(readonly);
	oci_prints("file /proc/cmdline: \n"
		   "mount /proc/sys/net: tmpfs ro,nosuid,nodev,noexec,relatime\n"
		   "stat /proc/sys/net/core: errno 2\nwrite /tmp: errno 30\nwrite /dev: errno 30\n"
		   "mount /dev/pts: devpts rw,relatime devpts ro,relatime\n"
		   "mount /proc/version: proc ro,relatime\n");
}

void test_oci_devices(void **state)
{
	Grpc__LinuxDevice device[3], *devices[3];

	for (size_t i = 0; i < 3; i++) {
		grpc__linux_device__init(&device[i]);
		devices[i] = &device[i];
	}
	device[0].path = (char *)"/dev/deep/er/full2";
	device[0].type = (char *)"u";
	device[0].major = 1;
	device[0].minor = 7;
	device[0].filemode = 0620;
	device[0].uid = 12;
	device[0].gid = 34;
	device[1].path = (char *)"/dev/fifo";
	device[1].type = (char *)"p";
	device[2].path = (char *)"/dev/null";
	device[2].type = (char *)"c";
	device[2].major = 1;
	device[2].minor = 3;
	device[2].filemode = 0600;
	oci_fill("stat:/dev/deep/er/full2", "stat:/dev/fifo", "stat:/dev/null", "stat:/dev/zero",
		"stat:/dev/full", "stat:/dev/tty", "stat:/dev/random", "stat:/dev/urandom",
		"stat:/dev/vda", "stat:/dev/kmsg", NULL);
	oci.c.linux_part.devices = devices;
	oci.c.linux_part.n_devices = 3;
	oci_prints("stat /dev/deep/er/full2: mode 020620 owner 12:34 device 1:7\n"
		   "stat /dev/fifo: mode 010666 owner 0:0 device 0:0\n"
		   "stat /dev/null: mode 020600 owner 0:0 device 1:3\n"
		   "stat /dev/zero: mode 020666 owner 0:0 device 1:5\n"
		   "stat /dev/full: mode 020666 owner 0:0 device 1:7\n"
		   "stat /dev/tty: mode 020666 owner 0:0 device 5:0\n"
		   "stat /dev/random: mode 020666 owner 0:0 device 1:8\n"
		   "stat /dev/urandom: mode 020666 owner 0:0 device 1:9\n"
		   "stat /dev/vda: errno 2\nstat /dev/kmsg: errno 2\n");
}

void test_oci_sysctls(void **state)
{
	static const char *const foreign[] = {"kernel.panic", "vm.swappiness", "kernel.hostname",
		"fs.file-max", "user.max_user_namespaces"};
	Grpc__Linux__SysctlEntry entry[3], *entries[3];
	static const char *const names[] = {
		"net.ipv4.ip_forward", "net/ipv4/conf/lo/forwarding", "kernel.msgmax"};
	char text[120];

	for (size_t i = 0; i < 3; i++) {
		grpc__linux__sysctl_entry__init(&entry[i]);
		entry[i].key = (char *)names[i];
		entry[i].value = (char *)(i == 2 ? "12345" : "1");
		entries[i] = &entry[i];
	}
	oci_fill("file:/proc/sys/net/ipv4/ip_forward", "file:/proc/sys/net/ipv4/conf/lo/forwarding",
		"file:/proc/sys/kernel/msgmax", NULL);
	oci_namespace("network", "");
	oci.c.linux_part.sysctl = entries;
	oci.c.linux_part.n_sysctl = 3;
	oci_prints("file /proc/sys/net/ipv4/ip_forward: 1\n"
		   "file /proc/sys/net/ipv4/conf/lo/forwarding: 1\n"
		   "file /proc/sys/kernel/msgmax: 12345\n");
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		entry[0].key = (char *)foreign[i];
		str_format(text, sizeof(text), "Linux.Sysctl: %s is not allowed", foreign[i]);
		oci_refused(STATUS_INVALID_ARGUMENT, text);
	}
	entry[0].key = (char *)"net/../kernel/panic";
	oci_refused(STATUS_INVALID_ARGUMENT, "is no name");
}

/* ---- hooks ---------------------------------------------------------------------------------- */

/* The runtime's in the guest, createContainer among them; startContainer in the container. */
void test_oci_hooks(void **state)
{
	static const char *const kinds[] = {"prestart", "createRuntime", "createContainer",
		"startContainer", "poststart", "poststop"};
	Grpc__Hook hook[6], *list[6];
	char *args[6][2], words[6][128];
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;

	oci_copy("oci-order", "order\n", 6, 0666);
	oci_fill("cat:/order", NULL);
	oci_mount(OCI_SHARED "oci-order", "/order", "bind", "rbind,rw");
	for (size_t i = 0; i < 6; i++) {
		const char *folder = i == 3 ? "/" : OCI_SHARED;

		grpc__hook__init(&hook[i]);
		str_format(words[i], sizeof(words[i]), "hook:%s=%s",
			i == 3 ? "/order" : OCI_SHARED "oci-order", kinds[i]);
		hook[i].path = (char *)(i == 3 ? "/inside" : OCI_SHARED "inside");
		args[i][0] = (char *)folder;
		args[i][1] = words[i];
		hook[i].args = args[i];
		hook[i].n_args = 2;
		list[i] = &hook[i];
	}
	hooks.prestart = &list[0];
	hooks.createruntime = &list[1];
	hooks.createcontainer = &list[2];
	hooks.startcontainer = &list[3];
	hooks.poststart = &list[4];
	hooks.poststop = &list[5];
	hooks.n_prestart = hooks.n_createruntime = hooks.n_createcontainer =
		hooks.n_startcontainer = hooks.n_poststart = hooks.n_poststop = 1;
	oci.c.spec.hooks = &hooks;
	/* the program may run before or after poststart */
	assert_true(str_starts(oci_run(), "order\nprestart: oci is creating, a pid\n"
					  "createRuntime: oci is creating, a pid\n"
					  "createContainer: oci is creating, a pid\n"
					  "startContainer: oci is created, a pid\n"));
	assert_int_equal(oci.code, 0);
	oci_fill("cat:/order", NULL);
	oci_mount(OCI_SHARED "oci-order", "/order", "bind", "rbind,rw");
	assert_non_null(strstr(oci_run(), "startContainer: oci is created, a pid\n"
					  "poststart: oci is running, a pid\n"
					  "poststop: oci is stopped, no pid\n"));
}

/* ---- the rest ------------------------------------------------------------------------------- */

void test_oci_terminal(void **state)
{
	Grpc__Box size = GRPC__BOX__INIT;

	size.height = 33;
	size.width = 77;
	oci_fill("size", "stat:/dev/pts/0", "stat:/dev/console", NULL);
	oci.c.process.terminal = true;
	oci.c.process.consolesize = &size;
	oci.c.user.uid = 1000;
	assert_non_null(strstr(oci_run(), "size 33 77 tty /dev/pts/0\r\n"
					  "stat /dev/pts/0: mode 020600 owner 1000:0 device "));
	assert_int_equal(oci.code, 0);
}

static void reset(const char *what)
{
	oci_fill("cwd", NULL);
}

void test_oci_refused(void **state)
{
	Grpc__LinuxIntelRdt rdt = GRPC__LINUX_INTEL_RDT__INIT;

	reset("label");
	oci.c.process.selinuxlabel = (char *)"system_u:system_r:container_t:s0";
	oci_refused(STATUS_FAILED_PRECONDITION, "Process.SelinuxLabel: this kernel has no SELinux");
	reset("mount label");
	oci.c.linux_part.mountlabel = (char *)"system_u:object_r:container_file_t:s0";
	oci_refused(STATUS_FAILED_PRECONDITION, "Linux.MountLabel: this kernel has no SELinux");
	reset("cache");
	rdt.l3cacheschema = (char *)"L3:0=f";
	oci.c.linux_part.intelrdt = &rdt;
	oci_refused(STATUS_UNIMPLEMENTED, "Linux.IntelRdt.L3CacheSchema");
	reset("version");
	oci.c.spec.version = (char *)"2.0.0";
	oci_refused(STATUS_INVALID_ARGUMENT, "OCI.Version \"2.0.0\"");
	reset("version");
	oci.c.spec.version = (char *)"first";
	oci_refused(STATUS_INVALID_ARGUMENT, "OCI.Version \"first\"");
	reset("version");
	oci.c.spec.version = (char *)"1.3.0-rc.1+dev";
	oci_prints("cwd /\n");
	/* a joined mount namespace is as it is: what asks for changes in it says nothing */
	reset("mount namespace");
	oci_without_namespace("mount");
	oci_namespace("mount", "/proc/self/ns/mnt");
	oci_refused(STATUS_INVALID_ARGUMENT, "Mounts: need a mount namespace of their own");
}
