/*
 * Tests agent/launch/rootfs.c, rootfs_dev.c and root_target.c: real containers, as root. What is
 * mounted where, /dev, hidden and read-only paths, links that try to lead out.
 */
#include "launch/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "unit/launch/launch_asserts.h"

/* ---- the root ------------------------------------------------------------------------------- */

static void see_own_root_only(void)
{
	fixture_shell(&f, "ls /; grep -c . /proc/self/mountinfo; "
			  "cut -d' ' -f5 /proc/self/mountinfo");
	assert_output("bin\ndata\ndev\netc\nproc\nsys\ntmp\n"
		      "7\n/\n/proc\n/dev\n/dev/pts\n/dev/shm\n/dev/mqueue\n/sys\n");
}

static void test_pivot_root(void **state)
{
	see_own_root_only();
}

static void test_move_mount(void **state)
{
	f.config.no_pivot = true;
	fixture_shell(&f, "ls /; cut -d' ' -f5 /proc/self/mountinfo");
	assert_output("bin\ndata\ndev\netc\nproc\nsys\ntmp\n"
		      "/\n/proc\n/dev\n/dev/pts\n/dev/shm\n/dev/mqueue\n/sys\n");
}

/* The guest's other mounts are not kept alive by the container's namespace. */
static void test_move_mount_detaches(void **state)
{
	const char *guest = scratch_mkdir("guest-mount");
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct inotify_event event = {0};

	assert_int_equal(mount("tmpfs", guest, "tmpfs", 0, NULL), 0);
	assert_true(inotify_add_watch(watch, guest, IN_DELETE_SELF) >= 0);
	f.config.no_pivot = true;
	start_sleeper();
	assert_int_equal(umount2(guest, 0), 0);
	/* Comes when the file system itself goes, with its last mount anywhere. */
	assert_true(read(watch, &event, sizeof(event)) > 0);
	assert_true(event.mask & IN_UNMOUNT);
	close(watch);
	rmdir(guest);
}

static void test_move_mount_exec(void **state)
{
	static struct fixture_process p;

	f.config.no_pivot = true;
	start_sleeper();
	fixture_shell(&f, "ls -d /bin /work /home; cat /proc/1/comm");
	assert_true(fixture_exec(&f, &p));
	assert_true(fixture_start(&f, &p));
	fixture_wait(&f, &p);
	assert_contains(p.output, "/bin\n");
	assert_contains(p.output, "/home: No such file");
	assert_contains(p.output, "sleep\n");
	fixture_process_release(&p);
}

static void test_root_missing(void **state)
{
	f.config.rootfs = "/no/such/root";
	fixture_args(&f, "true", NULL);
	assert_fails("open the root file system /no/such/root: ENOENT");
}

static void test_root_behind_a_link(void **state)
{
	const char *link = scratch_path("rootlink");

	assert_int_equal(symlink(f.rootfs, link), 0);
	f.config.rootfs = link;
	fixture_args(&f, "true", NULL);
	assert_fails("ELOOP");
	unlink(link);
}

static void test_readonly_root(void **state)
{
	f.root.readonly = true;
	f.process.cwd = (char *)"/made";
	fixture_shell(
		&f, "touch /file 2>&1; touch /dev/shm/file && pwd; echo x > /dev/null && echo ok");
	assert_output("touch: /file: Read-only file system\n/made\nok\n");
}

/* A spec without /proc or anything else (c53). */
static void test_no_mounts_at_all(void **state)
{
	f.spec.n_mounts = 0;
	fixture_shell(&f, "echo ok; ls /proc; ls /dev | grep -v core");
	assert_output(
		"ok\nfd\nfull\nnull\nptmx\nrandom\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
}

/* The image has them already, right or wrong (c49). */
static void test_dev_of_the_image_again(void **state)
{
	unlink(scratch_path("rootfs/dev/zero"));
	scratch_file("rootfs/dev/zero", "a file where a device should be");
	unlink(scratch_path("rootfs/dev/full"));
	assert_int_equal(mknod(scratch_path("rootfs/dev/full"), S_IFCHR | 0600, makedev(1, 7)), 0);
	f.spec.n_mounts = 1;
	fixture_device(&f, "/dev/null", "c", 1, 3);
	fixture_shell(&f, "test -c /dev/zero && readlink /dev/ptmx; stat -c %t:%T:%a /dev/null "
			  "/dev/full");
	assert_output("pts/ptmx\n1:3:666\n1:7:666\n");
}

static void test_root_propagation(void **state)
{
	f.linux.rootfspropagation = (char *)"shared";
	fixture_shell(&f, "cut -d' ' -f5,7 /proc/self/mountinfo | grep '^/ ' | cut -d: -f1");
	assert_output("/ shared\n");
}

/* ---- mounts --------------------------------------------------------------------------------- */

static void test_bind_directory_and_file(void **state)
{
	scratch_file("volume/inner/file", "from the volume\n");
	scratch_file("one-file", "one file\n");
	fixture_mount(&f, scratch_path("volume"), "/mnt/volume", "bind", "rbind,rw");
	fixture_mount(&f, scratch_path("one-file"), "/mnt/conf/app.conf", "bind", "bind,ro");
	fixture_shell(&f, "cat /mnt/volume/inner/file /mnt/conf/app.conf; "
			  "echo x 2>&1 > /mnt/conf/app.conf; echo y > /mnt/volume/new && cat "
			  "/mnt/volume/new");
	assert_int_equal(fixture_run(&f), 0);
	assert_contains(f.init.output, "from the volume\none file\n");
	assert_contains(f.init.output, "Read-only file system");
	assert_contains(f.init.output, "y\n");
}

/* Runtimes send guest-local volumes as type "local" with rbind. */
static void test_rbind_of_any_type(void **state)
{
	scratch_file("local/file", "local\n");
	fixture_mount(&f, scratch_path("local"), "/local", "local", "rbind,rprivate,rw");
	fixture_args(&f, "cat", "/local/file", NULL);
	assert_output("local\n");
}

/* A read-only bind keeps what the source's mount forbids (c31). */
static void test_bind_keeps_locked_flags(void **state)
{
	const char *volume = scratch_mkdir("nosuid");

	assert_int_equal(
		mount("tmpfs", volume, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), 0);
	fixture_mount(&f, volume, "/v", "bind", "bind,ro");
	fixture_readonly(&f, "/v");
	fixture_shell(&f, "grep ' /v ' /proc/self/mountinfo | cut -d' ' -f6");
	assert_output("ro,nosuid,nodev,noexec,relatime\nro,nosuid,nodev,noexec,relatime\n");
	umount2(volume, MNT_DETACH);
}

static void test_bind_flags_and_their_negation(void **state)
{
	const char *volume = scratch_mkdir("flags");

	assert_int_equal(mount("tmpfs", volume, "tmpfs", MS_NOEXEC, NULL), 0);
	fixture_mount(&f, volume, "/v", "bind", "bind,exec,nosuid,noatime");
	fixture_shell(&f, "grep ' /v ' /proc/self/mountinfo | cut -d' ' -f6");
	assert_output("rw,nosuid,noatime\n");
	umount2(volume, MNT_DETACH);
}

static void test_bind_propagation(void **state)
{
	scratch_mkdir("shared-volume");
	fixture_mount(&f, scratch_path("shared-volume"), "/v", "bind", "rbind,rshared");
	fixture_shell(&f, "grep ' /v ' /proc/self/mountinfo | cut -d' ' -f7 | cut -d: -f1");
	assert_output("shared\n");
}

static void test_bind_source_missing(void **state)
{
	fixture_mount(&f, "/no/such/source", "/v", "bind", "bind");
	fixture_args(&f, "true", NULL);
	assert_fails("Mounts[6] /v: open_tree: bind source /no/such/source: ENOENT");
}

static void test_links_stay_inside(void **state)
{
	scratch_file("secret/file", "the guest's\n");
	assert_int_equal(symlink("../../../../../../../etc", scratch_path("rootfs/up")), 0);
	assert_int_equal(symlink("/tmp", scratch_path("rootfs/data/absolute")), 0);
	assert_int_equal(symlink("/missing/place", scratch_path("rootfs/dangling")), 0);
	fixture_mount(&f, scratch_path("secret"), "/up/inside", "bind", "bind");
	fixture_mount(&f, scratch_path("secret"), "/data/absolute/inside", "bind", "bind");
	fixture_mount(&f, scratch_path("secret"), "/dangling", "bind", "bind");
	fixture_shell(&f, "cat /etc/inside/file /tmp/inside/file /missing/place/file");
	assert_output("the guest's\nthe guest's\nthe guest's\n");
	assert_int_equal(access("/etc/inside", F_OK), -1);
	assert_int_equal(access("/missing", F_OK), -1);
	unlink(scratch_path("rootfs/up"));
	unlink(scratch_path("rootfs/data/absolute"));
	unlink(scratch_path("rootfs/dangling"));
}

static void test_link_loop(void **state)
{
	assert_int_equal(symlink("loop", scratch_path("rootfs/loop")), 0);
	fixture_mount(&f, "tmpfs", "/loop/x", "tmpfs", "");
	fixture_args(&f, "true", NULL);
	assert_fails("make /loop/x in the container's root: ELOOP");
	unlink(scratch_path("rootfs/loop"));
}

static void test_proc_target_is_no_link(void **state)
{
	assert_int_equal(symlink("/data", scratch_path("rootfs/proclink")), 0);
	f.mounts[0]->destination = (char *)"/proclink";
	fixture_args(&f, "true", NULL);
	assert_fails("Mounts[0] /proclink: make /proclink in the container's root: ELOOP");
	unlink(scratch_path("rootfs/proclink"));
}

static void test_bind_over_proc_file(void **state)
{
	fixture_mount(
		&f, scratch_file("meminfo", "MemTotal: 1 kB\n"), "/proc/meminfo", "bind", "bind");
	fixture_args(&f, "cat", "/proc/meminfo", NULL);
	assert_output("MemTotal: 1 kB\n");
}

/* The words are fine, the link is not. */
static void test_bind_into_proc_by_link(void **state)
{
	assert_int_equal(symlink("/proc", scratch_path("rootfs/p")), 0);
	fixture_mount(&f, scratch_path("meminfo"), "/p/version", "bind", "bind");
	fixture_args(&f, "true", NULL);
	assert_fails("a bind must not lie inside /proc");
	unlink(scratch_path("rootfs/p"));
}

static void test_bind_on_proc(void **state)
{
	f.mounts[0]->type = (char *)"bind";
	f.mounts[0]->source = (char *)"/tmp";
	fixture_args(&f, "true", NULL);
	assert_fails("only a proc file system may be bound on /proc");
}

/* Read-only, and yet other mounts find their targets made in it. */
static void test_readonly_tmpfs_is_sealed_last(void **state)
{
	f.mounts[1]->options[f.mounts[1]->n_options++] = (char *)"ro";
	fixture_shell(&f,
		"touch /dev/x 2>&1; touch /dev/shm/x && echo ok; test -c /dev/null && echo null");
	assert_output("touch: /dev/x: Read-only file system\nok\nnull\n");
}

static void test_cgroup_mount(void **state)
{
	fixture_mount(&f, "cgroup", "/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro");
	fixture_shell(&f,
		"grep ' /sys/fs/cgroup ' /proc/self/mountinfo | sed 's/.* - //' | cut -d' ' -f1; "
		"mkdir /sys/fs/cgroup/x 2>&1");
	fixture_run(&f);
	assert_string_equal(f.init.output, "cgroup2\nmkdir: can't create directory "
					   "'/sys/fs/cgroup/x': Read-only file system\n");
}

static void test_mount_failure_names_it(void **state)
{
	fixture_mount(&f, "none", "/v", "nosuchfs", "");
	fixture_args(&f, "true", NULL);
	assert_fails("Mounts[6] /v: mount none on");
	assert_contains(f.init.text, "ENODEV");
}

/* ---- masked, read-only ---------------------------------------------------------------------- */

/* c29: directories are masked too. */
static void test_masked(void **state)
{
	scratch_file("rootfs/data/secret", "secret\n");
	scratch_file("rootfs/data/folder/inner", "inner\n");
	fixture_mask(&f, "/data/secret");
	fixture_mask(&f, "/data/folder");
	fixture_mask(&f, "/data/not/there");
	fixture_mask(&f, "/proc/kallsyms");
	fixture_mask(&f, "/sys/firmware");
	fixture_shell(&f, "cat /data/secret /proc/kallsyms; ls /data/folder /sys/firmware; "
			  "touch /data/folder/x 2>&1");
	fixture_run(&f);
	assert_string_equal(f.init.output, "/data/folder:\n\n/sys/firmware:\n"
					   "touch: /data/folder/x: Read-only file system\n");
}

static void test_readonly_paths(void **state)
{
	scratch_file("rootfs/data/ro/file", "x\n");
	fixture_readonly(&f, "/data/ro");
	fixture_readonly(&f, "/proc/sys");
	fixture_readonly(&f, "/data/not/there");
	fixture_shell(&f, "touch /data/ro/new 2>&1; echo 1 2>&1 > /proc/sys/kernel/msgmax; "
			  "grep ' /proc/sys ' /proc/self/mountinfo | cut -d' ' -f6");
	fixture_run(&f);
	assert_contains(f.init.output, "touch: /data/ro/new: Read-only file system\n");
	assert_contains(f.init.output, "/proc/sys/kernel/msgmax: Read-only file system\n");
	assert_contains(f.init.output, "ro,nosuid,nodev,noexec,relatime\n");
}

/* ---- /dev ----------------------------------------------------------------------------------- */

static void test_default_dev(void **state)
{
	fixture_shell(&f, "cd /dev; stat -c '%n %F %t:%T %a' null zero full random urandom tty; "
			  "for l in fd stdin stdout stderr ptmx; do echo $l $(readlink $l); done; "
			  "echo out > /dev/stdout; head -c3 /dev/zero | wc -c");
	assert_output("null character special file 1:3 666\nzero character special file 1:5 666\n"
		      "full character special file 1:7 666\nrandom character special file 1:8 666\n"
		      "urandom character special file 1:9 666\ntty character special file 5:0 666\n"
		      "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\n"
		      "stderr /proc/self/fd/2\nptmx pts/ptmx\nout\n3\n");
}

static void test_spec_devices(void **state)
{
	Grpc__LinuxDevice *d = fixture_device(&f, "/dev/net/tun", "c", 10, 200);

	d->filemode = 0640;
	d->uid = 7;
	d->gid = 8;
	fixture_device(&f, "/dev/block", "b", 7, 0)->filemode = 0600;
	fixture_device(&f, "/dev/pipe", "p", 0, 0);
	fixture_device(&f, "/dev/kmsg", "u", 1, 11); /* mode: the guest's */
	fixture_shell(&f, "stat -c '%n %F %t:%T %a %u %g' /dev/net/tun /dev/block /dev/pipe; "
			  "stat -c %a /dev/kmsg");
	assert_int_equal(fixture_run(&f), 0);
	assert_contains(f.init.output, "/dev/net/tun character special file a:c8 640 7 8\n"
				       "/dev/block block special file 7:0 600 0 0\n"
				       "/dev/pipe fifo 0:0 666 0 0\n");
}

static void test_dev_is_a_bind(void **state)
{
	scratch_file("dev/only", "x");
	f.mounts[1]->type = (char *)"bind";
	f.mounts[1]->source = (char *)scratch_path("dev");
	f.mounts[1]->n_options = 0;
	f.spec.n_mounts = 2;
	fixture_args(&f, "ls", "/dev", NULL);
	assert_output("only\n");
}

static const struct CMUnitTest tests[] = {
	LAUNCH_TEST(test_pivot_root),
	LAUNCH_TEST(test_move_mount),
	LAUNCH_TEST(test_move_mount_detaches),
	LAUNCH_TEST(test_move_mount_exec),
	LAUNCH_TEST(test_root_missing),
	LAUNCH_TEST(test_root_behind_a_link),
	LAUNCH_TEST(test_readonly_root),
	LAUNCH_TEST(test_no_mounts_at_all),
	LAUNCH_TEST(test_dev_of_the_image_again),
	LAUNCH_TEST(test_root_propagation),
	LAUNCH_TEST(test_bind_directory_and_file),
	LAUNCH_TEST(test_rbind_of_any_type),
	LAUNCH_TEST(test_bind_keeps_locked_flags),
	LAUNCH_TEST(test_bind_flags_and_their_negation),
	LAUNCH_TEST(test_bind_propagation),
	LAUNCH_TEST(test_bind_source_missing),
	LAUNCH_TEST(test_links_stay_inside),
	LAUNCH_TEST(test_link_loop),
	LAUNCH_TEST(test_proc_target_is_no_link),
	LAUNCH_TEST(test_bind_over_proc_file),
	LAUNCH_TEST(test_bind_into_proc_by_link),
	LAUNCH_TEST(test_bind_on_proc),
	LAUNCH_TEST(test_readonly_tmpfs_is_sealed_last),
	LAUNCH_TEST(test_cgroup_mount),
	LAUNCH_TEST(test_mount_failure_names_it),
	LAUNCH_TEST(test_masked),
	LAUNCH_TEST(test_readonly_paths),
	LAUNCH_TEST(test_default_dev),
	LAUNCH_TEST(test_spec_devices),
	LAUNCH_TEST(test_dev_is_a_bind),
};

TEST_MAIN(tests)
