/* private_folder: made, held, gone; leftovers of the dead go, the living keep theirs. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vm/private_folder.h"

static int set_up(void **state)
{
	return setenv("XDG_RUNTIME_DIR", scratch_dir(), 1);
}

static struct private_folder make(void)
{
	struct private_folder folder;
	struct error err = ERROR_INIT;

	assert_int_equal(private_folder_make(&folder, &err), 0);
	return folder;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void two_living_ones_keep_theirs(void **state)
{
	struct private_folder a = make(), b = make();
	struct stat st;

	assert_string_not_equal(a.path, b.path);
	assert_true(str_starts(a.path, scratch_dir()));
	assert_int_equal(stat(a.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_true(is_there(b.path));
	private_folder_remove(&a);
	private_folder_remove(&a);
	private_folder_remove(&b);
}

static void what_a_killed_one_left_goes(void **state)
{
	struct private_folder mine;
	char left[PRIVATE_FOLDER_MAX];
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct private_folder folder = make();

		if (write(fds[1], folder.path, sizeof(folder.path)) < 0)
			_exit(1);
		pause();
	}
	assert_int_equal(read(fds[0], left, sizeof(left)), sizeof(left));
	mine = make();
	assert_true(is_there(left)); /* it lives */
	private_folder_remove(&mine);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	mine = make();
	assert_false(is_there(left));
	private_folder_remove(&mine);
	close(fds[0]);
	close(fds[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(two_living_ones_keep_theirs, set_up),
	cmocka_unit_test_setup(what_a_killed_one_left_goes, set_up),
};

TEST_MAIN(tests)
