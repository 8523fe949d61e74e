/* size_bundle: see the header. */
#include "size/size_bundle.h"

#include <errno.h>
#include <limits.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "call/json_text.h"

/* NULL when it is not there or null; an error when it is something else. */
static int get_object(struct json_object *in, const char *key, enum json_type type,
	struct json_object **ret, struct error *err)
{
	*ret = NULL;
	if (!in || !json_object_object_get_ex(in, key, ret) || !*ret)
		return 0;
	if (json_object_get_type(*ret) == type)
		return 0;
	return error_invalid(err, "%s is not %s", key, json_type_to_name(type));
}

static int get_i64(struct json_object *in, const char *key, int64_t *ret, struct error *err)
{
	struct json_object *value;
	int r = get_object(in, key, json_type_int, &value, err);

	/* Numbers over INT64_MAX are "no limit" to whoever writes them. */
	if (r == 0 && value)
		*ret = json_object_get_int64(value);
	return r;
}

static int get_u64(struct json_object *in, const char *key, uint64_t *ret, struct error *err)
{
	int64_t value = 0;
	int r = get_i64(in, key, &value, err);

	if (r == 0 && value < 0)
		return error_invalid(err, "%s is negative", key);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

static int read_memory(struct json_object *resources, struct sizing_ask *ask, struct error *err)
{
	struct json_object *memory;
	int r = get_object(resources, "memory", json_type_object, &memory, err);

	if (r == 0)
		r = get_i64(memory, "limit", &ask->memory_bytes, err);
	if (r == 0)
		r = get_i64(memory, "swap", &ask->swap_bytes, err);
	return r;
}

static int read_cpuset(struct json_object *cpu, struct sizing_ask *ask, struct error *err)
{
	struct json_object *cpus;
	int r = get_object(cpu, "cpus", json_type_string, &cpus, err);

	if (r < 0 || !cpus || !json_object_get_string_len(cpus))
		return r;
	if (sizing_cpuset_count(json_object_get_string(cpus), &ask->cpuset_cpus) == 0)
		return 0;
	return error_invalid(
		err, "cpu.cpus '%.100s' is no list of CPUs", json_object_get_string(cpus));
}

static int read_cpu(struct json_object *resources, struct sizing_ask *ask, struct error *err)
{
	struct json_object *cpu;
	int r = get_object(resources, "cpu", json_type_object, &cpu, err);

	if (r == 0)
		r = get_i64(cpu, "quota", &ask->cpu_quota, err);
	if (r == 0)
		r = get_u64(cpu, "period", &ask->cpu_period, err);
	if (r == 0)
		r = get_u64(cpu, "shares", &ask->cpu_shares, err);
	if (r == 0)
		r = read_cpuset(cpu, ask, err);
	/* The kernel's own period where the bundle names none (cgroup v2 cpu.max). */
	if (r == 0 && ask->cpu_quota > 0 && ask->cpu_period == 0)
		ask->cpu_period = SIZING_CPU_PERIOD_US;
	return r;
}

static int read_hugepages(struct json_object *resources, struct sizing_ask *ask, struct error *err)
{
	struct json_object *list;
	int r = get_object(resources, "hugepageLimits", json_type_array, &list, err);

	for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
		uint64_t limit = 0;

		r = get_u64(json_object_array_get_idx(list, i), "limit", &limit, err);
		if (__builtin_add_overflow(ask->hugepage_bytes, limit, &ask->hugepage_bytes))
			r = error_invalid(err, "hugepageLimits add up to more than 64 bits");
	}
	return r;
}

static int read_annotations(struct json_object *config, struct size_bundle *b, struct error *err)
{
	struct json_object *annotations;
	int r = get_object(config, "annotations", json_type_object, &annotations, err);

	if (r < 0 || !annotations)
		return r;
	json_object_object_foreach(annotations, key, value)
	{
		const char *text = value ? json_object_get_string(value) : "";
		bool bad;

		sizing_ask_annotation(&b->annotations, key, text, &bad);
		if (str_eq(key, "io.kubernetes.cri.container-type") ||
			str_eq(key, "io.kubernetes.cri-o.ContainerType"))
			b->sandbox = str_eq(text, "sandbox");
	}
	return 0;
}

static int read_config(struct json_object *config, struct size_bundle *b, struct error *err)
{
	struct json_object *linux_part, *resources = NULL;
	int r = get_object(config, "linux", json_type_object, &linux_part, err);

	if (r == 0)
		r = get_object(linux_part, "resources", json_type_object, &resources, err);
	if (r == 0)
		r = read_memory(resources, &b->ask, err);
	if (r == 0)
		r = read_cpu(resources, &b->ask, err);
	if (r == 0)
		r = read_hugepages(resources, &b->ask, err);
	if (r == 0)
		r = read_annotations(config, b, err);
	return r;
}

int size_bundle_parse(const char *text, size_t len, struct size_bundle *ret, struct error *err)
{
	struct json_object *config = json_text_parse(text, len, err);
	struct size_bundle b = {0};
	int r;

	if (!config)
		return -EPROTO;
	r = read_config(config, &b, err);
	json_object_put(config);
	if (r == 0)
		*ret = b;
	return r;
}

int size_bundle_read(const char *folder, struct size_bundle *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	ssize_t n = str_format(path, sizeof(path), "%s/config.json", folder);
	int r;

	if (n >= 0)
		n = file_read_alloc(path, JSON_TEXT_MAX, &text);
	if (n < 0)
		return error_errno(err, (int)-n, "read %s/config.json", folder);
	r = size_bundle_parse(text, (size_t)n, ret, err);
	return r < 0 ? error_prefix(err, "%s: ", path) : 0;
}
