/* Tests host-tools/call/method_table.c. */
#include <string.h>

#include "call/method_table.h"
#include "lib/test_main.h"

static void finds(const char *text, const char *service, const char *name)
{
	struct error err = ERROR_INIT;
	struct method method;

	if (method_find(text, &method, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(method.service, service);
	assert_string_equal(method.name, name);
}

static void refuses(const char *text, const char *why)
{
	struct error err = ERROR_INIT;
	struct method method = {.name = "untouched"};

	assert_true(method_find(text, &method, &err) < 0);
	assert_string_equal(method.name, "untouched");
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void test_every_way_to_write_a_method(void **state)
{
	finds("CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("AgentService.CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("AgentService/CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("grpc.AgentService.CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("grpc.AgentService/CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("/grpc.AgentService/CreateContainer", "grpc.AgentService", "CreateContainer");
	finds("Check", "grpc.Health", "Check");
	finds("ListOOMRecords", "cradle.Memory", "ListOOMRecords");
}

static void test_the_nearest_name_is_told(void **state)
{
	refuses("CreatContainer", "did you mean 'CreateContainer'?");
	refuses("createcontainer", "did you mean 'CreateContainer'?");
	refuses("Health/Chek", "did you mean 'Check'?");
	refuses("grpc.Heath/Check",
		"there is no service 'grpc.Heath'; did you mean 'grpc.Health'?");
	refuses("Health/CreateContainer", "there is no method 'Health/CreateContainer'");
	refuses("Zzzzzz", "there is no method 'Zzzzzz'");
	refuses("no.such/Check", "there is no service 'no.such'");
	refuses("", "there is no method ''");
	refuses("/", "there is no method '/'");
}

static void test_long_names_are_refused(void **state)
{
	char text[1000];

	memset(text, 'x', sizeof(text));
	memcpy(text + 900, "/Check", 7);
	refuses(text, "too long");
}

/* All 42 + 2 of Kata and ours; all findable by their bare names as long as none is there twice. */
static void test_every_method_is_found_by_its_bare_name(void **state)
{
	unsigned count = 0;

	for (size_t i = 0; protocol_services[i]; i++) {
		for (unsigned k = 0; k < protocol_services[i]->n_methods; k++, count++)
			finds(protocol_services[i]->methods[k].name, protocol_services[i]->name,
				protocol_services[i]->methods[k].name);
	}
	assert_true(count >= 45);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_way_to_write_a_method),
	cmocka_unit_test(test_the_nearest_name_is_told),
	cmocka_unit_test(test_long_names_are_refused),
	cmocka_unit_test(test_every_method_is_found_by_its_bare_name),
};
TEST_MAIN(tests)
