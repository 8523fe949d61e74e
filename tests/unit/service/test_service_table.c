/* service_table.c against proto/: every method has exactly one row with its own messages. */
#include "service/service_table.h"

#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"

static const ProtobufCServiceDescriptor *const services[] = {
	&grpc__agent_service__descriptor, &grpc__health__descriptor, &cradle__memory__descriptor};

static void check_method(
	const ProtobufCServiceDescriptor *service, const ProtobufCMethodDescriptor *method)
{
	size_t rows = 0;

	for (size_t i = 0; i < service_table_count; i++) {
		const struct rpc_method *row = &service_table[i];

		if (strcmp(row->service, service->name) != 0 ||
			strcmp(row->name, method->name) != 0)
			continue;
		rows++;
		if (row->request != method->input || row->response != method->output)
			fail_msg("%s.%s: wrong messages in its row", service->name, method->name);
	}
	if (rows != 1)
		fail_msg("%s.%s has %zu rows in service_table", service->name, method->name, rows);
}

static void test_every_method_has_its_row(void **state)
{
	size_t methods = 0;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		for (unsigned m = 0; m < services[i]->n_methods; m++)
			check_method(services[i], &services[i]->methods[m]);
		methods += services[i]->n_methods;
	}
	assert_int_equal(methods, service_table_count);
}

/* The RPCs of the first road; a handler that gets lost is noticed here. */
static void test_handlers_are_there(void **state)
{
	static const char *const names[] = {"Check", "Version", "CreateSandbox", "DestroySandbox",
		"CreateContainer", "StartContainer", "ExecProcess", "SignalProcess", "WaitProcess",
		"ReadStdout", "ReadStderr", "WriteStdin", "CloseStdin", "StatsContainer",
		"GetOOMEvent", "RemoveContainer", "GetGuestDetails", "ListOOMRecords", "GetMetrics",
		"WaitOOMRecord", "GetMemoryState", "TtyWinResize", "PauseContainer",
		"ResumeContainer", "UpdateContainer", "UpdateEphemeralMounts",
		"RemoveStaleVirtiofsShareMounts", "GetDiagnosticData", "OnlineCPUMem", "SetPolicy"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool found = false;

		for (size_t k = 0; k < service_table_count; k++)
			found |= strcmp(service_table[k].name, names[i]) == 0 &&
				 service_table[k].handler;
		if (!found)
			fail_msg("%s has no handler", names[i]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_method_has_its_row),
	cmocka_unit_test(test_handlers_are_there),
};
TEST_MAIN(tests)
