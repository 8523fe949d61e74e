/* vm_store: names, a folder that is ours alone, and who keeps a VM. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vms/vm_store.h"

static struct vm_store open_store(const char *name)
{
	struct vm_store store;
	struct error err = ERROR_INIT;

	setenv("CRADLE_STATE", scratch_path("%s", name), 1);
	if (vm_store_open(&store, &err) < 0)
		fail_msg("%s", err.text);
	return store;
}

static void names(void **state)
{
	assert_true(vm_name_valid("a"));
	assert_true(vm_name_valid("web-1_x.y"));
	assert_true(vm_name_valid("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(vm_name_valid("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(vm_name_valid(""));
	assert_false(vm_name_valid(".."));
	assert_false(vm_name_valid("-x"));
	assert_false(vm_name_valid("a/b"));
	assert_false(vm_name_valid("a\nb"));
	assert_false(vm_name_valid("\xc3\xa4"));
}

static void refuse_store(const char *naming)
{
	struct vm_store store;
	struct error err = ERROR_INIT;

	assert_true(vm_store_open(&store, &err) < 0);
	assert_int_equal(store.lock_fd, -1);
	if (!strstr(err.text, naming))
		fail_msg("'%s' is not in: %s", naming, err.text);
}

static void the_folder_is_ours_alone(void **state)
{
	struct vm_store store = open_store("ours");
	struct stat st;
	int fds = test_count_fds();

	assert_int_equal(stat(store.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	vm_store_close(&store);
	chmod(scratch_path("ours"), 0755);
	refuse_store("open to others");
	chmod(scratch_path("ours"), 0700);
	if (geteuid() == 0) {
		assert_int_equal(chown(scratch_path("ours"), 65534, 65534), 0);
		refuse_store("belongs to user 65534");
	}
	assert_int_equal(symlink(scratch_mkdir("elsewhere"), scratch_path("link")), 0);
	setenv("CRADLE_STATE", scratch_path("link"), 1);
	refuse_store("link");
	setenv("CRADLE_STATE", "relative", 1);
	refuse_store("not absolute");
	setenv("CRADLE_STATE", "/a-name-that-leaves-no-room-for-the-path-of-a-socket-below-it", 1);
	refuse_store("longer than");
	assert_int_equal(test_count_fds(), fds - 1);
}

/* A process that keeps the entry until its standard input ends; returns when it has the lock. */
static pid_t keeper_of(struct vm_entry *entry, int *hold)
{
	int ready[2], stay[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stay), 0);
	pid = fork();
	if (pid == 0) {
		close(stay[1]);
		byte = vm_entry_keep(entry) == 0 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) != 1 || read(stay[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(stay[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	close(ready[0]);
	*hold = stay[1];
	return pid;
}

static void the_lock_says_who_lives(void **state)
{
	struct vm_store store = open_store("living");
	struct vm_entry entry, again, other;
	struct error err = ERROR_INIT;
	int hold, pidfd;
	pid_t pid;

	assert_int_equal(vm_entry_create(&store, "a", &entry, &err), 0);
	assert_int_equal(vm_entry_keeper(&entry), 0);
	assert_int_equal(vm_entry_keeper_fd(&entry), -ESRCH);
	pid = keeper_of(&entry, &hold);
	assert_int_equal(vm_entry_open(&store, "a", &again, &err), 0);
	assert_int_equal(vm_entry_keeper(&again), pid);
	pidfd = vm_entry_keeper_fd(&again);
	assert_true(pidfd >= 0);
	/* taken: refused by name, and left alone */
	assert_true(vm_entry_create(&store, "a", &other, &err) < 0);
	assert_non_null(strstr(err.text, "a VM 'a' already"));
	assert_true(file_exists(scratch_path("living/a/lock")));
	/* only the holder's end counts, not what a file says */
	close(hold);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0), 1);
	assert_int_equal(vm_entry_keeper(&again), 0);
	close(pidfd);
	vm_entry_close(&again);
	vm_entry_close(&entry);
	/* dead: its name is free, and nothing of it stays */
	scratch_file("living/a/vm.json", "{}");
	assert_int_equal(vm_entry_create(&store, "a", &entry, &err), 0);
	assert_false(file_exists(scratch_path("living/a/vm.json")));
	assert_int_equal(vm_entry_remove(&entry), 0);
	vm_entry_close(&entry);
	assert_int_equal(vm_entry_open(&store, "a", &entry, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no VM 'a'"));
	vm_store_close(&store);
}

/* Its keeper died, somebody else started a VM of that name, and only then the first cleans up. */
static void a_younger_vm_of_that_name_is_left_alone(void **state)
{
	struct vm_store store = open_store("again");
	struct vm_entry old, young;
	struct error err = ERROR_INIT;

	assert_int_equal(vm_entry_create(&store, "a", &old, &err), 0);
	assert_int_equal(vm_entry_create(&store, "a", &young, &err), 0);
	scratch_file("again/a/vm.json", "{}");
	assert_int_equal(vm_entry_remove(&old), 0);
	assert_true(file_exists(scratch_path("again/a/vm.json")));
	assert_true(file_exists(scratch_path("again/a/lock")));
	assert_int_equal(vm_entry_remove(&young), 0);
	assert_false(file_exists(scratch_path("again/a")));
	/* nothing stands there: nothing to do */
	assert_int_equal(vm_entry_remove(&young), 0);
	vm_entry_close(&old);
	vm_entry_close(&young);
	vm_store_close(&store);
}

static void collect(const char *name, void *context)
{
	strcat(context, name);
	strcat(context, " ");
}

static void strange_things_in_the_folder(void **state)
{
	struct vm_store store = open_store("strange");
	struct vm_entry entry;
	struct error err = ERROR_INIT;
	char found[200] = "";

	scratch_mkdir("strange/.hidden");
	scratch_mkdir("strange/not a name");
	assert_int_equal(vm_entry_create(&store, "b", &entry, &err), 0);
	vm_entry_close(&entry);
	assert_int_equal(vm_entry_create(&store, "a", &entry, &err), 0);
	vm_entry_close(&entry);
	assert_int_equal(vm_store_for_each(&store, collect, found, &err), 0);
	assert_string_equal(found, "a b ");
	/* a link to somewhere is no entry, and what it points to stays */
	scratch_file("victim/file", "x");
	assert_int_equal(symlink(scratch_path("victim"), scratch_path("strange/link")), 0);
	assert_true(vm_entry_open(&store, "link", &entry, &err) < 0);
	assert_true(vm_entry_create(&store, "link", &entry, &err) < 0);
	assert_true(file_exists(scratch_path("victim/file")));
	/* a pipe as its lock file does not make us wait */
	unlink(scratch_path("strange/a/lock"));
	mkfifo(scratch_path("strange/a/lock"), 0600);
	if (vm_entry_open(&store, "a", &entry, &err) == 0) {
		assert_int_equal(vm_entry_keeper(&entry), 0);
		vm_entry_close(&entry);
	}
	chmod(scratch_path("strange/b"), 0777);
	assert_true(vm_entry_open(&store, "b", &entry, &err) < 0);
	assert_non_null(strstr(err.text, "open to others"));
	vm_store_close(&store);
}

static void two_at_once_meet_at_the_lock(void **state)
{
	struct vm_store store = open_store("two");
	struct error err = ERROR_INIT;
	int ready[2];
	int status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(vm_store_lock(&store, &err), 0);
	pid = fork();
	if (pid == 0) {
		struct vm_store own;

		if (vm_store_open(&own, NULL) < 0 || write(ready[1], "r", 1) != 1 ||
			vm_store_lock(&own, NULL) < 0)
			_exit(1);
		/* the other made it before it let go */
		_exit(file_exists(scratch_path("two/made")) ? 0 : 2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	scratch_file("two/made", "");
	vm_store_unlock(&store);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	vm_store_close(&store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names),
	cmocka_unit_test(the_folder_is_ours_alone),
	cmocka_unit_test(the_lock_says_who_lives),
	cmocka_unit_test(a_younger_vm_of_that_name_is_left_alone),
	cmocka_unit_test(strange_things_in_the_folder),
	cmocka_unit_test(two_at_once_meet_at_the_lock),
};

TEST_MAIN(tests)
