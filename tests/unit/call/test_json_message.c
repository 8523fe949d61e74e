/* Tests host-tools/call/json_message.c and message_json.c. */
#include <string.h>

#include "agent.pb-c.h"
#include "call/json_message.h"
#include "call/method_table.h"
#include "lib/test_main.h"
#include "memory.pb-c.h"

static struct arena arena;
static struct buffer out;

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	buffer_init(&out, 0);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	buffer_release(&out);
	return 0;
}

static void *reads(const ProtobufCMessageDescriptor *desc, const char *json)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg = NULL;

	if (json_to_message(json, strlen(json), desc, &arena, &msg, &err) != 0)
		fail_msg("%s: %s", json, err.text);
	return msg;
}

static void refuses(const ProtobufCMessageDescriptor *desc, const char *json, const char *why)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg = NULL;

	assert_true(json_to_message(json, strlen(json), desc, &arena, &msg, &err) < 0);
	assert_null(msg);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static const char *written(const void *msg)
{
	struct error err = ERROR_INIT;

	buffer_clear(&out);
	if (message_to_json(msg, &out, &err) != 0)
		fail_msg("%s", err.text);
	return (char *)out.data;
}

/* ---- reading ---- */

static void test_a_whole_request(void **state)
{
	Grpc__CreateContainerRequest *request = reads(&grpc__create_container_request__descriptor,
		"{\"container_id\": \"c1\", \"sandbox_pidns\": true, \"stdin_port\": 7,"
		" \"storages\": [{\"driver\": \"blk\", \"options\": [\"ro\", \"noatime\"],"
		"   \"fs_group\": {\"group_id\": 4294967295, \"group_change_policy\": "
		"\"OnRootMismatch\"}}, {}],"
		" \"OCI\": {\"Process\": {\"Args\": [\"/bin/sh\", \"caf\\u00e9\"], "
		"\"OOMScoreAdj\": -998},"
		"   \"Annotations\": {\"b\": \"2\", \"a\": \"1\"},"
		"   \"Linux\": {\"Seccomp\": {\"Syscalls\": [{\"errnoret\": 0}, {}]}}}}");

	assert_string_equal(request->container_id, "c1");
	assert_true(request->sandbox_pidns);
	assert_int_equal(request->stdin_port, 7);
	assert_int_equal(request->n_storages, 2);
	assert_string_equal(request->storages[0]->options[1], "noatime");
	assert_int_equal(request->storages[0]->fs_group->group_id, UINT32_MAX);
	assert_int_equal(request->storages[0]->fs_group->group_change_policy,
		TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch);
	assert_string_equal(request->storages[1]->driver, "");
	assert_string_equal(request->oci->process->args[1], "caf\xc3\xa9");
	assert_int_equal(request->oci->process->oomscoreadj, -998);
	assert_int_equal(request->oci->n_annotations, 2);
	assert_string_equal(request->oci->annotations[0]->key, "b");
	assert_string_equal(request->oci->annotations[0]->value, "2");
	assert_int_equal(request->oci->linux->seccomp->syscalls[0]->errno_ret_case,
		GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET);
	assert_int_equal(request->oci->linux->seccomp->syscalls[1]->errno_ret_case,
		GRPC__LINUX_SYSCALL__ERRNO_RET__NOT_SET);
}

static void test_integers_have_their_full_range(void **state)
{
	Grpc__POSIXRlimit *limit = reads(&grpc__posixrlimit__descriptor,
		"{\"Hard\": 18446744073709551615, \"Soft\": \"18446744073709551614\"}");
	Grpc__LinuxMemory *memory = reads(&grpc__linux_memory__descriptor,
		"{\"Limit\": -9223372036854775808, \"Swap\": "
		"\"-1\", \"Kernel\": 9223372036854775807}");

	assert_true(limit->hard == UINT64_MAX);
	assert_true(limit->soft == UINT64_MAX - 1);
	assert_true(memory->limit == INT64_MIN);
	assert_true(memory->swap == -1);
	assert_true(memory->kernel == INT64_MAX);
	refuses(&grpc__linux_memory__descriptor, "{\"Limit\": 9223372036854775808}",
		"grpc.LinuxMemory.Limit: wants a number from -9223372036854775808 to");
	refuses(&grpc__posixrlimit__descriptor, "{\"Hard\": -1}",
		"wants a number from 0 to 18446744073709551615");
	refuses(&grpc__posixrlimit__descriptor, "{\"Hard\": \"18446744073709551616\"}",
		"is no whole number of 64 bits");
	refuses(&grpc__posixrlimit__descriptor, "{\"Hard\": 1.0}", "not a fraction");
	refuses(&grpc__posixrlimit__descriptor, "{\"Hard\": \" 1\"}", "is no whole number");
	refuses(&grpc__box__descriptor, "{\"Width\": 4294967296}", "from 0 to 4294967295");
	refuses(&types__arpneighbor__descriptor, "{\"state\": 2147483648}",
		"from -2147483648 to 2147483647");
}

static void test_optional_fields_know_absent_from_zero(void **state)
{
	Grpc__MemAgentMemcgConfig *config = reads(&grpc__mem_agent_memcg_config__descriptor,
		"{\"disabled\": false, \"period_secs\": 0, \"swap\": null}");

	assert_true(config->has_disabled);
	assert_true(config->has_period_secs);
	assert_false(config->has_swap);
	assert_false(config->has_swappiness_max);
}

static void test_bytes_are_base64(void **state)
{
	Grpc__WriteStreamRequest *request =
		reads(&grpc__write_stream_request__descriptor, "{\"data\": \"AP/+\"}");

	assert_int_equal(request->data.len, 3);
	assert_memory_equal(request->data.data, "\x00\xff\xfe", 3);
	refuses(&grpc__write_stream_request__descriptor, "{\"data\": \"hello!\"}",
		"grpc.WriteStreamRequest.data: the string is not base64");
	refuses(&grpc__write_stream_request__descriptor, "{\"data\": 5}",
		"wants bytes as a base64 string, not a number");
}

static void test_enums_by_name_or_number(void **state)
{
	Types__IPAddress *address = reads(&types__ipaddress__descriptor, "{\"family\": \"v6\"}");

	assert_int_equal(address->family, TYPES__IPFAMILY__v6);
	address = reads(&types__ipaddress__descriptor, "{\"family\": 1}");
	assert_int_equal(address->family, TYPES__IPFAMILY__v6);
	refuses(&types__ipaddress__descriptor, "{\"family\": \"v8\"}",
		"types.IPFamily has no value \"v8\"; the nearest is v");
	refuses(&types__ipaddress__descriptor, "{\"family\": true}", "wants a whole number");
}

static void test_unknown_fields_get_the_nearest_name(void **state)
{
	refuses(&grpc__exec_process_request__descriptor,
		"{\"process\": {\"Args\": [\"a\"], \"args\": []}}",
		"grpc.ExecProcessRequest.process: no field is called \"args\"; did you mean "
		"\"Args\"?");
	refuses(&grpc__create_container_request__descriptor, "{\"containerId\": \"x\"}",
		"did you mean \"container_id\"?");
	refuses(&grpc__create_container_request__descriptor,
		"{\"storages\": [{}, {\"xyzzyxyzzy\": 1}]}",
		"grpc.CreateContainerRequest.storages[1]: no field is called \"xyzzyxyzzy\"");
}

static void test_types_must_fit(void **state)
{
	const ProtobufCMessageDescriptor *create = &grpc__create_container_request__descriptor;

	refuses(create, "{\"container_id\": 1}", "container_id: wants a string, not a number");
	refuses(create, "{\"container_id\": \"a\\u0000b\"}", "the string holds a NUL character");
	refuses(create, "{\"storages\": {}}", "storages: wants a list, not an object");
	refuses(create, "{\"storages\": [null]}", "storages[0]: wants an object, not null");
	refuses(create, "{\"OCI\": []}", "OCI: wants an object, not a list");
	refuses(create, "{\"OCI\": {\"Annotations\": []}}", "Annotations: wants an object");
	refuses(create, "{\"OCI\": {\"Annotations\": {\"k\": 1}}}",
		"OCI.Annotations[\"k\"]: wants a string, not a number");
	refuses(create, "{\"sandbox_pidns\": 1}", "wants true or false, not a number");
	refuses(create, "{\"OCI\": {\"Process\": {\"Args\": [\"a\", \"b\", 3]}}}",
		"grpc.CreateContainerRequest.OCI.Process.Args[2]: wants a string, not a number");
	refuses(create, "{\"container_id\": \"a\", \"container_id\": \"b\"}", "occurs twice");
}

static void test_memory_is_bounded(void **state)
{
	arena_release(&arena);
	arena_init(&arena, 2000);
	refuses(&grpc__create_container_request__descriptor,
		"{\"storages\": [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}",
		"the request is too big (2000 bytes)");
}

/* ---- writing ---- */

static void test_what_is_written_can_be_read(void **state)
{
	static const char *const json = "{\"container_id\": \"c\", \"OCI\": {\"Annotations\": "
					"{\"k\": \"v\"}, \"Process\": {\"Rlimits\": [{\"Hard\": "
					"18446744073709551615}], \"User\": {\"AdditionalGids\": "
					"[1, 4294967295]}}, \"Linux\": {\"Devices\": [{\"Major\": "
					"-1}]}}}";
	const ProtobufCMessageDescriptor *desc = &grpc__create_container_request__descriptor;
	ProtobufCMessage *first = reads(desc, json), *second = reads(desc, written(first));
	uint8_t a[4096], b[4096];
	size_t len = protobuf_c_message_get_packed_size(first);

	assert_true(len > 0 && len < sizeof(a));
	assert_int_equal(protobuf_c_message_pack(first, a), len);
	assert_int_equal(protobuf_c_message_get_packed_size(second), len);
	protobuf_c_message_pack(second, b);
	assert_memory_equal(a, b, len);
}

static void test_zero_is_written_and_absent_is_not(void **state)
{
	Cradle__ListOOMRecordsResponse response = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	Grpc__MemAgentMemcgConfig config = GRPC__MEM_AGENT_MEMCG_CONFIG__INIT;
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;

	assert_non_null(strstr(written(&response), "\"lost\": 0"));
	assert_non_null(strstr(written(&response), "\"records\": []"));
	assert_string_equal(written(&config), "{}\n");
	config.has_disabled = 1;
	assert_non_null(strstr(written(&config), "\"disabled\": false"));
	assert_null(strstr(written(&stats), "cgroup_stats"));
}

static void test_values_are_written_as_json_wants_them(void **state)
{
	Cradle__OOMRecord record = CRADLE__OOMRECORD__INIT;
	Cradle__OOMRecord *records[] = {&record};
	Cradle__ListOOMRecordsResponse response = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	Grpc__ReadStreamResponse stream = GRPC__READ_STREAM_RESPONSE__INIT;

	record.cause = CRADLE__OOMRECORD__CAUSE__POD_LIMIT;
	record.comm = (char *)"a\"b\\c\n/\x01";
	record.limit_bytes = UINT64_MAX;
	record.pid = UINT32_MAX;
	response.records = records;
	response.n_records = 1;
	written(&response);
	assert_non_null(strstr((char *)out.data, "\"cause\": \"POD_LIMIT\""));
	assert_non_null(strstr((char *)out.data, "\"comm\": \"a\\\"b\\\\c\\n/\\u0001\""));
	assert_non_null(strstr((char *)out.data, "\"limit_bytes\": 18446744073709551615"));
	assert_non_null(strstr((char *)out.data, "\"pid\": 4294967295"));
	record.cause = 77; /* a newer agent's */
	assert_non_null(strstr(written(&response), "\"cause\": 77"));
	stream.data.data = (uint8_t *)"\x00\xff\xfe";
	stream.data.len = 3;
	assert_non_null(strstr(written(&stream), "\"data\": \"AP/+\""));
}

/* ---- describing ---- */

static void test_every_message_can_be_described(void **state)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; protocol_services[i]; i++) {
		for (unsigned k = 0; k < protocol_services[i]->n_methods; k++) {
			const ProtobufCMethodDescriptor *method = &protocol_services[i]->methods[k];

			assert_int_equal(message_describe(method->input, &out, &err), 0);
			assert_int_equal(message_describe(method->output, &out, &err), 0);
		}
	}
	buffer_clear(&out);
	assert_int_equal(
		message_describe(&grpc__create_container_request__descriptor, &out, &err), 0);
	assert_non_null(strstr((char *)out.data, "\n    Annotations: object of key: string\n"));
	assert_non_null(
		strstr((char *)out.data, "\n          Names: list of string\n")); /* Syscalls */
	assert_non_null(strstr((char *)out.data, "group_change_policy: Always | OnRootMismatch\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_a_whole_request),
	TEST(test_integers_have_their_full_range),
	TEST(test_optional_fields_know_absent_from_zero),
	TEST(test_bytes_are_base64),
	TEST(test_enums_by_name_or_number),
	TEST(test_unknown_fields_get_the_nearest_name),
	TEST(test_types_must_fit),
	TEST(test_memory_is_bounded),
	TEST(test_what_is_written_can_be_read),
	TEST(test_zero_is_written_and_absent_is_not),
	TEST(test_values_are_written_as_json_wants_them),
	TEST(test_every_message_can_be_described),
};
TEST_MAIN(tests)
