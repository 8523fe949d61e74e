/* call: the subcommand. One call of any method of the protocol, JSON in and out. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/event_loop.h"
#include "base/parse.h"
#include "base/socket.h"
#include "call/json_message.h"
#include "call/json_text.h"
#include "call/method_table.h"
#include "command_options.h"
#include "ttrpc/client.h"
#include "ttrpc/status.h"
#include "vms/vm_address.h"

#define EXIT_AGENT_ERROR   1
#define CONNECT_TIMEOUT_MS 10000
#define REQUEST_MEMORY_MAX (64u << 20) /* ours, typed by our user: a bound against accidents */
#define READ_STEP	   65536

static const char help[] =
	"Usage: cradle call [--timeout SECONDS] ADDRESS METHOD [JSON]\n"
	"       cradle call --list\n"
	"       cradle call --describe METHOD\n"
	"\n"
	"Calls one method of a running agent. The request is a JSON object, {} when left out, '-' "
	"to\n"
	"read it from standard input; the response is printed as JSON.\n"
	"\n"
	"ADDRESS is one of\n"
	"  unix://PATH  unix://@ABSTRACT  vsock://CID:PORT\n"
	"  hvsock://PATH:PORT   the socket of 'cradle run --listen PATH'; the agent's port is "
	"1024\n"
	"  NAME                 a VM of 'cradle vm start'\n"
	"METHOD is CreateContainer, AgentService.CreateContainer or\n"
	"grpc.AgentService/CreateContainer; --list shows all, --describe the fields of a request.\n"
	"\n"
	"In JSON, fields have their names of the protocol (exactly: OCI, container_id), enums are\n"
	"written by name or number, bytes as base64, 64 bit numbers as numbers or strings, maps "
	"as\n"
	"objects. What is not known is refused, and the nearest name is told.\n"
	"\n"
	"  --timeout SECONDS   give up after so long (1.5 is fine); also told to the agent\n"
	"  --list              every method with its request and response\n"
	"  --describe METHOD   what can be written in its request, and what comes back\n"
	"\n"
	"Examples:\n"
	"  cradle call hvsock:///tmp/vm.sock:1024 Check\n"
	"  cradle call hvsock:///tmp/vm.sock:1024 StatsContainer '{\"container_id\": \"c1\"}'\n"
	"  cradle call --timeout 5 unix://@agent WaitProcess - < request.json\n"
	"\n"
	"Exit code: 0 the response was printed; 1 the agent answered with an error, or not in "
	"time;\n"
	"125 anything that kept the call from reaching the agent, or the answer from reaching "
	"us.\n";

static int call_main(int argc, char **argv);

const struct command call_command = {
	.name = "call",
	.summary = "call one method of an agent, JSON in and out",
	.help = help,
	.main = call_main,
};

struct call_options {
	const char *address, *method, *json;
	const char *describe;
	bool list, help;
	uint64_t timeout_ms; /* 0 = none */
};

/* ---- arguments ---- */

static int set_timeout(const char *text, void *context)
{
	struct call_options *options = context;
	uint64_t micro;

	if (parse_decimal_micro(text, &micro) < 0 || micro < 1000)
		return command_usage_error(&call_command,
			"--timeout: '%s' is not a number of seconds from 0.001", text);
	options->timeout_ms = micro / 1000;
	return 0;
}

static int take_positional(int count, char **words, struct call_options *options)
{
	const char **slots[] = {&options->address, &options->method, &options->json};

	for (int i = 0; i < count; i++) {
		if (i == (int)ARRAY_SIZE(slots))
			return command_usage_error(&call_command,
				"'%s' is too much: the JSON is one argument, in quotes", words[i]);
		*slots[i] = words[i];
	}
	return 0;
}

static int parse_arguments(int argc, char **argv, struct call_options *options)
{
	static const struct command_option table[] = {
		{"timeout", COMMAND_VALUE, .take = set_timeout},
		{"list", COMMAND_FLAG, offsetof(struct call_options, list)},
		{"describe", COMMAND_TEXT, offsetof(struct call_options, describe)},
		{"help", COMMAND_FLAG, offsetof(struct call_options, help)},
		{NULL},
	};
	int r = command_take_options(&call_command, argc, argv, table, options);

	return r ? r : take_positional(argc - optind, argv + optind, options);
}

/* ---- what is printed ---- */

static int failed(const char *what, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle call: %s%s%s\n", what, *what ? ": " : "",
		error_render(err, text, sizeof(text)));
	return EXIT_CRADLE_FAILED;
}

static int print(const struct buffer *out)
{
	if (fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0)
		return 0;
	perror("cradle call: write to standard output");
	return EXIT_CRADLE_FAILED;
}

static int list_methods(void)
{
	for (size_t i = 0; protocol_services[i]; i++) {
		for (unsigned k = 0; k < protocol_services[i]->n_methods; k++) {
			const ProtobufCMethodDescriptor *method = &protocol_services[i]->methods[k];

			printf("%s/%s: %s -> %s\n", protocol_services[i]->name, method->name,
				method->input->short_name, method->output->short_name);
		}
	}
	return fflush(stdout) == 0 ? 0 : EXIT_CRADLE_FAILED;
}

static int describe_half(const char *word, const ProtobufCMessageDescriptor *desc,
	struct buffer *out, struct error *err)
{
	if (buffer_printf(out, "%s %s%s\n", word, desc->name, desc->n_fields ? "" : ": no fields") <
		0)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0, "no memory");
	return message_describe(desc, out, err);
}

static int describe_method(const char *name)
{
	struct error err = ERROR_INIT;
	struct method method;
	struct buffer out;
	int r = method_find(name, &method, &err);

	if (r < 0)
		return failed("", &err);
	buffer_init(&out, 0);
	r = buffer_printf(&out, "%s/%s\n", method.service, method.name);
	if (r == 0)
		r = describe_half("request", method.request, &out, &err);
	if (r == 0)
		r = describe_half("response", method.response, &out, &err);
	r = r < 0 ? failed("", &err) : print(&out);
	buffer_release(&out);
	return r;
}

/* ---- the call ---- */

static int read_stdin(struct buffer *out, struct error *err)
{
	for (;;) {
		uint8_t *room = buffer_reserve(out, READ_STEP);
		ssize_t n;

		if (!room)
			return error_invalid(err,
				"standard input: more than %u bytes of JSON, or no memory",
				JSON_TEXT_MAX);
		n = TEMP_FAILURE_RETRY(read(STDIN_FILENO, room, READ_STEP));
		if (n < 0)
			return error_errno(err, errno, "read standard input");
		if (n == 0)
			return 0;
		out->len += n;
	}
}

static int read_request(const char *json, const ProtobufCMessageDescriptor *desc,
	struct arena *arena, ProtobufCMessage **ret, struct error *err)
{
	struct buffer input;
	int r;

	if (!json || strcmp(json, "-") != 0)
		return json_to_message(
			json ? json : "{}", json ? strlen(json) : 2, desc, arena, ret, err);
	buffer_init(&input, JSON_TEXT_MAX + READ_STEP);
	r = read_stdin(&input, err);
	if (r == 0)
		r = json_to_message((char *)input.data, input.len, desc, arena, ret, err);
	buffer_release(&input);
	return r;
}

static void connection_closed(struct ttrpc_client *client, const struct error *err)
{
	bool *lost = ttrpc_client_context(client);

	*lost = true;
}

static int print_response(const ProtobufCMessage *response)
{
	struct error err = ERROR_INIT;
	struct buffer out;
	int r;

	buffer_init(&out, 0);
	r = message_to_json(response, &out, &err);
	r = r < 0 ? failed("", &err) : print(&out);
	buffer_release(&out);
	return r;
}

static int report(const struct method *method, const struct error *err, bool reached_agent)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle call: %s/%s: %s (%d): %s\n", method->service, method->name,
		status_name(err->status), err->status, error_render(err, text, sizeof(text)));
	return reached_agent ? EXIT_AGENT_ERROR : EXIT_CRADLE_FAILED;
}

/* Takes fd. */
static int call_on(struct event_loop *loop, int fd, const struct method *method,
	const ProtobufCMessage *request, uint64_t timeout_ms)
{
	bool lost = false;
	struct client_call call = {0};
	struct error err = ERROR_INIT;
	struct ttrpc_client *client = ttrpc_client_new(loop, fd, connection_closed, &lost);
	int r;

	if (!client) {
		error_set(&err, STATUS_RESOURCE_EXHAUSTED, 0, "make a client");
		return failed("", &err);
	}
	r = client_call_wait(client, &call, method->service, method->name, request,
		method->response, timeout_ms, &err);
	if (r < 0)
		r = report(method, &err, call.client && !lost);
	else
		r = print_response(call.response);
	client_call_release(&call);
	ttrpc_client_free(client);
	return r;
}

static int connect_and_call(const struct call_options *options, const struct method *method,
	const ProtobufCMessage *request)
{
	struct error err = ERROR_INIT;
	struct address address;
	struct event_loop *loop;
	int fd, r;

	if (vm_address_parse(options->address, &address, &err) < 0)
		return failed("", &err);
	fd = address_connect(&address,
		options->timeout_ms && options->timeout_ms < CONNECT_TIMEOUT_MS
			? (int)options->timeout_ms
			: CONNECT_TIMEOUT_MS,
		&err);
	if (fd < 0)
		return failed("the agent cannot be reached", &err);
	loop = event_loop_new();
	if (!loop) {
		close_fd(&fd);
		error_errno(&err, errno, "make an event loop");
		return failed("", &err);
	}
	r = call_on(loop, fd, method, request, options->timeout_ms);
	event_loop_free(loop);
	return r;
}

static int run(const struct call_options *options)
{
	struct error err = ERROR_INIT;
	struct method method;
	struct arena arena;
	ProtobufCMessage *request;
	int r;

	if (method_find(options->method, &method, &err) < 0)
		return failed("", &err);
	arena_init(&arena, REQUEST_MEMORY_MAX);
	if (read_request(options->json, method.request, &arena, &request, &err) < 0)
		r = failed("", &err);
	else
		r = connect_and_call(options, &method, request);
	arena_release(&arena);
	return r;
}

static int call_main(int argc, char **argv)
{
	struct call_options options = {0};
	int r = parse_arguments(argc, argv, &options);

	if (r != 0)
		return r;
	if (options.help) {
		command_print_help(&call_command);
		return 0;
	}
	if (options.list)
		return list_methods();
	if (options.describe)
		return describe_method(options.describe);
	if (!options.method)
		return command_usage_error(&call_command, "%s",
			options.address ? "a method is missing"
					: "an address and a method are missing");
	return run(&options);
}
