/* bundle: config.json to the agent's specification. */
#include "run/bundle.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/strings.h"
#include "call/json_message.h"
#include "call/json_text.h"

#define CONFIG_NAME "config.json"
/* The kernel's period when none is said (sched-bwc), in microseconds. */
#define DEFAULT_CPU_PERIOD 100000

/* ---- what has no name in the protocol, or another meaning when it is absent ---------------------
 */

static struct json_object *inner(struct json_object *object, const char *name, json_type type)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return json_object_is_type(value, type) ? value : NULL;
}

static int set_default(struct json_object *object, const char *name, struct json_object *value)
{
	int r = 0;

	if (value && !json_object_object_get_ex(object, name, NULL))
		return json_object_object_add(object, name, value);
	if (!value)
		r = -ENOMEM;
	json_object_put(value);
	return r;
}

/* An absent number means any device there; in the protocol it would be 0. */
static int complete_device_rules(struct json_object *config)
{
	struct json_object *resources =
		inner(inner(config, "linux", json_type_object), "resources", json_type_object);
	struct json_object *rules = inner(resources, "devices", json_type_array);
	int r = 0;

	for (size_t i = 0; r == 0 && rules && i < json_object_array_length(rules); i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);

		if (!json_object_is_type(rule, json_type_object))
			continue; /* refused by the reader */
		r = set_default(rule, "type", json_object_new_string("a"));
		if (r == 0)
			r = set_default(rule, "major", json_object_new_int(-1));
		if (r == 0)
			r = set_default(rule, "minor", json_object_new_int(-1));
		if (r == 0)
			r = set_default(rule, "access", json_object_new_string("rwm"));
	}
	return r;
}

/* EPERM is what the agent answers anyway: profiles made for containerd say so explicitly. */
static void drop_usual_errno(struct json_object *config)
{
	struct json_object *seccomp =
		inner(inner(config, "linux", json_type_object), "seccomp", json_type_object);
	struct json_object *number = inner(seccomp, "defaultErrnoRet", json_type_int);

	if (number && json_object_get_int64(number) == EPERM)
		json_object_object_del(seccomp, "defaultErrnoRet");
}

static int check_version(struct json_object *config, struct error *err)
{
	struct json_object *version = inner(config, "ociVersion", json_type_string);

	if (!version)
		return error_invalid(err, CONFIG_NAME ": ociVersion is missing");
	if (!str_starts(json_object_get_string(version), "1."))
		return error_invalid(err, CONFIG_NAME ": ociVersion %.40s: cradle knows 1.x",
			json_object_get_string(version));
	json_object_object_add(config, "version", json_object_get(version));
	json_object_object_del(config, "ociVersion");
	return 0;
}

static int prepare(struct json_object *config, struct error *err)
{
	int r = check_version(config, err);

	if (r < 0)
		return r;
	drop_usual_errno(config);
	if (complete_device_rules(config) < 0)
		return error_errno(err, ENOMEM, CONFIG_NAME);
	return 0;
}

static int read_config(const char *folder, struct arena *arena, Grpc__Spec **ret, struct error *err)
{
	char path[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	struct json_object *config;
	ProtobufCMessage *message = NULL;
	ssize_t len;
	int r = path_join(path, sizeof(path), folder, CONFIG_NAME);

	if (r < 0)
		return error_errno(err, -r, "%s/" CONFIG_NAME, folder);
	len = file_read_alloc(path, JSON_TEXT_MAX, &text);
	if (len < 0)
		return error_errno(err, (int)-len, "read %s", path);
	config = json_text_parse(text, (size_t)len, err);
	if (!config)
		return error_prefix(err, "%s: ", path);
	r = prepare(config, err);
	if (r == 0)
		r = oci_json_to_message(
			config, CONFIG_NAME, &grpc__spec__descriptor, arena, &message, err);
	json_object_put(config);
	if (r == 0)
		*ret = (Grpc__Spec *)message;
	return r;
}

/* ---- what a run needs to know -------------------------------------------------------------------
 */

static int find_rootfs(const char *folder, const Grpc__Spec *spec, char *out, struct error *err)
{
	int r;

	if (!spec->root || str_empty(spec->root->path))
		return error_invalid(err, CONFIG_NAME ": root.path is missing");
	if (spec->root->path[0] == '/')
		r = str_copy(out, PATH_MAX, spec->root->path);
	else
		r = path_join(out, PATH_MAX, folder, spec->root->path);
	return r < 0 ? error_errno(err, -r, CONFIG_NAME ": root.path") : 0;
}

static int find_limits(struct bundle *bundle, struct error *err)
{
	const Grpc__LinuxMemory *memory = bundle->spec->linux->resources->memory;
	const Grpc__LinuxCPU *cpu = bundle->spec->linux->resources->cpu;
	uint64_t period;

	if (memory && memory->limit > 0)
		bundle->memory_bytes = (uint64_t)memory->limit;
	if (!cpu || cpu->quota <= 0)
		return 0;
	period = cpu->period ? cpu->period : DEFAULT_CPU_PERIOD;
	if (cpu->quota > INT64_MAX / 1000000)
		return error_invalid(err,
			CONFIG_NAME ": linux.resources.cpu.quota is more than any machine has");
	bundle->cpus_micro = (uint64_t)cpu->quota * 1000000 / period;
	if (bundle->cpus_micro == 0)
		return error_invalid(
			err, CONFIG_NAME ": linux.resources.cpu.quota is too little of its period");
	return 0;
}

/* What the rest may count on. */
static int complete(Grpc__Spec *spec, struct arena *arena, struct error *err)
{
	if (!spec->process)
		return error_invalid(err, CONFIG_NAME ": process is missing");
	/* As runc has it: no list of capabilities means none of them. */
	if (!spec->process->capabilities) {
		spec->process->capabilities =
			arena_calloc(arena, 1, sizeof(*spec->process->capabilities));
		if (!spec->process->capabilities)
			return error_errno(err, ENOMEM, CONFIG_NAME);
		grpc__linux_capabilities__init(spec->process->capabilities);
	}
	if (!spec->linux) {
		spec->linux = arena_calloc(arena, 1, sizeof(*spec->linux));
		if (!spec->linux)
			return error_errno(err, ENOMEM, CONFIG_NAME);
		grpc__linux__init(spec->linux);
	}
	if (!spec->linux->resources) {
		spec->linux->resources = arena_calloc(arena, 1, sizeof(*spec->linux->resources));
		if (!spec->linux->resources)
			return error_errno(err, ENOMEM, CONFIG_NAME);
		grpc__linux_resources__init(spec->linux->resources);
	}
	return 0;
}

/* A bind's source may be said from the bundle's folder. */
static int resolve_volumes(
	struct volumes *volumes, const char *folder, struct arena *arena, struct error *err)
{
	for (unsigned i = 0; i < volumes->count; i++) {
		struct volume *volume = &volumes->list[i];

		if (volume->host[0] != '/')
			volume->host = arena_printf(arena, "%s/%s", folder, volume->host);
		if (!volume->host)
			return error_errno(err, ENOMEM, CONFIG_NAME ": mounts");
	}
	return 0;
}

int bundle_read(const char *folder, struct arena *arena, void (*note)(const char *text),
	struct bundle *ret, struct error *err)
{
	struct bundle bundle = {0};
	int r = read_config(folder, arena, &bundle.spec, err);

	if (r == 0)
		r = complete(bundle.spec, arena, err);
	if (r == 0)
		r = find_rootfs(folder, bundle.spec, bundle.rootfs, err);
	if (r == 0)
		r = bundle_rewrite(bundle.spec, arena, note, &bundle.volumes, err);
	if (r == 0)
		r = resolve_volumes(&bundle.volumes, folder, arena, err);
	if (r == 0)
		r = find_limits(&bundle, err);
	if (r == 0)
		*ret = bundle;
	return r;
}
