/*
 * CreateSandbox.kernel_modules: what modprobe is asked, and what its failure says. A modprobe of
 * the test's own, on a tmpfs over the folder of the real one, in the agent's mount namespace only.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct agent agent;
static char *parameters[] = {(char *)"a=1", (char *)"b=two words"};
static Grpc__KernelModule modules[2], *list[] = {&modules[0], &modules[1]};
static Grpc__CreateSandboxRequest request;

static int setup(void **state)
{
	agent_start(&agent);
	grpc__create_sandbox_request__init(&request);
	for (size_t i = 0; i < 2; i++)
		grpc__kernel_module__init(&modules[i]);
	modules[0].name = (char *)"first";
	modules[0].parameters = parameters;
	modules[0].n_parameters = 2;
	modules[1].name = (char *)"second";
	request.kernel_modules = list;
	request.n_kernel_modules = 2;
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* script NULL: there is none. */
static void put_modprobe(const char *script)
{
	char command[800], text[400];

	str_format(text, sizeof(text), "#!/bin/sh\n%s\n", script ? script : "");
	str_format(command, sizeof(command),
		"nsenter -t %d -m sh -c 'd=$(readlink -f /sbin) && mount -t tmpfs tmpfs $d && "
		"{ [ %d = 0 ] || install -m 755 %s $d/modprobe; }'",
		(int)agent.pid, script != NULL, scratch_file("modprobe", text));
	assert_int_equal(system(command), 0);
}

static void test_refused(void **state)
{
	put_modprobe("exit 0");
	modules[0].name = (char *)"-r";
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INVALID_ARGUMENT,
		"kernel_modules[0]: '-r' is no module's name");
	modules[0].name = (char *)"";
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INVALID_ARGUMENT,
		"kernel_modules[0]: '' is no module's name");
	modules[0].name = (char *)"first";
	parameters[0] = (char *)"--remove";
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INVALID_ARGUMENT,
		"first: '--remove' is no parameter");
	parameters[0] = (char *)"a=1";
	put_modprobe(NULL);
	agent_fails(&agent, "CreateSandbox", &request, STATUS_FAILED_PRECONDITION,
		"this guest has no /sbin/modprobe");
}

static void test_failure_and_success(void **state)
{
	char script[300], text[500] = "";

	put_modprobe("echo \"FATAL: Module $3 not found.\" >&2; exit 1");
	agent_fails(&agent, "CreateSandbox", &request, STATUS_INTERNAL,
		"kernel_modules[0]: /sbin/modprobe first: exit code 1: FATAL: Module first not "
		"found.");
	/* nothing of it stays: it may be sent again */
	str_format(script, sizeof(script), "for a; do echo \"[$a]\"; done >> %s",
		scratch_path("asked"));
	put_modprobe(script);
	agent_ok(&agent, "CreateSandbox", &request);
	file_read(scratch_path("asked"), text, sizeof(text));
	assert_string_equal(
		text, "[-v]\n[--]\n[first]\n[a=1]\n[b=two words]\n[-v]\n[--]\n[second]\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_failure_and_success),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
