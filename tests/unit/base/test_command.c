/* command.c: exit codes, output, deadline, descriptors, environment. */
#include "base/command.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/test_main.h"

static struct error err;

static int run(const char *script, unsigned timeout_s, struct command *c)
{
	static char *args[4], *env[] = {(char *)"PATH=/bin:/usr/bin", (char *)"A=b c", NULL};

	args[0] = (char *)"name";
	args[1] = (char *)"-c";
	args[2] = (char *)script;
	*c = (struct command){"/bin/sh", args, env, -1, timeout_s, ""};
	err = (struct error)ERROR_INIT;
	return command_run(c, &err);
}

static void test_success_and_output(void **state)
{
	struct command c;
	int fds = test_count_fds();

	assert_int_equal(run("echo one; printf '\\033two\\n' >&2", 10, &c), 0);
	assert_string_equal(c.output, "one  two");
	assert_int_equal(run("echo $0 \"$A\" $HOME; cat", 10, &c), 0);
	assert_string_equal(c.output, "name b c");
	/* the end of much */
	assert_int_equal(run("head -c 300000 /dev/zero | tr '\\0' x; echo end", 10, &c), 0);
	assert_int_equal(strlen(c.output), sizeof(c.output) - 2);
	assert_string_equal(c.output + strlen(c.output) - 4, "xend");
	assert_int_equal(test_count_fds(), fds);
}

static void test_failures(void **state)
{
	struct command c;

	assert_true(run("echo why; exit 3", 10, &c) < 0);
	assert_string_equal(err.text, "exit code 3: why");
	assert_true(run("kill -9 $$", 10, &c) < 0);
	assert_string_equal(err.text, "killed by signal 9");
	assert_true(run("echo on; sleep 100", 1, &c) < 0);
	assert_string_equal(err.text, "killed after 1 s: on");
	c.path = "/no/such/file";
	assert_true(command_run(&c, &err) < 0);
	assert_string_equal(err.text, "exit code 127: ENOENT");
}

/* The end is the exit, not the end of the output, in both directions (c48). */
static void test_end(void **state)
{
	struct command c;

	assert_int_equal(run("sleep 50 & exit 0", 20, &c), 0);
	assert_true(run("exec >&- 2>&-; sleep 0.2; exit 4", 20, &c) < 0);
	assert_string_equal(err.text, "exit code 4");
}

static void test_descriptors(void **state)
{
	struct command c;
	int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */

	assert_true(extra > 2);
	assert_int_equal(run("ls /proc/self/fd | tr -d '\\n'", 10, &c), 0);
	assert_string_equal(c.output, "0123"); /* 3: the directory */
	close(extra);
	c.input = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	((char **)c.args)[2] = (char *)"read line; echo ${line%%:*}";
	assert_int_equal(command_run(&c, &err), 0);
	assert_string_equal(c.output, "root");
	close(c.input);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_success_and_output),
	cmocka_unit_test(test_failures),
	cmocka_unit_test(test_end),
	cmocka_unit_test(test_descriptors),
};

TEST_MAIN(tests)
