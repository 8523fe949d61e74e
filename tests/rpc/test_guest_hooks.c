/* c13: guest hooks (CreateSandbox.guest_hook_path) run beside the spec's own, each at its moment.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;

static void guest_hook(const char *name, const char *script, mode_t mode)
{
	char text[400];
	const char *path;

	str_format(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	path = scratch_file(name, text);
	assert_int_equal(chmod(path, mode), 0);
}

static void order_hook(const char *name, mode_t mode)
{
	char script[300];

	str_format(
		script, sizeof(script), "echo \"guest ${0##*/} $1\" >> %s", scratch_path("order"));
	guest_hook(name, script, mode);
}

static int setup(void **state)
{
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char path[300];

	order_hook("hooks/prestart/20-b", 0755);
	order_hook("hooks/prestart/10-a", 0755);
	order_hook("hooks/prestart/30-not-executable", 0644);
	assert_int_equal(symlink("10-a", scratch_path("hooks/prestart/40-link")), 0);
	order_hook("hooks/poststop/last", 0755);
	agent_start(&agent);
	request.guest_hook_path = (char *)"relative";
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INVALID_ARGUMENT,
		"guest_hook_path 'relative' is not absolute");
	str_copy(path, sizeof(path), scratch_path("hooks"));
	request.guest_hook_path = path;
	agent_ok(&agent, "CreateSandbox", &request);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void expect_order(const char *expected)
{
	char text[2000] = "";

	file_read(scratch_path("order"), text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_c13_guest_hooks(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	Grpc__Hook hook = GRPC__HOOK__INIT, *list[] = {&hook};
	char script[300];
	char *args[] = {(char *)"sh", (char *)"-c", script};
	struct agent_census before;
	struct test_container c;

	container_whole(&agent, "warm", "true", NULL);
	unlink(scratch_path("order"));
	before = agent_census(&agent);
	container_fill(&c, &agent, "both", argv);
	str_format(script, sizeof(script), "echo own >> %s", scratch_path("order"));
	hook.path = (char *)"/bin/sh";
	hook.args = args;
	hook.n_args = 3;
	hooks.prestart = list;
	hooks.n_prestart = 1;
	c.spec.hooks = &hooks;
	container_send(&agent, &c);
	expect_order("own\nguest 10-a prestart\nguest 20-b prestart\n");
	container_start_id(&agent, "both"); /* there is no directory poststart: fine */
	expect_order("own\nguest 10-a prestart\nguest 20-b prestart\n");
	container_remove_id(&agent, "both");
	expect_order("own\nguest 10-a prestart\nguest 20-b prestart\nguest last poststop\n");
	agent_assert_census(&agent, &before);
}

static void test_failure(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct test_container c;

	guest_hook("hooks/prestart/50-fails", "echo no such GPU; exit 1", 0755);
	container_fill(&c, &agent, "fails", argv);
	agent_fails(&agent, "CreateContainer", &c.request, STATUS_INTERNAL,
		"50-fails: exit code 1: no such GPU");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_c13_guest_hooks),
	cmocka_unit_test(test_failure),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
