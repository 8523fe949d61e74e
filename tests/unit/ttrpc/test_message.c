/*
 * Tests agent/ttrpc/message.c and message_check.c: what a peer may send, what it may not, what it
 * costs. The figures quoted in hard_limits.h are printed by the tests named costs_*.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent.pb-c.h"
#include "hard_limits.h"
#include "lib/test_main.h"
#include "ttrpc.pb-c.h"
#include "ttrpc/message.h"

#define CREATE (&grpc__create_container_request__descriptor)

enum { VARINT, FIXED64, LENGTH, GROUP_START, GROUP_END, FIXED32 };

/* ---- writing wire bytes by hand ---- */

static void put_varint(struct buffer *out, uint64_t value)
{
	uint8_t byte;

	for (; value > 0x7f; value >>= 7) {
		byte = value | 0x80;
		assert_int_equal(buffer_append(out, &byte, 1), 0);
	}
	byte = value;
	assert_int_equal(buffer_append(out, &byte, 1), 0);
}

static void put_tag(struct buffer *out, unsigned number, unsigned type)
{
	put_varint(out, (uint64_t)number << 3 | type);
}

static void put_bytes(struct buffer *out, unsigned number, const void *data, size_t len)
{
	put_tag(out, number, LENGTH);
	put_varint(out, len);
	assert_int_equal(buffer_append(out, data, len), 0);
}

static void put_text(struct buffer *out, unsigned number, const char *text)
{
	put_bytes(out, number, text, strlen(text));
}

/* Wraps what is in out as field `number` of an outer message. */
static void wrap(struct buffer *out, unsigned number)
{
	struct buffer outer;

	buffer_init(&outer, 0);
	put_bytes(&outer, number, out->data, out->len);
	buffer_release(out);
	*out = outer;
}

/* ---- decoding with expectations ---- */

static struct arena arena;
static struct buffer wire;

static int setup(void **state)
{
	arena_init(&arena, CALL_ARENA_MAX);
	buffer_init(&wire, 0);
	return 0;
}

static int teardown(void **state)
{
	arena_release(&arena);
	buffer_release(&wire);
	return 0;
}

static void *decode_ok(const ProtobufCMessageDescriptor *desc)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg = NULL;

	if (message_decode(desc, &arena, wire.data, wire.len, &msg, &err) != 0)
		fail_msg("%s", err.text);
	assert_ptr_equal(msg->descriptor, desc);
	return msg;
}

static void decode_fails(const ProtobufCMessageDescriptor *desc, int status, const char *text)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg = NULL;
	int r = message_decode(desc, &arena, wire.data, wire.len, &msg, &err);

	assert_int_equal(r, status == STATUS_RESOURCE_EXHAUSTED ? -ENOSPC : -EPROTO);
	assert_null(msg);
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text))
		fail_msg("'%s' does not say '%s'", err.text, text);
	assert_true(arena.used <= arena.budget);
}

/* ---- what is accepted ---- */

static void empty_bytes_are_an_empty_message(void **state)
{
	Grpc__CreateContainerRequest *request = decode_ok(CREATE);

	assert_string_equal(request->container_id, "");
	assert_null(request->oci);
}

static void strings_numbers_and_maps_arrive(void **state)
{
	Grpc__Spec *spec;

	put_text(&wire, 1, "name");
	put_text(&wire, 2, "caf\xc3\xa9");
	wrap(&wire, 7); /* Annotations, one entry */
	put_text(&wire, 4, "host");
	spec = decode_ok(&grpc__spec__descriptor);
	assert_string_equal(spec->hostname, "host");
	assert_int_equal(spec->n_annotations, 1);
	assert_string_equal(spec->annotations[0]->key, "name");
	assert_string_equal(spec->annotations[0]->value, "caf\xc3\xa9");
}

static void repeated_numbers_come_packed_and_not(void **state)
{
	Grpc__User *user;

	put_bytes(&wire, 3, "\x01\xac\x02", 3);
	put_tag(&wire, 3, VARINT);
	put_varint(&wire, 7);
	put_bytes(&wire, 3, "\x09", 1);
	user = decode_ok(&grpc__user__descriptor);
	assert_int_equal(user->n_additionalgids, 4);
	assert_int_equal(user->additionalgids[0], 1);
	assert_int_equal(user->additionalgids[1], 300);
	assert_int_equal(user->additionalgids[2], 7);
	assert_int_equal(user->additionalgids[3], 9);
}

static void a_sub_message_sent_in_parts_is_merged(void **state)
{
	Grpc__CreateContainerRequest *request;

	for (char c = 'a'; c <= 'c'; c++) {
		struct buffer part;

		buffer_init(&part, 0);
		put_bytes(&part, 4, &c, 1);
		wrap(&part, 2);
		wrap(&part, 6);
		assert_int_equal(buffer_append(&wire, part.data, part.len), 0);
		buffer_release(&part);
	}
	request = decode_ok(CREATE);
	assert_int_equal(request->oci->process->n_args, 3);
	assert_string_equal(request->oci->process->args[0], "a");
	assert_string_equal(request->oci->process->args[2], "c");
}

static void unknown_fields_are_skipped_and_not_sent_on(void **state)
{
	Grpc__StartContainerRequest *request;
	struct buffer out;

	put_tag(&wire, 100, VARINT);
	put_varint(&wire, UINT64_MAX);
	put_tag(&wire, 101, FIXED64);
	assert_int_equal(buffer_append(&wire, "12345678", 8), 0);
	put_text(&wire, 1, "c");
	put_tag(&wire, 536870911, FIXED32);
	assert_int_equal(buffer_append(&wire, "1234", 4), 0);
	put_bytes(&wire, 103, "\xff\0", 2);
	request = decode_ok(&grpc__start_container_request__descriptor);
	assert_string_equal(request->container_id, "c");
	buffer_init(&out, 0);
	assert_int_equal(message_encode(&request->base, &out, NULL), 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.data, "\x0a\x01\x63", 3);
	buffer_release(&out);
}

/* ---- what is refused ---- */

static void the_error_names_the_path(void **state)
{
	put_text(&wire, 4, "a");
	put_text(&wire, 4, "b");
	put_text(&wire, 5, "PATH=/bin"); /* does not count as an argument */
	put_text(&wire, 4, "c");
	put_text(&wire, 4, "d\xff");
	wrap(&wire, 2);
	wrap(&wire, 6);
	decode_fails(CREATE, STATUS_UNKNOWN,
		"grpc.CreateContainerRequest.OCI.Process.Args[3]: bytes are not UTF-8");
}

static void strings_with_a_nul_are_refused(void **state)
{
	put_bytes(&wire, 1, "ab\0cd", 5);
	decode_fails(CREATE, STATUS_UNKNOWN,
		"grpc.CreateContainerRequest.container_id: string holds a NUL byte");
}

static void map_keys_are_checked_too(void **state)
{
	put_text(&wire, 1, "\xc0\xaf"); /* overlong form of '/' */
	wrap(&wire, 7);
	decode_fails(&grpc__spec__descriptor, STATUS_UNKNOWN,
		"grpc.Spec.Annotations[0].key: bytes are not UTF-8");
}

static void wire_types_must_fit(void **state)
{
	put_tag(&wire, 7, LENGTH); /* sandbox_pidns: protobuf-c alone takes any type for a bool */
	put_varint(&wire, 1);
	put_varint(&wire, 1);
	decode_fails(CREATE, STATUS_UNKNOWN, "sandbox_pidns: wire type does not fit the field");
	buffer_clear(&wire);
	put_tag(&wire, 1, VARINT);
	put_varint(&wire, 1);
	decode_fails(CREATE, STATUS_UNKNOWN, "container_id: wire type does not fit the field");
	buffer_clear(&wire);
	put_tag(&wire, 9, FIXED32);
	assert_int_equal(buffer_append(&wire, "1234", 4), 0);
	decode_fails(CREATE, STATUS_UNKNOWN, "stdin_port: wire type does not fit the field");
}

static void groups_are_refused(void **state)
{
	put_tag(&wire, 200, GROUP_START);
	put_tag(&wire, 200, GROUP_END);
	decode_fails(CREATE, STATUS_UNKNOWN,
		"grpc.CreateContainerRequest: field number 200: value is malformed");
}

static void tags_must_be_sound(void **state)
{
	static const char *const bad[] = {
		"\x02\x00",			/* number 0 */
		"\x80\x80\x80\x80\x80\x01\x00", /* six bytes */
		"\xff\xff\xff\xff\x7f\x00",	/* 35 bits */
		"\x80",				/* cut short */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buffer_clear(&wire);
		assert_int_equal(buffer_append(&wire, bad[i], i ? strlen(bad[i]) : 2), 0);
		decode_fails(CREATE, STATUS_UNKNOWN, "a field's tag is malformed");
	}
}

static void numbers_must_fit_64_bits(void **state)
{
	put_tag(&wire, 9, VARINT);
	assert_int_equal(buffer_append(&wire, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10), 0);
	decode_fails(CREATE, STATUS_UNKNOWN, "stdin_port: value is malformed");
	buffer_clear(&wire);
	put_bytes(&wire, 3, "\x01\x80", 2); /* packed, the second one cut short */
	decode_fails(&grpc__user__descriptor, STATUS_UNKNOWN, "AdditionalGids[0]: packed numbers");
}

static void lengths_must_stay_inside(void **state)
{
	put_text(&wire, 4, "abc");
	wire.data[1] = 4; /* one byte more than the inner message has */
	wrap(&wire, 2);
	put_text(&wire, 4, "hostname"); /* bytes that a careless reader would run into */
	decode_fails(&grpc__spec__descriptor, STATUS_UNKNOWN,
		"grpc.Spec.Process.Args[0]: value is malformed, cut short");
	buffer_clear(&wire);
	put_tag(&wire, 1, LENGTH);
	put_varint(&wire, 0xffffffff);
	decode_fails(CREATE, STATUS_UNKNOWN, "container_id: value is malformed");
}

/* None of our messages is recursive; the rule is tried on one made here. */
struct nested {
	ProtobufCMessage base;
	struct nested *inner;
};
extern const ProtobufCMessageDescriptor nested_descriptor;
static const ProtobufCFieldDescriptor nested_fields[] = {
	{.name = "inner",
		.id = 1,
		.label = PROTOBUF_C_LABEL_NONE,
		.type = PROTOBUF_C_TYPE_MESSAGE,
		.offset = offsetof(struct nested, inner),
		.descriptor = &nested_descriptor},
};
static const ProtobufCIntRange nested_ranges[] = {{1, 0}, {0, 1}};
const ProtobufCMessageDescriptor nested_descriptor = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "test.Nested",
	.package_name = "test",
	.sizeof_message = sizeof(struct nested),
	.n_fields = 1,
	.fields = nested_fields,
	.n_field_ranges = 1,
	.field_ranges = nested_ranges,
};

static void nesting_has_a_limit(void **state)
{
	for (int i = 1; i < MESSAGE_DEPTH_MAX; i++)
		wrap(&wire, 1);
	decode_ok(&nested_descriptor);
	wrap(&wire, 1);
	decode_fails(&nested_descriptor, STATUS_UNKNOWN, "inner: messages are nested too deeply");
	for (int i = 0; i < 100000; i++) {
		uint8_t head[2] = {0x0a, 0x7f}; /* lengths lie; the stack must survive anyway */
		assert_int_equal(buffer_append(&wire, head, 2), 0);
	}
	decode_fails(&nested_descriptor, STATUS_UNKNOWN, "test.Nested");
}

/* ---- costs: hostile ---- */

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Fills wire up to the frame limit with copies of unit, `depth` times wrapped as field numbers. */
static void flood(const void *unit, size_t len, const unsigned *wrappers, size_t count)
{
	buffer_clear(&wire);
	while (wire.len + len <= FRAME_MAX - 64)
		assert_int_equal(buffer_append(&wire, unit, len), 0);
	while (count--)
		wrap(&wire, wrappers[count]);
}

/* 4 MiB of environment, 64 bytes a variable. */
static void fill_with_environment(void)
{
	char variable[65];

	for (unsigned i = 0; wire.len < FRAME_MAX - 200; i++) {
		snprintf(variable, sizeof(variable), "VARIABLE_%08u=%046d", i, 0);
		put_text(&wire, 5, variable);
	}
	wrap(&wire, 2);
	wrap(&wire, 6);
}

/*
 * What a flood may cost, in this process's time: ten times what a sanitizer build needs, or, where
 * the machine is an emulated one, fifty times a legal message of the same size. What is quadratic
 * costs thousands.
 */
static double time_allowed(void)
{
	static double legal;

	if (legal == 0) {
		buffer_clear(&wire);
		fill_with_environment();
		legal = cpu_seconds();
		decode_ok(CREATE);
		legal = cpu_seconds() - legal;
		arena_release(&arena);
		buffer_clear(&wire);
		print_message("# a legal message: %.1f ms\n", legal * 1e3);
	}
	return legal * 50 > 2.0 ? legal * 50 : 2.0;
}

static double allowed;

static void refused_within_budget(const ProtobufCMessageDescriptor *desc, const char *what)
{
	double start = cpu_seconds(), took;

	arena_release(&arena);
	decode_fails(desc, STATUS_RESOURCE_EXHAUSTED, "does not fit into the call's memory");
	took = cpu_seconds() - start;
	print_message("# %s: %zu bytes refused in %.1f ms, arena %zu bytes\n", what, wire.len,
		took * 1e3, arena.used);
	assert_true(took < allowed);
}

static void hostile_floods_are_refused(void **state)
{
	static const unsigned args[] = {6, 2}; /* OCI, Process */

	allowed = time_allowed();
	flood("\x22\x00", 2, args, 2);
	refused_within_budget(CREATE, "empty arguments");
	flood("\x22\x00", 2, NULL, 0);
	refused_within_budget(CREATE, "empty devices");
	flood("\xd8\x0c\x00", 3, NULL, 0);
	refused_within_budget(CREATE, "unknown fields");
	flood("\x01", 1, (const unsigned[]){3}, 1);
	refused_within_budget(&grpc__user__descriptor, "packed numbers");
	flood("\x18\x01", 2, NULL, 0);
	refused_within_budget(&grpc__user__descriptor, "numbers one by one");
	flood("\x3a\x00", 2, (const unsigned[]){6}, 1);
	refused_within_budget(CREATE, "empty map entries");
	flood("\x0a\x00", 2, NULL, 0);
	refused_within_budget(CREATE, "the same string again and again");
}

/* protobuf-c copies the whole array at each merge: quadratic without a budget. */
static void merging_is_bounded(void **state)
{
	allowed = time_allowed();
	flood("\x32\x05\x12\x03\x22\x01x", 7, NULL, 0);
	refused_within_budget(CREATE, "a spec in pieces, an argument each");
	flood("\x32\x02\x12\x00", 4, NULL, 0);
	refused_within_budget(CREATE, "a spec in empty pieces");
	/* Few enough to pass the check, which counts each piece once: the arena stops it. */
	flood("\x32\x05\x12\x03\x22\x01x", 7, NULL, 0);
	wire.len = 7 * 4000;
	refused_within_budget(CREATE, "a spec in 4000 pieces");
	wire.len = 7 * 300;
	arena_release(&arena);
	decode_ok(CREATE);
}

static void what_the_arena_holds_already_counts(void **state)
{
	Grpc__WriteStreamRequest *request;
	static uint8_t data[100000];

	arena_release(&arena);
	arena_init(&arena, 150000);
	put_bytes(&wire, 3, data, sizeof(data));
	request = decode_ok(&grpc__write_stream_request__descriptor);
	assert_int_equal(request->data.len, sizeof(data));
	decode_fails(&grpc__write_stream_request__descriptor, STATUS_RESOURCE_EXHAUSTED,
		"grpc.WriteStreamRequest.data: the message does not fit into the call's memory");
}

/* ---- costs: legal ---- */

static void report_cost(const char *what)
{
	print_message(
		"# %s: %zu bytes on the wire, %zu in the arena\n", what, wire.len, arena.used);
}

static void costs_of_a_full_WriteStdin(void **state)
{
	Grpc__WriteStreamRequest *inner;
	Ttrpc__Request *request;
	uint8_t *data = calloc(1, FRAME_MAX);

	assert_non_null(data);
	put_bytes(&wire, 3, data, FRAME_MAX - 100);
	wrap(&wire, 3);
	assert_true(wire.len <= FRAME_MAX);
	free(data);
	request = decode_ok(&ttrpc__request__descriptor);
	report_cost("envelope of a full WriteStdin");
	buffer_clear(&wire);
	assert_int_equal(buffer_append(&wire, request->payload.data, request->payload.len), 0);
	inner = decode_ok(&grpc__write_stream_request__descriptor); /* in the same arena */
	report_cost("a full WriteStdin, envelope included");
	assert_int_equal(inner->data.len, FRAME_MAX - 100);
}

static void costs_of_a_huge_environment(void **state)
{
	Grpc__CreateContainerRequest *request;

	fill_with_environment();
	request = decode_ok(CREATE);
	assert_true(request->oci->process->n_env > 60000);
	report_cost("4 MiB of environment, 64 bytes a variable");
}

/* About what a runtime sends: 400 system calls in a few rules, 40 variables, 30 mounts, devices. */
static void put_ordinary_spec(void)
{
	struct buffer part;
	char text[100];

	buffer_init(&part, 0);
	for (int i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "system_call_%d", i);
		put_text(&part, 1, text);
	}
	put_text(&part, 2, "SCMP_ACT_ALLOW");
	wrap(&part, 4);
	put_text(&part, 1, "SCMP_ACT_ERRNO");
	wrap(&part, 8);
	for (int i = 0; i < 60; i++) {
		struct buffer rule;

		buffer_init(&rule, 0);
		put_text(&rule, 2, "c");
		put_text(&rule, 5, "rwm");
		wrap(&rule, 1);
		wrap(&rule, 4);
		assert_int_equal(buffer_append(&part, rule.data, rule.len), 0);
		buffer_release(&rule);
	}
	wrap(&part, 8);
	assert_int_equal(buffer_append(&wire, part.data, part.len), 0);
	buffer_release(&part);
	for (int i = 0; i < 30; i++) {
		buffer_init(&part, 0);
		put_text(&part, 1, "/some/where/in/the/container");
		put_text(&part, 2, "/run/kata-containers/shared/containers/0123456789abcdef/file");
		put_text(&part, 3, "bind");
		put_text(&part, 4, "rbind");
		put_text(&part, 4, "rprivate");
		wrap(&part, 5);
		assert_int_equal(buffer_append(&wire, part.data, part.len), 0);
		buffer_release(&part);
	}
	wrap(&wire, 6);
	put_text(&wire, 1, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

static void costs_of_an_ordinary_spec(void **state)
{
	Grpc__CreateContainerRequest *request;

	put_ordinary_spec();
	request = decode_ok(CREATE);
	assert_int_equal(request->oci->linux->seccomp->syscalls[0]->n_names, 400);
	assert_int_equal(request->oci->linux->resources->n_devices, 60);
	report_cost("an ordinary container");
	assert_true(arena.used < 200 * 1024);
}

/* ---- damaged messages ---- */

/* Every prefix: a valid shorter message or a clean error. */
static void cut_messages_do_no_harm(void **state)
{
	size_t full, good = 0;

	put_ordinary_spec();
	full = wire.len;
	for (size_t len = 0; len < full; len += 1 + len / 64) {
		uint8_t *exact =
			malloc(len ? len : 1); /* so that a sanitizer sees one byte too far */
		ProtobufCMessage *msg = NULL;
		struct error err = ERROR_INIT;

		assert_non_null(exact);
		memcpy(exact, wire.data, len);
		if (message_decode(CREATE, &arena, exact, len, &msg, &err) == 0)
			good++;
		else
			assert_int_equal(err.status, STATUS_UNKNOWN);
		free(exact);
		arena_release(&arena);
	}
	assert_in_range(good, 1, 3); /* nothing at all; and ends between two top-level fields */
}

static uint64_t random_state;
static uint32_t random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 33;
}

static void damage(uint8_t *data, size_t *len)
{
	unsigned times = 1 + random_next() % 4;

	while (times-- && *len) {
		size_t at = random_next() % *len;

		switch (random_next() % 5) {
		case 0:
			data[at] ^= 1u << random_next() % 8;
			break;
		case 1:
			data[at] = random_next();
			break;
		case 2: /* a byte less, all lengths around it wrong */
			memmove(data + at, data + at + 1, *len - at - 1);
			(*len)--;
			break;
		case 3:
			*len = at;
			break;
		case 4: /* a piece over another */
			memmove(data + at, data + random_next() % (at + 1),
				random_next() % (*len - at));
			break;
		}
	}
}

/* Whatever still decodes must survive another round unchanged; whatever does not has a reason. */
static void damaged_messages_are_refused_or_consistent(void **state)
{
	size_t good = 0, refused = 0;

	put_ordinary_spec();
	random_state = 20261124;
	for (int i = 0; i < 4000; i++) {
		uint8_t *data = malloc(wire.len);
		size_t len = wire.len;
		ProtobufCMessage *msg = NULL, *again = NULL;
		struct error err = ERROR_INIT;
		struct buffer first, second;

		assert_non_null(data);
		memcpy(data, wire.data, len);
		damage(data, &len);
		buffer_init(&first, 0);
		buffer_init(&second, 0);
		if (message_decode(CREATE, &arena, data, len, &msg, &err) == 0) {
			good++;
			assert_int_equal(message_encode(msg, &first, NULL), 0);
			assert_int_equal(
				message_decode(CREATE, &arena, first.data, first.len, &again, &err),
				0);
			assert_int_equal(message_encode(again, &second, NULL), 0);
			assert_int_equal(first.len, second.len);
			assert_memory_equal(first.data, second.data, first.len);
		} else {
			refused++;
			assert_true(err.status == STATUS_UNKNOWN ||
				    err.status == STATUS_RESOURCE_EXHAUSTED);
			assert_non_null(strstr(err.text, "grpc.CreateContainerRequest"));
			assert_null(msg);
		}
		buffer_release(&first);
		buffer_release(&second);
		arena_release(&arena);
		free(data);
	}
	print_message("# %zu damaged messages decoded, %zu refused\n", good, refused);
	assert_true(good > 100 && refused > 100);
}

/* ---- encoding ---- */

static void encoding_respects_the_maximum(void **state)
{
	Grpc__StartContainerRequest request = GRPC__START_CONTAINER_REQUEST__INIT;
	struct error err = ERROR_INIT;
	struct buffer out;

	request.container_id = (char *)"twelve bytes";
	buffer_init(&out, 20);
	assert_int_equal(buffer_append(&out, "header", 6), 0);
	assert_int_equal(message_encode(&request.base, &out, NULL), 0);
	assert_int_equal(out.len, 20);
	buffer_consume(&out, 1);
	out.len = 7;
	assert_int_equal(message_encode(&request.base, &out, &err), -EMSGSIZE);
	assert_int_equal(out.len, 7);
	assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err.text, "encode grpc.StartContainerRequest of 14 bytes"));
	buffer_release(&out);
}

static void text_leaves_as_utf8(void **state)
{
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Ttrpc__Response *seen;

	status.message = (char *)"\xffopen caf\xc3\xa9/\xe2\x82: not\xed\xa0\x80";
	response.status = &status;
	response.payload.data = (uint8_t *)"\xff\xfe";
	response.payload.len = 2;
	assert_int_equal(message_encode(&response.base, &wire, NULL), 0);
	seen = decode_ok(&ttrpc__response__descriptor);
	assert_string_equal(seen->status->message, "?open caf\xc3\xa9/??: not???");
	assert_int_equal(seen->payload.len, 2); /* bytes are nobody's text */
	assert_memory_equal(seen->payload.data, "\xff\xfe", 2);
}

static void new_messages_are_empty_and_bounded(void **state)
{
	ProtobufCMessage *msg = message_new(&grpc__oomevent__descriptor, &arena);
	struct arena tiny;

	assert_non_null(msg);
	assert_string_equal(((Grpc__OOMEvent *)msg)->container_id, "");
	assert_int_equal(protobuf_c_message_get_packed_size(msg), 0);
	arena_init(&tiny, 8);
	assert_null(message_new(CREATE, &tiny));
	arena_release(&tiny);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(empty_bytes_are_an_empty_message),
	TEST(strings_numbers_and_maps_arrive),
	TEST(repeated_numbers_come_packed_and_not),
	TEST(a_sub_message_sent_in_parts_is_merged),
	TEST(unknown_fields_are_skipped_and_not_sent_on),
	TEST(the_error_names_the_path),
	TEST(strings_with_a_nul_are_refused),
	TEST(map_keys_are_checked_too),
	TEST(wire_types_must_fit),
	TEST(groups_are_refused),
	TEST(tags_must_be_sound),
	TEST(numbers_must_fit_64_bits),
	TEST(lengths_must_stay_inside),
	TEST(nesting_has_a_limit),
	TEST(hostile_floods_are_refused),
	TEST(merging_is_bounded),
	TEST(what_the_arena_holds_already_counts),
	TEST(costs_of_a_full_WriteStdin),
	TEST(costs_of_a_huge_environment),
	TEST(costs_of_an_ordinary_spec),
	TEST(cut_messages_do_no_harm),
	TEST(damaged_messages_are_refused_or_consistent),
	TEST(encoding_respects_the_maximum),
	TEST(text_leaves_as_utf8),
	TEST(new_messages_are_empty_and_bounded),
};
TEST_MAIN(tests)
