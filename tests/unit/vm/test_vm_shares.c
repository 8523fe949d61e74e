/*
 * vm_shares, share_child: what a virtiofsd finds when it starts, and that nothing of it stays. The
 * virtiofsd here is a shell script that looks around: argument 3 is "source=FOLDER". The real one
 * is in tests/vm/run/test_volumes.sh. As root: it becomes an ordinary user where that matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vm/vm_shares.h"

#define USER 1234

static struct event_loop *loop;
static struct vm_shares shares;
static struct vm_config config;
static struct vm_share share;
static struct error err;
static int fds[VM_SHARES_MAX], endings, fds_before;
static char top[200], host[300], folder[300], script[300];

static void on_ended(void *owner)
{
	++*(int *)owner;
	event_loop_stop(loop);
}

static int begin(void **state)
{
	if (!top[0])
		snprintf(top, sizeof(top), "%s", scratch_dir());
	snprintf(host, sizeof(host), "%s/a,b c", top);
	snprintf(folder, sizeof(folder), "%s/private", top);
	snprintf(script, sizeof(script), "%s/virtiofsd", top);
	chmod(top, 0755);
	mkdir(host, 0777);
	chmod(host, 0777);
	mkdir(folder, 0700);
	fds_before = test_count_fds();
	loop = event_loop_new();
	memset(&shares, 0, sizeof(shares));
	shares.ended = on_ended;
	shares.owner = &endings;
	endings = 0;
	share = (struct vm_share){.host = host, .tag = "volume0"};
	config = (struct vm_config)VM_CONFIG_INIT;
	config.shares = &share;
	config.share_count = 1;
	config.virtiofsd = script;
	for (unsigned i = 0; i < VM_SHARES_MAX; i++)
		fds[i] = -1;
	return child_reaper_init(loop);
}

static void close_fds(void)
{
	for (unsigned i = 0; i < VM_SHARES_MAX; i++)
		close_fd(&fds[i]);
}

static int finish(void **state)
{
	int left;

	vm_shares_release(&shares);
	close_fds();
	child_reaper_release();
	event_loop_free(loop);
	left = test_count_fds() - fds_before;
	if (left)
		fprintf(stderr, "# %d descriptors are left\n", left);
	return left || rmdir(folder) < 0 ? -1 : 0;
}

/* $source is the share as it sees it; what the function `look` says becomes the line of said(). */
static void program(const char *text)
{
	FILE *file = fopen(script, "we");

	assert_non_null(file);
	fprintf(file,
		"#!/bin/sh\nsource=${3#source=}\nargs=\"$*\"\n"
		"say() { look 2>&1 | tr '\\n;' ' ,' >&2; exit $1; }\n%s\n",
		text);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

static void start(void)
{
	if (vm_shares_start(&shares, loop, &config, folder, fds, &err) < 0)
		fail_msg("%s", err.text);
}

/* Its last line and, for a program that ends badly, all of why. */
static const char *said(void)
{
	static struct failure failure;

	while (!endings)
		assert_true(event_loop_run(loop) >= 0);
	memset(&failure, 0, sizeof(failure));
	vm_shares_explain(&shares, &failure);
	return failure.error.text;
}

static void run(const char *text)
{
	if (geteuid() == 0)
		program(text);
	start();
	assert_int_equal(endings, 0);
	said();
	assert_int_equal(endings, 1);
}

static bool exists(const char *name)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", host, name);
	return lstat(path, &st) == 0;
}

static void assert_said(const char *text)
{
	if (!strstr(said(), text))
		fail_msg("said: %s", said());
}

/* ---- what it sees -------------------------------------------------------------------------------
 */

static void the_folder_wherever_it_is(void **state)
{
	run("look() { echo x > \"$source/made\"; echo \"$args:\"; }; say 9");
	assert_true(exists("made"));
	assert_said("a,b c ended with 9: --fd=");
	assert_said("/private/source -o modcaps=-mknod --rlimit-nofile=0:");
}

static void sockets_and_nothing_else(void **state)
{
	struct pollfd end = {.events = POLLIN};
	int inherited = open("/etc/passwd", O_RDONLY); /* as from a shell: not close-on-exec */

	run("look() { readlink /proc/self/fd/*; echo; }; say 9");
	end.fd = fds[0];
	/* QEMU's end of it sees that the other one is gone. */
	assert_int_equal(poll(&end, 1, 10000), 1);
	assert_true(end.revents & (POLLHUP | POLLIN | POLLERR));
	assert_said(" socket:");
	assert_null(strstr(strstr(said(), " socket:") + 2, "socket:"));
	assert_null(strstr(said(), "anon_inode"));
	assert_null(strstr(said(), "passwd"));
	close(inherited);
}

/* Of the host's processes it sees none (trixie's virtiofsd asks /proc by the numbers it knows). */
static void only_its_own_processes(void **state)
{
	run("look() { cat /proc/1/comm; [ -e /proc/self ] && echo /proc/[0-9]*; }; say 9");
	assert_said("ended with 9: virtiofsd /proc/1 ");
	assert_null(strstr(said(), "/proc/1000"));
}

static void read_only_is_not_the_guests_to_change(void **state)
{
	share.read_only = true;
	run("look() { echo x > \"$source/ro\"; ls -d \"$source\"; }; say 9");
	assert_false(exists("ro"));
	assert_said("ended with 9: ");
	assert_said("Read-only file system");
}

/* The folder's own mounts are part of it, and just as read-only. */
static void read_only_goes_all_the_way_down(void **state)
{
	char inner[400], file[500];

	snprintf(inner, sizeof(inner), "%s/inner", host);
	mkdir(inner, 0755);
	assert_int_equal(mount("tmpfs", inner, "tmpfs", 0, NULL), 0);
	snprintf(file, sizeof(file), "%s/below", inner);
	assert_int_equal(mkdir(file, 0755), 0);
	share.read_only = true;
	run("look() { echo x > \"$source/inner/ro\"; ls \"$source/inner\"; }; say 9");
	assert_said("Read-only file system");
	assert_said(" below ");
	assert_false(exists("inner/ro"));
	assert_int_equal(umount(inner), 0);
}

static void make_file(char path[400], const char *name)
{
	FILE *file;

	snprintf(path, 400, "%s/%s", host, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs("text\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void a_file_and_nothing_beside_it(void **state)
{
	char path[400];

	make_file(path, "secret");
	make_file(path, "shown");
	share.host = path;
	share.file = true;
	run("look() { echo x >> \"$source/file\"; cp \"$source/file\" \"$source/new\"; "
	    "ls -A \"$source\"; cat \"$source/file\"; }; say 9");
	assert_said("ended with 9: ");
	assert_said("Read-only file system");
	assert_said(" file text x ");
	/* The same, not to be written. */
	vm_shares_release(&shares);
	close_fds();
	endings = 0;
	share.read_only = true;
	run("look() { echo x >> \"$source/file\"; cat \"$source/file\"; }; say 9");
	assert_said("Read-only file system");
	assert_said(" text x ");
}

/* ---- an ordinary user ---------------------------------------------------------------------------
 */

/* In a child that becomes one, supplementary groups as a login has them; its exit code says all. */
static void as_a_user(const char *text, void (*job)(void))
{
	const gid_t groups[] = {USER + 1, 27, 100};
	int status;
	pid_t pid;

	assert_int_equal(chown(folder, USER, USER + 1), 0);
	chmod(host, 0777);
	program(text);
	pid = fork();
	if (pid == 0) {
		child_reaper_release();
		event_loop_free(loop);
		if (setgroups(3, groups) < 0 || setresgid(USER + 1, USER + 1, USER + 1) < 0 ||
			setresuid(USER, USER, USER) < 0)
			_exit(101);
		loop = event_loop_new();
		if (child_reaper_init(loop) < 0)
			_exit(102);
		config.share_uid = 77;
		config.share_gid = 78;
		job();
		vm_shares_release(&shares);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void look_at_ids(void)
{
	run("");
	if (strstr(said(), "ended with 9: 77:78 77:78") == NULL) {
		fprintf(stderr, "# said: %s\n", said());
		_exit(1);
	}
}

/* Becoming somebody else and leaving groups does nothing, and is no error. */
static void an_ordinary_user_stays_himself(void **state)
{
	char path[400];
	struct stat st;

	as_a_user(
		"look() { echo x > \"$source/of-user\"; chmod 4750 \"$source/of-user\"; "
		"echo $(stat -c %u:%g \"$source/of-user\") "
		"$(setpriv --reuid 5 --regid 6 --clear-groups sh -c 'echo $(id -u):$(id -g)'); }; "
		"say 9",
		look_at_ids);
	snprintf(path, sizeof(path), "%s/of-user", host);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, USER);
	assert_int_equal(st.st_gid, USER + 1);
	assert_int_equal(st.st_mode, S_IFREG | 04750);
	assert_int_equal(unlink(path), 0);
}

static void look_at_rights(void)
{
	share.read_only = true;
	run("");
	if (!strstr(said(), "ended with 9: ") || !strstr(said(), "Permission denied") ||
		!strstr(said(), "Read-only file system") || !strstr(said(), " powerful")) {
		fprintf(stderr, "# said: %s\n", said());
		_exit(1);
	}
}

/* Powers over his own namespaces (virtiofsd makes its sandbox with them), none over others' files.
 */
static void an_ordinary_user_gains_nothing(void **state)
{
	as_a_user("look() { cat /etc/shadow; echo x > \"$source/ro\"; "
		  "unshare --mount echo powerful; }; say 9",
		look_at_rights);
	assert_false(exists("ro"));
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static bool anybody_runs(const char *marker)
{
	char command[200];

	snprintf(command, sizeof(command), "pgrep -f '^sleep %s$' > /dev/null", marker);
	return system(command) == 0;
}

static void await_run(const char *marker, bool wanted)
{
	for (int i = 0; i < 300 && anybody_runs(marker) != wanted; i++)
		usleep(50000);
	assert_int_equal(anybody_runs(marker), wanted);
}

static void released_with_all_its_children(void **state)
{
	char marker[32];

	snprintf(marker, sizeof(marker), "60.1%d", (int)getpid());
	setenv("MARKER", marker, 1);
	program("setsid sleep $MARKER & trap '' TERM; sleep $MARKER");
	start();
	await_run(marker, true);
	vm_shares_release(&shares);
	assert_false(anybody_runs(marker));
	assert_int_equal(endings, 0);
}

static void gone_when_we_are_killed(void **state)
{
	char marker[32];
	int status;
	pid_t pid;

	snprintf(marker, sizeof(marker), "60.2%d", (int)getpid());
	setenv("MARKER", marker, 1);
	program("setsid sleep $MARKER & trap '' TERM HUP; sleep $MARKER");
	pid = fork();
	if (pid == 0) {
		child_reaper_release();
		child_reaper_init(loop);
		start();
		pause();
	}
	await_run(marker, true);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	await_run(marker, false);
}

/* Nobody hears of it before QEMU: a program that ended well had QEMU's hang-up for a reason. */
static void a_good_end_explains_nothing(void **state)
{
	struct failure failure = {0};

	run("exit 0");
	assert_false(vm_shares_explain(&shares, &failure));
	assert_int_equal(failure.exit_code, 0);
}

static void the_first_end_is_told_once(void **state)
{
	struct vm_share two[2] = {share, share};

	config.shares = two;
	config.share_count = 2;
	run("echo virtio_loop: Entry; exit 4");
	assert_said("ended with 4");
	assert_null(strstr(said(), "virtio_loop"));
	vm_shares_release(&shares);
	assert_int_equal(endings, 1);
}

static void what_cannot_start(void **state)
{
	config.virtiofsd = "/nonexistent/virtiofsd";
	assert_int_equal(vm_shares_start(&shares, loop, &config, folder, fds, &err), -ENOENT);
	assert_non_null(strstr(err.text, "a,b c"));
	assert_non_null(strstr(err.text, "/nonexistent/virtiofsd"));
	vm_shares_release(&shares);
	/* It went between being looked at and being opened: said by the child. */
	config.virtiofsd = script;
	share.host = "/nonexistent/folder";
	run("exit 0");
	assert_said("open /nonexistent/folder: ENOENT");
	assert_said("ended with 125");
}

static int own_mount_namespace(void **state)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
		       ? 0
		       : -1;
}

#define SHARES_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
static const struct CMUnitTest tests[] = {
	SHARES_TEST(the_folder_wherever_it_is),
	SHARES_TEST(sockets_and_nothing_else),
	SHARES_TEST(only_its_own_processes),
	SHARES_TEST(read_only_is_not_the_guests_to_change),
	SHARES_TEST(read_only_goes_all_the_way_down),
	SHARES_TEST(a_file_and_nothing_beside_it),
	SHARES_TEST(an_ordinary_user_stays_himself),
	SHARES_TEST(an_ordinary_user_gains_nothing),
	SHARES_TEST(released_with_all_its_children),
	SHARES_TEST(gone_when_we_are_killed),
	SHARES_TEST(a_good_end_explains_nothing),
	SHARES_TEST(the_first_end_is_told_once),
	SHARES_TEST(what_cannot_start),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, own_mount_namespace, NULL);
}
