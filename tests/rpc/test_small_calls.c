/*
 * GetDiagnosticData, RemoveStaleVirtiofsShareMounts, and what is answered without doing anything:
 * SetPolicy, the empty OnlineCPUMem and UpdateEphemeralMounts.
 */
#define TEST_TIMEOUT 120
#include "lib/agent_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "lib/dead_share.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define SHARED "/run/kata-containers/shared/containers"

static struct agent agent;
static struct agent_census before;

static int setup(void **state)
{
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* ---- GetDiagnosticData ---- */

static Grpc__Spec__AnnotationsEntry log_path = {
	.base = PROTOBUF_C_MESSAGE_INIT(&grpc__spec__annotations_entry__descriptor),
	.key = (char *)"io.kubernetes.container.terminationMessagePath",
	.value = (char *)"/log"};
static Grpc__Spec__AnnotationsEntry *annotations[] = {&log_path};

/* A created container whose /log is the file `source` of the guest; nothing need be there. */
static void create_with_log(struct test_container *c, const char *id, const char *source)
{
	static const char *const argv[] = {"sh", "-c", "echo why > /log", NULL};

	container_fill(c, &agent, id, argv);
	c->spec.annotations = annotations;
	c->spec.n_annotations = 1;
	grpc__mount__init(&c->mounts[3]);
	c->mounts[3].destination = (char *)"/log";
	c->mounts[3].type = (char *)"bind";
	c->mounts[3].source = (char *)source;
	c->options[3][0] = (char *)"bind";
	c->mounts[3].options = c->options[3];
	c->mounts[3].n_options = 1;
	c->mount_list[3] = &c->mounts[3];
	c->spec.n_mounts = 4;
	container_send(&agent, c);
}

static Grpc__GetDiagnosticDataRequest log_request(const char *id)
{
	Grpc__GetDiagnosticDataRequest request = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;

	request.log_type = (char *)"termination_log";
	request.container_id = (char *)id;
	return request;
}

static void expect_log(const char *id, const char *want)
{
	Grpc__GetDiagnosticDataRequest request = log_request(id);
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	if (agent_call(&agent, &call, "GetDiagnosticData", &request, &err) != 0)
		fail_msg("GetDiagnosticData: code %d: %s", err.status, err.text);
	assert_string_equal(((Grpc__GetDiagnosticDataResponse *)call.response)->data, want);
	client_call_release(&call);
}

/* What the process wrote, after its exit, until it is removed. */
static void test_termination_log(void **state)
{
	const char *source = scratch_file("log", "");
	struct test_container c;

	create_with_log(&c, "told", source);
	expect_log("told", "");
	container_start_id(&agent, "told");
	assert_int_equal(container_wait(&agent, "told", ""), 0);
	expect_log("told", "why\n");
	container_remove_id(&agent, "told");
	agent_assert_census(&agent, &before);
}

/* c34: the workload owns the file. At most 4096 bytes of it, and only text. */
static void test_c34_hostile_termination_log(void **state)
{
	char source[300], target[300], expected[4097];
	Grpc__GetDiagnosticDataRequest request = log_request("hostile");
	struct test_container c;
	FILE *f;

	str_copy(source, sizeof(source),
		scratch_file("hostile", "a\xff"
					"b"));
	create_with_log(&c, "hostile", source);
	expect_log("hostile", "a\xef\xbf\xbd"
			      "b");
	/* large (and sparse: 1 TiB); a character that the 4096th byte cuts is left out */
	f = fopen(source, "w");
	assert_non_null(f);
	for (int i = 0; i < 4095; i++)
		fputc('x', f);
	fputs("\xc3\xa4 and more", f);
	assert_int_equal(ftruncate(fileno(f), 1ll << 40), 0);
	fclose(f);
	memset(expected, 'x', 4095);
	expected[4095] = '\0';
	expect_log("hostile", expected);
	/* gone; a FIFO that nobody writes; a link; a directory */
	assert_int_equal(unlink(source), 0);
	expect_log("hostile", "");
	assert_int_equal(mkfifo(source, 0644), 0);
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, "no regular file");
	assert_int_equal(unlink(source), 0);
	str_copy(target, sizeof(target), scratch_file("secret", "secret"));
	assert_int_equal(symlink(target, source), 0);
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, source);
	assert_int_equal(unlink(source), 0);
	assert_int_equal(mkdir(source, 0755), 0);
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, "no regular file");
	container_remove_id(&agent, "hostile");
	agent_assert_census(&agent, &before);
}

static void test_no_termination_log(void **state)
{
	static const char *const argv[] = {"true", NULL};
	Grpc__GetDiagnosticDataRequest request = log_request("plain");
	struct test_container c;

	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, "'plain'");
	container_fill(&c, &agent, "plain", argv);
	container_send(&agent, &c);
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, "no annotation");
	request.log_type = (char *)"core_dump";
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INVALID_ARGUMENT, "core_dump");
	container_remove_id(&agent, "plain");
	container_fill(&c, &agent, "plain", argv);
	c.spec.annotations = annotations;
	c.spec.n_annotations = 1;
	container_send(&agent, &c);
	request.log_type = (char *)"termination_log";
	agent_fails(&agent, "GetDiagnosticData", &request, STATUS_INTERNAL, "no mount on /log");
	container_remove_id(&agent, "plain");
	agent_assert_census(&agent, &before);
}

/* ---- RemoveStaleVirtiofsShareMounts ---- */

/* A share that hangs costs a helper; once it fails it is one failure, and that is no failure. */
static void test_dead_share(void **state)
{
	Grpc__RemoveStaleVirtiofsShareMountsRequest request =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_client *client;
	struct pending visit, lost;
	struct dead_share share;

	agent_ok(&agent, "RemoveStaleVirtiofsShareMounts", &request);
	agent_assert_census(&agent, &before);
	dead_share_mount(&agent, &share);
	agent_begin(&agent, NULL, &visit, "RemoveStaleVirtiofsShareMounts", &request);
	/* a caller that goes takes its helper along */
	client = agent_connect(&agent);
	agent_begin(&agent, client, &lost, "RemoveStaleVirtiofsShareMounts", &request);
	for (int i = 0; i < 10; i++)
		agent_ok(&agent, "Check", &check);
	assert_false(lost.done);
	ttrpc_client_free(client);
	pending_release(&lost);
	assert_int_equal(container_whole(&agent, "meanwhile", "exit 3", NULL), 3);
	assert_false(visit.done);
	dead_share_release(&share);
	agent_await(&agent, &visit);
	if (visit.code)
		fail_msg("code %d: %s", visit.code, visit.err.text);
	pending_release(&visit);
	dead_share_unmount(&agent);
	agent_assert_census(&agent, &before);
}

/* ---- answered without doing anything ---- */

static void test_set_policy(void **state)
{
	Grpc__SetPolicyRequest request = GRPC__SET_POLICY_REQUEST__INIT;

	request.policy = (char *)"package agent_policy";
	agent_fails(&agent, "SetPolicy", &request, STATUS_NOT_FOUND,
		"/grpc.AgentService/SetPolicy is not supported");
}

static void test_empty_forms(void **state)
{
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__UpdateEphemeralMountsRequest mounts = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;
	Grpc__Storage storage = GRPC__STORAGE__INIT, *storages[] = {&storage};

	agent_ok(&agent, "OnlineCPUMem", &online);
	online.wait = online.cpu_only = true;
	agent_ok(&agent, "OnlineCPUMem", &online);
	online.nb_cpus = 2;
	agent_fails(&agent, "OnlineCPUMem", &online, STATUS_UNIMPLEMENTED, "nb_cpus 2");
	agent_ok(&agent, "UpdateEphemeralMounts", &mounts);
	storage.driver = (char *)"ephemeral";
	mounts.storages = storages;
	mounts.n_storages = 1;
	agent_fails(&agent, "UpdateEphemeralMounts", &mounts, STATUS_UNIMPLEMENTED,
		"driver 'ephemeral'");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_termination_log),
	cmocka_unit_test(test_c34_hostile_termination_log),
	cmocka_unit_test(test_no_termination_log),
	cmocka_unit_test(test_dead_share),
	cmocka_unit_test(test_set_policy),
	cmocka_unit_test(test_empty_forms),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
