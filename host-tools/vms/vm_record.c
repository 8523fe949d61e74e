/* vm_record: see the header. */
#include "vms/vm_record.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/strings.h"
#include "stats/agent_connection.h"

#define RECORD_FILE	 "vm.json"
#define RECORD_BYTES_MAX 16384
#define RECORD_DEPTH_MAX 4

static const char *const state_names[] = {
	[VM_BOOTING] = "booting",
	[VM_RUNNING] = "running",
	[VM_STOPPING] = "stopping",
	[VM_DEAD] = "dead",
};

const char *vm_state_name(enum vm_state state)
{
	return state_names[state];
}

enum kind { TEXT, NUMBER_64, NUMBER_32 };

/* One table for both directions. */
static const struct field {
	const char *name;
	enum kind kind;
	size_t offset, size;
} fields[] = {
#define FIELD(text, kind, member)                                                                  \
	{                                                                                          \
		text, kind, offsetof(struct vm_record, member),                                    \
			sizeof(((struct vm_record *)0)->member)                                    \
	}
	FIELD("reason", TEXT, reason),
	FIELD("arch", TEXT, arch),
	FIELD("accel", TEXT, accel),
	FIELD("kernel", TEXT, kernel),
	FIELD("image", TEXT, image),
	FIELD("started_s", NUMBER_64, started_s),
	FIELD("asked_memory_bytes", NUMBER_64, asked_memory),
	FIELD("asked_cpus_micro", NUMBER_64, asked_cpus_micro),
	FIELD("limit_bytes", NUMBER_64, limit_bytes),
	FIELD("vm_bytes", NUMBER_64, vm_bytes),
	FIELD("kernel_bytes", NUMBER_64, kernel_bytes),
	FIELD("cpus", NUMBER_32, cpus),
	FIELD("qemu_pid", NUMBER_64, qemu_pid),
};

static struct json_object *field_to_json(const struct vm_record *record, const struct field *field)
{
	const char *at = (const char *)record + field->offset;

	if (field->kind == TEXT)
		return json_object_new_string(at);
	if (field->kind == NUMBER_32)
		return json_object_new_int64(*(const uint32_t *)(const void *)at);
	return json_object_new_int64(*(const int64_t *)(const void *)at);
}

int vm_record_write(const struct vm_entry *entry, const struct vm_record *record)
{
	struct json_object *object = json_object_new_object();
	char path[VM_ENTRY_PATH_MAX + 16];
	const char *text;
	int r = -ENOMEM;

	vm_entry_file(entry, RECORD_FILE, path, sizeof(path));
	if (!object)
		return r;
	json_object_object_add(
		object, "state", json_object_new_string(vm_state_name(record->state)));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_object_add(object, fields[i].name, field_to_json(record, &fields[i]));
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY);
	if (text)
		r = file_replace(path, text, strlen(text), 0600);
	json_object_put(object);
	return r;
}

static int take_state(struct json_object *value, struct vm_record *ret)
{
	const char *text = json_object_get_string(value);

	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++) {
		if (str_eq(text, state_names[i])) {
			ret->state = (enum vm_state)i;
			return 0;
		}
	}
	return -EPROTO;
}

static int take_field(struct json_object *value, const struct field *field, struct vm_record *ret)
{
	char *at = (char *)ret + field->offset;
	int64_t number;

	if (field->kind == TEXT) {
		if (!json_object_is_type(value, json_type_string))
			return -EPROTO;
		agent_word(json_object_get_string(value), at, field->size);
		return 0;
	}
	if (!json_object_is_type(value, json_type_int))
		return -EPROTO;
	number = json_object_get_int64(value);
	if (number < 0 || (field->kind == NUMBER_32 && number > UINT32_MAX))
		return -EPROTO;
	if (field->kind == NUMBER_32)
		*(uint32_t *)(void *)at = (uint32_t)number;
	else
		*(int64_t *)(void *)at = number;
	return 0;
}

static int take_object(struct json_object *object, struct vm_record *ret)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, "state", &value) ||
		!json_object_is_type(value, json_type_string) || take_state(value, ret) < 0)
		return -EPROTO;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (json_object_object_get_ex(object, fields[i].name, &value) &&
			take_field(value, &fields[i], ret) < 0)
			return -EPROTO;
	}
	return 0;
}

/* A link, or a pipe that would make us wait for ever, is not followed. */
static ssize_t read_file(const struct vm_entry *entry, char *out, size_t size)
{
	_cleanup_fd_ int fd =
		openat(entry->fd, RECORD_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size >= (off_t)size)
		return -EFBIG;
	n = fd_read_full(fd, out, size - 1);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

int vm_record_read(const struct vm_entry *entry, struct vm_record *ret, struct error *err)
{
	char text[RECORD_BYTES_MAX];
	struct json_tokener *tokener;
	struct json_object *object;
	ssize_t n;
	int r;

	memset(ret, 0, sizeof(*ret));
	n = read_file(entry, text, sizeof(text));
	if (n < 0)
		return error_errno(err, (int)-n, "%s of VM '%s'", RECORD_FILE, entry->name);
	tokener = json_tokener_new_ex(RECORD_DEPTH_MAX);
	object = tokener ? json_tokener_parse_ex(tokener, text, (int)n + 1) : NULL;
	r = take_object(object, ret);
	json_object_put(object);
	if (tokener)
		json_tokener_free(tokener);
	if (r == 0)
		return 0;
	memset(ret, 0, sizeof(*ret));
	return error_set(err, STATUS_DATA_LOSS, 0, "%s of VM '%s' is not what a keeper writes",
		RECORD_FILE, entry->name);
}

enum vm_state vm_record_judge(const struct vm_entry *entry, struct vm_record *record)
{
	if (vm_entry_keeper(entry))
		return record->state == VM_DEAD ? VM_STOPPING : record->state;
	if (record->state != VM_DEAD)
		str_copy(record->reason, sizeof(record->reason),
			"its keeper is gone without a word: was it killed?");
	record->state = VM_DEAD;
	return VM_DEAD;
}
