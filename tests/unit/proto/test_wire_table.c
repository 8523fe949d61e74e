/*
 * Compares what protobuf-c generated from proto/ with wire_table.h, both ways: every row must be in
 * a descriptor, every descriptor's field, enum value and method must be in the table. Messages are
 * found by walking from the services and from the ttrpc envelope, so that one nobody can send or
 * receive would be noticed too.
 */
#include <stdio.h>
#include <string.h>

#include "lib/test_main.h"
#include "unit/proto/all_messages.h"
#include "unit/proto/wire_table.h"

static unsigned wrong;

#define COMPLAIN(...) (print_error(__VA_ARGS__), wrong++)

/* ---- a field's type in the table's words ---- */

static const char *scalar_name(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
		return "int32";
	case PROTOBUF_C_TYPE_INT64:
		return "int64";
	case PROTOBUF_C_TYPE_UINT32:
		return "uint32";
	case PROTOBUF_C_TYPE_UINT64:
		return "uint64";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	default:
		return "a type that the protocol does not use";
	}
}

static void plain_type(char *out, size_t size, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *message = field->descriptor;
	const ProtobufCEnumDescriptor *values = field->descriptor;

	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		snprintf(out, size, "%s", message->name);
	else if (field->type == PROTOBUF_C_TYPE_ENUM)
		snprintf(out, size, "enum %s", values->name);
	else
		snprintf(out, size, "%s", scalar_name(field->type));
}

static void full_type(char *out, size_t size, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *message = field->descriptor;
	char plain[128], key[64];

	plain_type(plain, sizeof(plain), field);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && is_map_entry(message)) {
		assert_int_equal(message->n_fields, 2);
		assert_int_equal(message->fields[0].id, 1);
		assert_int_equal(message->fields[1].id, 2);
		assert_int_equal(field->label, PROTOBUF_C_LABEL_REPEATED);
		plain_type(key, sizeof(key), &message->fields[0]);
		plain_type(plain, sizeof(plain), &message->fields[1]);
		snprintf(out, size, "map<%s, %s>", key, plain);
	} else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		snprintf(out, size, "oneof %s", plain);
	} else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		snprintf(out, size, "repeated %s", plain);
	} else if (field->label == PROTOBUF_C_LABEL_OPTIONAL &&
		   field->type != PROTOBUF_C_TYPE_MESSAGE) {
		snprintf(out, size, "optional %s", plain);
	} else {
		snprintf(out, size, "%s", plain);
	}
}

/* ---- tests ---- */

static void check_row(const struct wire_field *row)
{
	const ProtobufCMessageDescriptor *desc = find_message(row->message);
	const ProtobufCFieldDescriptor *field;
	char type[256];

	if (!desc) {
		COMPLAIN("%s: no method reaches a message of that name\n", row->message);
		return;
	}
	if (row->number == 0) {
		if (desc->n_fields)
			COMPLAIN("%s: has fields\n", row->message);
		return;
	}
	field = protobuf_c_message_descriptor_get_field(desc, row->number);
	if (!field) {
		COMPLAIN("%s: no field number %u (%s)\n", row->message, row->number, row->name);
		return;
	}
	full_type(type, sizeof(type), field);
	if (strcmp(field->name, row->name) != 0 || strcmp(type, row->type) != 0)
		COMPLAIN("%s %u: is '%s %s', the table says '%s %s'\n", row->message, row->number,
			type, field->name, row->type, row->name);
}

static void every_row_is_in_a_descriptor(void **state)
{
	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(wire_fields); i++)
		check_row(&wire_fields[i]);
	assert_int_equal(wrong, 0);
}

static bool table_has(const char *message, unsigned number)
{
	for (size_t i = 0; i < ARRAY_SIZE(wire_fields); i++)
		if (wire_fields[i].number == number && strcmp(wire_fields[i].message, message) == 0)
			return true;
	return false;
}

static void every_field_is_in_the_table(void **state)
{
	size_t fields = 0, rows = 0;

	wrong = 0;
	for (size_t i = 0; i < message_count; i++) {
		const ProtobufCMessageDescriptor *desc = messages[i];

		if (is_map_entry(desc))
			continue;
		if (!desc->n_fields && !table_has(desc->name, 0))
			COMPLAIN("%s is not in the table\n", desc->name);
		for (unsigned k = 0; k < desc->n_fields; k++, fields++)
			if (!table_has(desc->name, desc->fields[k].id))
				COMPLAIN("%s %u: %s is not in the table\n", desc->name,
					desc->fields[k].id, desc->fields[k].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wire_fields); i++)
		rows += wire_fields[i].number != 0;
	assert_int_equal(wrong, 0);
	assert_int_equal(fields, rows); /* a row twice would hide a missing one */
}

static void repeated_numbers_are_sent_packed(void **state)
{
	for (size_t i = 0; i < message_count; i++) {
		for (unsigned k = 0; k < messages[i]->n_fields; k++) {
			const ProtobufCFieldDescriptor *field = &messages[i]->fields[k];
			bool number = field->type != PROTOBUF_C_TYPE_STRING &&
				      field->type != PROTOBUF_C_TYPE_BYTES &&
				      field->type != PROTOBUF_C_TYPE_MESSAGE;

			if (number && field->label == PROTOBUF_C_LABEL_REPEATED &&
				!(field->flags & PROTOBUF_C_FIELD_FLAG_PACKED))
				fail_msg("%s.%s is not packed", messages[i]->name, field->name);
		}
	}
}

static void enums_are_equal(void **state)
{
	size_t values = 0;

	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(wire_values); i++) {
		const struct wire_value *row = &wire_values[i];
		bool found = false;

		for (size_t k = 0; k < enum_count; k++) {
			const ProtobufCEnumValue *value;

			if (strcmp(enums[k]->name, row->name_of_enum) != 0)
				continue;
			value = protobuf_c_enum_descriptor_get_value_by_name(enums[k], row->name);
			found = value && value->value == row->number;
		}
		if (!found)
			COMPLAIN("%s: no %s = %d\n", row->name_of_enum, row->name, row->number);
	}
	for (size_t k = 0; k < enum_count; k++)
		values += enums[k]->n_value_names;
	assert_int_equal(wrong, 0);
	assert_int_equal(values, ARRAY_SIZE(wire_values));
}

static const ProtobufCMethodDescriptor *find_method(const char *service, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (strcmp(services[i]->name, service) == 0)
			return protobuf_c_service_descriptor_get_method_by_name(services[i], name);
	return NULL;
}

static void methods_are_equal(void **state)
{
	size_t methods = 0;

	wrong = 0;
	for (size_t i = 0; i < ARRAY_SIZE(wire_methods); i++) {
		const struct wire_method *row = &wire_methods[i];
		const ProtobufCMethodDescriptor *method = find_method(row->service, row->name);

		if (!method)
			COMPLAIN("%s: no method %s\n", row->service, row->name);
		else if (strcmp(method->input->name, row->request) != 0 ||
			 strcmp(method->output->name, row->response) != 0)
			COMPLAIN("%s.%s: is %s -> %s, the table says %s -> %s\n", row->service,
				row->name, method->input->name, method->output->name, row->request,
				row->response);
	}
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		methods += services[i]->n_methods;
	assert_int_equal(wrong, 0);
	assert_int_equal(methods, ARRAY_SIZE(wire_methods));
	assert_int_equal(grpc__agent_service__descriptor.n_methods, 42);
	assert_int_equal(grpc__health__descriptor.n_methods, 2);
}

/* The group's name shows in JSON for policies; protobuf-c has it only as a C name. */
static void errno_of_a_system_call_is_in_the_group_ErrnoRet(void **state)
{
	Grpc__LinuxSyscall rule = GRPC__LINUX_SYSCALL__INIT;

	assert_int_equal(rule.errno_ret_case, GRPC__LINUX_SYSCALL__ERRNO_RET__NOT_SET);
	assert_int_equal(GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_in_a_descriptor),
		cmocka_unit_test(every_field_is_in_the_table),
		cmocka_unit_test(repeated_numbers_are_sent_packed),
		cmocka_unit_test(enums_are_equal),
		cmocka_unit_test(methods_are_equal),
		cmocka_unit_test(errno_of_a_system_call_is_in_the_group_ErrnoRet),
	};

	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, collect_all, NULL);
}
