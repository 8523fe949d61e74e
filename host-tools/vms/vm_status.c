/* vm_status: `cradle vm status`: what was asked, what was given, what the guest sees. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "command_options.h"
#include "stats/agent_connection.h"
#include "stats/plain_agent.h"
#include "vm/sizing.h"
#include "vms/vms_internal.h"

#include "agent.pb-c.h"

#define ASK_TIMEOUT_MS 10000
#define CPUS_MAX       1024

enum { OPT_JSON = 256 };

static const struct option options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{NULL, 0, NULL, 0},
};

struct seen {
	uint64_t total_bytes; /* MemTotal; 0 = not known */
	unsigned cpus;	      /* 0 = not known */
	struct error why;     /* nothing is known */
};

/*
 * CPUs that are named in the metrics: kata_guest_cpu_time{cpu="0",...}, made from /proc/stat, which
 * has a line for every CPU that is online.
 */
static unsigned count_cpus(const char *metrics)
{
	static const char key[] = "kata_guest_cpu_time{cpu=\"";
	bool seen[CPUS_MAX] = {false};
	unsigned count = 0;

	for (const char *at = metrics; (at = strstr(at, key));) {
		char *end;
		unsigned long cpu;

		at += sizeof(key) - 1;
		cpu = strtoul(at, &end, 10);
		if (end == at || *end != '"' || cpu >= CPUS_MAX || seen[cpu])
			continue;
		seen[cpu] = true;
		count++;
	}
	return count;
}

static int ask_agent(const char *address, struct seen *seen, struct error *err)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	Cradle__GuestMemory guest = CRADLE__GUEST_MEMORY__INIT;
	struct agent_connection agent = {0};
	struct client_call call = {0};
	int r = agent_connection_open(&agent, address, err);

	if (r == 0)
		r = agent_connection_call(&agent, &call, "grpc.AgentService", "GetMetrics",
			&request, &grpc__metrics__descriptor, ASK_TIMEOUT_MS, err);
	if (r == 0) {
		const char *metrics = ((Grpc__Metrics *)call.response)->metrics;

		plain_guest(metrics, &guest);
		seen->total_bytes = guest.total_bytes;
		seen->cpus = count_cpus(metrics);
	}
	client_call_release(&call);
	agent_connection_close(&agent);
	return r;
}

/* As the agent compares it at its start (agent/boot/boot_size.h). */
static bool as_given(const struct vm_record *r, const struct seen *seen)
{
	return seen->total_bytes + r->kernel_bytes >= r->vm_bytes &&
	       seen->total_bytes <= r->vm_bytes && seen->cpus == r->cpus;
}

static bool is_known(const struct seen *seen)
{
	return seen->total_bytes && seen->cpus;
}

static const char *cpus_text(uint64_t micro, char *out, size_t size)
{
	if (micro == 0)
		str_copy(out, size, "-");
	else
		str_format(out, size, "%g", (double)micro / 1e6);
	return out;
}

static void print_sizes(const struct vm_record *r, const struct seen *seen)
{
	char asked[32], given[32], limit[32], total[32], cpus[32], seen_cpus[16] = "-";

	str_copy(total, sizeof(total), "-");
	if (seen->total_bytes)
		sizing_text(seen->total_bytes, total, sizeof(total));
	if (seen->cpus)
		str_format(seen_cpus, sizeof(seen_cpus), "%u", seen->cpus);
	printf("          %12s %12s %12s\n", "ASKED", "GIVEN", "SEEN");
	printf("memory    %12s %12s %12s\n",
		r->asked_memory ? sizing_text(r->asked_memory, asked, sizeof(asked)) : "-",
		sizing_text(r->vm_bytes, given, sizeof(given)), total);
	printf("CPUs      %12s %12u %12s\n", cpus_text(r->asked_cpus_micro, cpus, sizeof(cpus)),
		r->cpus, seen_cpus);
	if (is_known(seen) && !as_given(r, seen))
		printf("The guest does not see what it was given.\n");
	printf("Containers may use %s together; of the VM's memory the kernel keeps up to %s.\n",
		sizing_text(r->limit_bytes, limit, sizeof(limit)),
		sizing_text(r->kernel_bytes, given, sizeof(given)));
}

static void print_text(const struct vm_entry *entry, const struct vm_record *record,
	const char *address, const struct seen *seen)
{
	char text[ERROR_RENDER_MAX];

	printf("%s: %s%s%s\n", entry->name, vm_state_name(record->state),
		record->reason[0] ? ", " : "", record->reason);
	printf("machine   %s, %s; kernel %s, image %s\n", record->arch, record->accel,
		record->kernel, record->image);
	printf("keeper    %d, QEMU %" PRId64 "\n", (int)vm_entry_keeper(entry), record->qemu_pid);
	printf("agent     %s\nqmp       %s/qmp.sock\nlogs      %s\n", address, entry->path,
		entry->path);
	print_sizes(record, seen);
	if (seen->why.status)
		printf("What the guest sees is not known: %s\n",
			error_render(&seen->why, text, sizeof(text)));
}

static struct json_object *size_json(uint64_t memory, struct json_object *cpus)
{
	struct json_object *to = json_object_new_object();

	json_object_object_add(to, "memory_bytes", memory ? json_object_new_uint64(memory) : NULL);
	json_object_object_add(to, "cpus", cpus);
	return to;
}

static void print_json(const struct vm_entry *entry, const struct vm_record *record,
	const char *address, const struct seen *seen)
{
	struct json_object *to = json_object_new_object();
	const struct {
		const char *name, *value;
	} texts[] = {{"name", entry->name}, {"state", vm_state_name(record->state)},
		{"reason", record->reason}, {"arch", record->arch}, {"accel", record->accel},
		{"kernel", record->kernel}, {"image", record->image}, {"agent", address}};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		json_object_object_add(to, texts[i].name, json_object_new_string(texts[i].value));
	json_object_object_add(to, "keeper_pid", json_object_new_int(vm_entry_keeper(entry)));
	json_object_object_add(to, "qemu_pid", json_object_new_int64(record->qemu_pid));
	json_object_object_add(to, "limit_bytes", json_object_new_uint64(record->limit_bytes));
	json_object_object_add(to, "kernel_bytes", json_object_new_uint64(record->kernel_bytes));
	json_object_object_add(to, "asked",
		size_json(record->asked_memory,
			record->asked_cpus_micro
				? json_object_new_double((double)record->asked_cpus_micro / 1e6)
				: NULL));
	json_object_object_add(
		to, "given", size_json(record->vm_bytes, json_object_new_int64(record->cpus)));
	json_object_object_add(to, "seen",
		size_json(
			seen->total_bytes, seen->cpus ? json_object_new_int64(seen->cpus) : NULL));
	json_object_object_add(to, "as_given",
		is_known(seen) ? json_object_new_boolean(as_given(record, seen)) : NULL);
	printf("%s\n", json_object_to_json_string_ext(
			       to, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(to);
}

static int status(const char *name, bool json)
{
	struct vm_store store;
	struct vm_entry entry;
	struct vm_record record;
	struct seen seen = {0};
	struct error err = ERROR_INIT;
	char address[VM_ENTRY_PATH_MAX + 32];
	int code = vm_open(name, &store, &entry);

	if (code)
		return code;
	vm_agent_address(&entry, address, sizeof(address));
	if (vm_record_read(&entry, &record, &err) < 0) {
		code = vm_complain(&err);
	} else {
		if (vm_record_judge(&entry, &record) == VM_RUNNING)
			ask_agent(address, &seen, &seen.why);
		(json ? print_json : print_text)(&entry, &record, address, &seen);
	}
	vm_entry_close(&entry);
	vm_store_close(&store);
	return code ? code : fflush(stdout) == 0 ? 0 : EXIT_CRADLE_FAILED;
}

int vm_status_main(int argc, char **argv)
{
	const char *name;
	bool json = false;
	int option;

	command_options_begin();
	while ((option = command_next_option(&vm_command, argc, argv, "", options)) != -1) {
		if (option == COMMAND_OPTION_WRONG)
			return EXIT_CRADLE_FAILED;
		json = true;
	}
	name = vm_name_argument(argc, argv);
	return name ? status(name, json) : EXIT_CRADLE_FAILED;
}
