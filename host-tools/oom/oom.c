/* oom: the subcommand. Who was killed for memory, and why; and who is from now on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "call/json_message.h"
#include "command_options.h"
#include "run/memory_report.h"
#include "stats/agent_connection.h"
#include "vm/sizing.h"

#include "agent.pb-c.h"
#include "memory.pb-c.h"

#define CALL_TIMEOUT_MS 30000

static const char help[] =
	"Usage: cradle oom [--follow] [--json] ADDRESS [CONTAINER]\n"
	"\n"
	"Lists the kills for memory that an agent knows of, oldest first: when, which container, "
	"whose\n"
	"limit it was, what was used, who was killed and what that held, what is left, and how "
	"long\n"
	"tasks had waited for memory in the 10 s before. --follow goes on with those that come.\n"
	"\n"
	"ADDRESS is one of\n"
	"  unix://PATH  unix://@ABSTRACT  vsock://CID:PORT\n"
	"  hvsock://PATH:PORT   the socket of 'cradle run --listen PATH'; the agent's port is "
	"1024\n"
	"  NAME                 a VM of 'cradle vm start'\n"
	"\n"
	"A plain Kata agent keeps no records. With --follow its events are shown as they come, "
	"with\n"
	"what its statistics tell; such an event is told once only, so a runtime that asks as "
	"well\n"
	"misses what is shown here. Cradle's agent tells everybody.\n"
	"\n"
	"  --follow   wait for more, until interrupted or until the sandbox ends\n"
	"  --json     an object a record, one a line, sizes in bytes\n"
	"\n"
	"Examples:\n"
	"  cradle oom hvsock:///tmp/vm.sock:1024\n"
	"  cradle oom --follow --json hvsock:///tmp/vm.sock:1024 c1\n"
	"\n"
	"Exit code: 0; 1 the agent answered with an error; 125 it could not be asked, or went "
	"away.\n";

static int oom_main(int argc, char **argv);

const struct command oom_command = {
	.name = "oom",
	.summary = "who was killed for memory, and why",
	.help = help,
	.main = oom_main,
};

struct oom_options {
	const char *address, *container;
	bool follow, json, help;
};

/* ---- arguments ---- */

static int take_positional(int count, char **words, struct oom_options *options)
{
	if (count > 2)
		return command_usage_error(&oom_command, "'%s' is too much", words[2]);
	if (count == 0 && !options->help)
		return command_usage_error(&oom_command, "an address is missing");
	options->address = count > 0 ? words[0] : NULL;
	options->container = count > 1 ? words[1] : NULL;
	return 0;
}

static int parse_arguments(int argc, char **argv, struct oom_options *options)
{
	static const struct command_option table[] = {
		{"follow", COMMAND_FLAG, offsetof(struct oom_options, follow)},
		{"json", COMMAND_FLAG, offsetof(struct oom_options, json)},
		{"help", COMMAND_FLAG, offsetof(struct oom_options, help)},
		{NULL},
	};
	int r = command_take_options(&oom_command, argc, argv, table, options);

	return r ? r : take_positional(argc - optind, argv + optind, options);
}

/* ---- what is printed ---- */

static void print_time(uint64_t unix_nano)
{
	time_t seconds = (time_t)(unix_nano / 1000000000u);
	struct tm local;
	char text[32];

	if (localtime_r(&seconds, &local) && strftime(text, sizeof(text), "%F %T", &local))
		printf("%s.%03u  ", text, (unsigned)(unix_nano / 1000000u % 1000u));
}

/* What is left after it, and how it was before, as far as the agent says. */
static void print_details(const Cradle__OOMRecord *record)
{
	const Cradle__MemoryPressure *p = record->pressure;
	char usage[32], anon[32], file[32];

	if (record->pid)
		printf("; pid %u", record->pid);
	if (record->usage_bytes)
		printf("; %s left", sizing_text(record->usage_bytes, usage, sizeof(usage)));
	if (record->container_anon_bytes || record->container_file_bytes)
		printf(" (anonymous %s, files %s)",
			sizing_text(record->container_anon_bytes, anon, sizeof(anon)),
			sizing_text(record->container_file_bytes, file, sizeof(file)));
	if (p)
		printf("; in the 10 s before, some tasks waited for memory %u.%02u %% of the time, "
		       "all %u.%02u %%",
			p->some_avg10_permyriad / 100, p->some_avg10_permyriad % 100,
			p->full_avg10_permyriad / 100, p->full_avg10_permyriad % 100);
}

static void print_sentence(Cradle__OOMRecord *record)
{
	Cradle__ListOOMRecordsResponse one = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	char id[130], text[512];

	one.records = &record;
	one.n_records = 1;
	agent_word(record->container_id, id, sizeof(id));
	print_time(record->time_unix_nano);
	fputs(memory_report_oom(id, &one, text, sizeof(text)), stdout);
	if (record->kills > 1)
		printf("; %" PRIu64 " processes at once", record->kills);
	if (record->kills_total > record->kills)
		printf("; %" PRIu64 " kills of it so far", record->kills_total);
	print_details(record);
	putchar('\n');
}

static int print_json(const ProtobufCMessage *message, struct error *err)
{
	struct buffer out;
	int r;

	buffer_init(&out, 0);
	r = message_to_json(message, &out, err);
	if (r == 0) {
		json_put_on_one_line(&out);
		fwrite(out.data, 1, out.len, stdout);
		putchar('\n');
	}
	buffer_release(&out);
	return r;
}

static int print_record(
	Cradle__OOMRecord *record, const struct oom_options *options, struct error *err)
{
	int r = 0;

	if (options->json)
		r = print_json(&record->base, err);
	else
		print_sentence(record);
	if (r == 0 && fflush(stdout) != 0)
		r = error_set(err, STATUS_UNAVAILABLE, errno, "write to standard output");
	return r;
}

/* *last becomes the latest sequence number seen. */
static int print_records(const Cradle__ListOOMRecordsResponse *response,
	const struct oom_options *options, uint64_t *last, struct error *err)
{
	int r = 0;

	if (response->lost)
		fprintf(stderr, "cradle oom: %" PRIu64 " older records are forgotten\n",
			response->lost);
	for (size_t i = 0; r == 0 && i < response->n_records; i++) {
		r = print_record(response->records[i], options, err);
		if (response->records[i]->sequence > *last)
			*last = response->records[i]->sequence;
	}
	return r;
}

/* ---- Cradle's agent ---- */

static int list(struct agent_connection *agent, const struct oom_options *options, uint64_t *last,
	struct error *err)
{
	Cradle__ListOOMRecordsRequest request = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	struct client_call call = {0};
	int r;

	if (options->container)
		request.container_id = (char *)options->container;
	r = agent_connection_call(agent, &call, "cradle.Memory", "ListOOMRecords", &request,
		&cradle__list_oomrecords_response__descriptor, CALL_TIMEOUT_MS, err);
	if (r == 0)
		r = print_records((void *)call.response, options, last, err);
	client_call_release(&call);
	return r;
}

static int follow(struct agent_connection *agent, const struct oom_options *options, uint64_t last,
	struct error *err)
{
	Cradle__WaitOOMRecordRequest request = CRADLE__WAIT_OOMRECORD_REQUEST__INIT;
	int r = 0;

	if (options->container)
		request.container_id = (char *)options->container;
	while (r == 0) {
		struct client_call call = {0};

		request.after_sequence = last;
		r = agent_connection_call(agent, &call, "cradle.Memory", "WaitOOMRecord", &request,
			&cradle__list_oomrecords_response__descriptor, 0, err);
		if (r == 0)
			r = print_records((void *)call.response, options, &last, err);
		client_call_release(&call);
	}
	return r;
}

/* ---- a plain Kata agent ---- */

static void fill_plain_record(const Grpc__StatsContainerResponse *stats, Cradle__OOMRecord *record)
{
	const Grpc__MemoryStats *memory =
		stats->cgroup_stats ? stats->cgroup_stats->memory_stats : NULL;

	if (!memory || !memory->usage)
		return;
	record->usage_bytes = memory->usage->usage;
	record->peak_bytes = memory->usage->max_usage;
	record->limit_bytes = memory->usage->limit == UINT64_MAX ? 0 : memory->usage->limit;
	if (record->limit_bytes && record->peak_bytes >= record->limit_bytes)
		record->cause = CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
}

static int print_plain(struct agent_connection *agent, const struct oom_options *options, char *id,
	struct error *err)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Cradle__OOMRecord record = CRADLE__OOMRECORD__INIT;
	struct client_call call = {0};
	struct error ignored = ERROR_INIT;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	record.time_unix_nano = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	record.container_id = request.container_id = id;
	/* it may be gone already: then the event is all there is */
	if (agent_connection_call(agent, &call, "grpc.AgentService", "StatsContainer", &request,
		    &grpc__stats_container_response__descriptor, CALL_TIMEOUT_MS, &ignored) == 0)
		fill_plain_record((void *)call.response, &record);
	client_call_release(&call);
	return print_record(&record, options, err);
}

static int follow_plain(
	struct agent_connection *agent, const struct oom_options *options, struct error *err)
{
	Grpc__GetOOMEventRequest request = GRPC__GET_OOMEVENT_REQUEST__INIT;
	int r = 0;

	while (r == 0) {
		struct client_call call = {0};
		char *id = NULL;

		r = agent_connection_call(agent, &call, "grpc.AgentService", "GetOOMEvent",
			&request, &grpc__oomevent__descriptor, 0, err);
		if (r == 0)
			id = ((Grpc__OOMEvent *)call.response)->container_id;
		if (id && (!options->container || str_eq(id, options->container)))
			r = print_plain(agent, options, id, err);
		client_call_release(&call);
	}
	return r;
}

/* ---- the command ---- */

static int show(
	struct agent_connection *agent, const struct oom_options *options, struct error *err)
{
	uint64_t last = 0;
	int r = list(agent, options, &last, err);

	if (r == 0)
		return options->follow ? follow(agent, options, last, err) : 0;
	if (!agent_lacks_it(err))
		return r;
	if (!options->follow)
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"this agent keeps no records of OOM kills; --follow shows them as they "
			"come");
	return follow_plain(agent, options, err);
}

static int oom_main(int argc, char **argv)
{
	struct oom_options options = {0};
	struct agent_connection agent = {0};
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];
	int r = parse_arguments(argc, argv, &options);

	if (r != 0)
		return r;
	if (options.help) {
		command_print_help(&oom_command);
		return 0;
	}
	r = agent_connection_open(&agent, options.address, &err);
	if (r < 0)
		err.status = STATUS_UNAVAILABLE;
	else
		r = show(&agent, &options, &err);
	agent_connection_close(&agent);
	if (r == 0)
		return 0;
	fprintf(stderr, "cradle oom: %s\n", error_render(&err, text, sizeof(text)));
	return err.status == STATUS_UNAVAILABLE ? EXIT_CRADLE_FAILED : 1;
}
