/* run_options: what is taken, what is refused, and with which words. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_table.h"
#include "lib/test_main.h"
#include "run/run_options.h"

#define WORDS_MAX 64

static struct run_options got;
static char said[2048];

/* Splits at blanks; stderr goes to said. */
static int parse(const char *line)
{
	static char copy[1024];
	static char *argv[WORDS_MAX + 1];
	char *save = NULL;
	int argc = 1, saved = dup(2), fds[2], code;
	ssize_t n;

	memset(argv, 0, sizeof(argv));
	argv[0] = (char *)"run";
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word && argc < WORDS_MAX;
		word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], 2);
	code = run_options_parse(argc, argv, &got);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	return code;
}

static void strcat_bounded(char line[1024], const char *more)
{
	size_t len = strlen(line);

	snprintf(line + len, 1024 - len, "%s", more);
}

static void takes_volumes(void **state)
{
	char line[1024] = "--rootfs r";

	assert_int_equal(parse("--rootfs r -v /a:b:/c:ro --volume d/e:/f -- sh -v"), 0);
	assert_int_equal(got.volume_count, 2);
	assert_string_equal(got.volumes[0].host, "/a:b");
	assert_string_equal(got.volumes[0].guest, "/c");
	assert_true(got.volumes[0].read_only);
	assert_string_equal(got.volumes[1].host, "d/e");
	assert_string_equal(got.volumes[1].guest, "/f");
	assert_false(got.volumes[1].read_only);
	assert_int_equal(parse("--rootfs r -v /a:/b:rw"), 0);
	assert_string_equal(got.volumes[0].guest, "/b");
	for (unsigned i = 0; i < VOLUMES_MAX; i++)
		strcat_bounded(line, " -v /a:/b");
	assert_int_equal(parse(line), 0);
	strcat_bounded(line, " -v /a:/b");
	assert_int_equal(parse(line), EXIT_CRADLE_FAILED);
	assert_non_null(strstr(said, "more than 16 times --volume"));
}

static void refuses_volumes(void **state)
{
	static const struct {
		const char *volume, *naming;
	} rows[] = {
		{"/a", "'/a': HOST:GUEST[:ro] has two paths"},
		{"/a:ro", "'/a:ro': HOST:GUEST[:ro] has two paths"},
		{":/b", "has two paths"},
		{"/a:", "has two paths"},
		{"/a:b", "'b' is no absolute path"},
		{"/a:/b:rx", "'rx' is no absolute path"},
		{"/a:/b/../c", "'/b/../c' has a '..'"},
		{"/a:/", "'/' is the container's root"},
		{"/a://./", "is the container's root"},
		{"/a:/caf\xe9", "not UTF-8"},
	};
	char line[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "--rootfs r -v %s", rows[i].volume);
		assert_int_equal(parse(line), EXIT_CRADLE_FAILED);
		if (!strstr(said, rows[i].naming) || !strstr(said, "--volume"))
			fail_msg("%s: %s", rows[i].volume, said);
	}
	assert_int_equal(parse("--hold --listen s -v /a:/b"), EXIT_CRADLE_FAILED);
	assert_non_null(strstr(said, "--volume has no place there"));
}

static void takes_all_of_it(void **state)
{
	assert_int_equal(
		parse("--memory 64M --cpus 1.5 --env A=1 -e B=2 --workdir /tmp --user web:5 -i "
		      "--explain --arch ppc64le --accel tcg --kernel k --initrd i --listen s "
		      "--name n1 "
		      "--rootfs r --stats -- cmd -i --memory"),
		0);
	assert_int_equal(got.vm.memory_bytes, 64 << 20);
	assert_int_equal(got.vm.cpus_micro, 1500000);
	assert_int_equal(got.env_count, 2);
	assert_string_equal(got.env[1], "B=2");
	assert_string_equal(got.workdir, "/tmp");
	assert_string_equal(got.user, "web:5");
	assert_true(got.interactive && got.vm.explain && got.stats);
	assert_int_equal(got.vm.accel, VM_ACCEL_TCG);
	assert_string_equal(got.vm.arch, "ppc64le");
	assert_string_equal(got.vm.kernel, "k");
	assert_string_equal(got.vm.initrd, "i");
	assert_string_equal(got.listen, "s");
	assert_string_equal(got.name, "n1");
	assert_string_equal(got.rootfs, "r");
	assert_int_equal(got.arg_count, 3);
	assert_string_equal(got.args[1], "-i");
}

static void times(void **state)
{
	assert_int_equal(parse("--timeout 30s --rootfs r"), 0);
	assert_int_equal(got.timeout_ms, 30000);
	assert_string_equal(got.timeout_text, "30s");
	assert_int_equal(parse("--timeout 500ms --rootfs r"), 0);
	assert_int_equal(got.timeout_ms, 500);
	assert_int_equal(parse("--timeout 720h --rootfs r"), 0);
	assert_int_equal(got.timeout_ms, 720ull * 3600 * 1000);
	assert_int_equal(parse("--timeout 5 --rootfs r"), 0);
	assert_int_equal(got.timeout_ms, 5000);
}

static void networks(void **state)
{
	assert_int_equal(parse("--rootfs r"), 0);
	assert_int_equal(got.vm.net, VM_NET_NONE);
	assert_int_equal(parse("--net user --rootfs r"), 0);
	assert_int_equal(got.vm.net, VM_NET_USER);
	assert_int_equal(parse("--net user --net none --hold --listen s"), 0);
	assert_int_equal(got.vm.net, VM_NET_NONE);
}

static void a_terminal(void **state)
{
	assert_int_equal(parse("--rootfs r"), 0);
	assert_false(got.tty);
	assert_int_equal(parse("-it --rootfs r"), 0);
	assert_true(got.tty && got.interactive);
	assert_int_equal(parse("--tty --rootfs r"), 0);
	assert_true(got.tty && !got.interactive);
}

static void stops_at_the_command(void **state)
{
	assert_int_equal(parse("--rootfs r ls --memory -x"), 0);
	assert_int_equal(got.arg_count, 3);
	assert_string_equal(got.args[1], "--memory");
	assert_int_equal(got.vm.memory_bytes, 0);
}

static void refuse(const char *line, const char *naming)
{
	assert_int_equal(parse(line), EXIT_CRADLE_FAILED);
	if (!strstr(said, naming))
		fail_msg("'%s' said: %s", line, said);
}

static void names_what_is_wrong(void **state)
{
	refuse("--memroy 64M --rootfs r", "did you mean '--memory'?");
	refuse("--rootsf=r", "'--rootsf'; did you mean '--rootfs'?");
	refuse("--rootfs r -x", "'-x'");
	refuse("--rootfs", "--rootfs needs a value");
	refuse("--memory 64Q --rootfs r", "--memory '64Q'");
	refuse("--memory 0 --rootfs r", "--memory '0'");
	refuse("--memory -5M --rootfs r", "--memory '-5M'");
	refuse("--cpus 0 --rootfs r", "--cpus '0'");
	refuse("--cpus two --rootfs r", "--cpus 'two'");
	refuse("--accel hvf --rootfs r", "--accel 'hvf'");
	refuse("--arch s390 --rootfs r", "--arch 's390' is not one of x86_64, s390x, ");
	refuse("--net usr --rootfs r", "--net 'usr' is not none or user; did you mean 'user'?");
	refuse("--net bridge --rootfs r", "--net 'bridge' is not none or user");
	refuse("--env FOO --rootfs r", "--env 'FOO'");
	refuse("--env =1 --rootfs r", "--env '=1'");
	refuse("--boot-timeout 0 --rootfs r", "--boot-timeout '0'");
	refuse("--agent-timeout x --rootfs r", "--agent-timeout 'x'");
	refuse("--agent-timeout 86401 --rootfs r", "--agent-timeout '86401'");
	refuse("--timeout 30x --rootfs r", "--timeout '30x'");
	refuse("--timeout s --rootfs r", "--timeout 's'");
	refuse("--timeout 0 --rootfs r", "--timeout '0'");
	refuse("--timeout -1s --rootfs r", "--timeout '-1s'");
	refuse("--timeout 721h --rootfs r", "at most 720h");
	refuse("--timeout 99999999999999999999 --rootfs r", "--timeout");
	refuse("--hold --listen s --timeout 5s", "--timeout limits a container");
	refuse("--hold --listen s --bundle b", "--bundle has no place");
	refuse("--json --rootfs r", "--timing");
	refuse("", "--bundle (an OCI bundle) is missing");
	refuse("--hold", "--hold needs --listen");
	refuse("--hold --listen s cmd", "'cmd' is one word too many");
}

static void hold_needs_no_rootfs(void **state)
{
	assert_int_equal(parse("--hold --listen s"), 0);
	assert_true(got.hold);
	assert_int_equal(parse("--help --rootfs"), EXIT_CRADLE_FAILED);
	assert_int_equal(parse("--help"), 0);
	assert_true(got.help);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(takes_all_of_it),
	cmocka_unit_test(takes_volumes),
	cmocka_unit_test(refuses_volumes),
	cmocka_unit_test(times),
	cmocka_unit_test(networks),
	cmocka_unit_test(a_terminal),
	cmocka_unit_test(stops_at_the_command),
	cmocka_unit_test(names_what_is_wrong),
	cmocka_unit_test(hold_needs_no_rootfs),
};

TEST_MAIN(tests)
