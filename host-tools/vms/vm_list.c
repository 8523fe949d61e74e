/* vm_list: `cradle vm list`: every entry of the store, the living and the dead. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "command_options.h"
#include "vm/sizing.h"
#include "vms/vms_internal.h"

enum { OPT_JSON = 256 };

static const struct option options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{NULL, 0, NULL, 0},
};

struct list {
	const struct vm_store *store;
	struct json_object *json; /* NULL: a table */
	unsigned dead;
};

/* "42 s", "12 min", "3 h", "5 d" */
static const char *age_text(uint64_t since_s, char *out, size_t size)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	uint64_t now = (uint64_t)time(NULL), age = now > since_s ? now - since_s : 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (age / units[i].unit >= (units[i].unit == 1 ? 0 : 2)) {
			str_format(out, size, "%" PRIu64 " %s", age / units[i].unit, units[i].name);
			break;
		}
	}
	return out;
}

static void print_row(const struct vm_entry *entry, const struct vm_record *record)
{
	pid_t keeper = vm_entry_keeper(entry);
	char memory[32], age[32], pid[16] = "-";

	if (keeper > 0)
		str_format(pid, sizeof(pid), "%d", (int)keeper);
	printf("%-20s %-9s %-8s %10s %4u %8s %8s%s%s\n", entry->name, vm_state_name(record->state),
		record->arch, sizing_text(record->vm_bytes, memory, sizeof(memory)), record->cpus,
		pid, age_text(record->started_s, age, sizeof(age)), record->reason[0] ? "  " : "",
		record->reason);
}

static void add_json(
	struct json_object *to, const struct vm_entry *entry, const struct vm_record *record)
{
	struct json_object *row = json_object_new_object();
	char address[VM_ENTRY_PATH_MAX + 32];
	pid_t keeper = vm_entry_keeper(entry);

	vm_agent_address(entry, address, sizeof(address));
	json_object_object_add(row, "name", json_object_new_string(entry->name));
	json_object_object_add(row, "state", json_object_new_string(vm_state_name(record->state)));
	json_object_object_add(row, "arch", json_object_new_string(record->arch));
	json_object_object_add(row, "vm_bytes", json_object_new_uint64(record->vm_bytes));
	json_object_object_add(row, "cpus", json_object_new_int64(record->cpus));
	json_object_object_add(row, "keeper_pid", json_object_new_int(keeper > 0 ? keeper : 0));
	json_object_object_add(row, "started_s", json_object_new_uint64(record->started_s));
	json_object_object_add(row, "agent", json_object_new_string(address));
	if (record->reason[0])
		json_object_object_add(row, "reason", json_object_new_string(record->reason));
	json_object_array_add(to, row);
}

static void show(const char *name, void *context)
{
	struct list *list = context;
	struct vm_entry entry;
	struct vm_record record;
	struct error err = ERROR_INIT;

	/* Gone meanwhile, or no entry at all: nothing to be shown. */
	if (vm_entry_open(list->store, name, &entry, &err) < 0)
		return;
	if (vm_record_read(&entry, &record, &err) < 0)
		str_copy(record.reason, sizeof(record.reason), "its vm.json cannot be read");
	if (vm_record_judge(&entry, &record) == VM_DEAD)
		list->dead++;
	if (list->json)
		add_json(list->json, &entry, &record);
	else
		print_row(&entry, &record);
	vm_entry_close(&entry);
}

static int list_all(const struct vm_store *store, bool json)
{
	struct list list = {.store = store, .json = json ? json_object_new_array() : NULL};
	struct error err = ERROR_INIT;
	int r;

	if (!json)
		printf("%-20s %-9s %-8s %10s %4s %8s %8s\n", "NAME", "STATE", "ARCH", "VM", "CPUS",
			"KEEPER", "AGE");
	r = vm_store_for_each(store, show, &list, &err);
	if (list.json) {
		printf("%s\n", json_object_to_json_string_ext(list.json,
				       JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(list.json);
	}
	if (r < 0)
		return vm_complain(&err);
	if (list.dead && !json)
		fprintf(stderr,
			"cradle vm: %u dead: 'cradle vm log' tells what was said last, 'cradle vm "
			"stop' removes it\n",
			list.dead);
	return fflush(stdout) == 0 ? 0 : EXIT_CRADLE_FAILED;
}

int vm_list_main(int argc, char **argv)
{
	struct vm_store store;
	struct error err = ERROR_INIT;
	bool json = false;
	int option, code;

	command_options_begin();
	while ((option = command_next_option(&vm_command, argc, argv, "", options)) != -1) {
		if (option == COMMAND_OPTION_WRONG)
			return EXIT_CRADLE_FAILED;
		json = true;
	}
	if (optind < argc)
		return command_usage_error(
			&vm_command, "list: '%s' is one word too many", argv[optind]);
	if (vm_store_open(&store, &err) < 0)
		return vm_complain(&err);
	code = list_all(&store, json);
	vm_store_close(&store);
	return code;
}
