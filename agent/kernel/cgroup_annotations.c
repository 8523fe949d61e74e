/* cgroup_annotations: see cgroup_annotations.h. Called by sandbox/container_create. */
#include "kernel/cgroup_annotations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

/* Checks text and writes it as the kernel wants it; the value is in the arena. */
typedef int (*plan_fn)(const char *key, const char *text, struct arena *arena, const char **value,
	struct error *err);

static int plan_bool(const char *key, const char *text, struct arena *arena, const char **value,
	struct error *err)
{
	bool on;

	if (parse_bool(text, &on) < 0)
		return error_invalid(err, "annotation %s: '%.64s' is not true or false", key, text);
	*value = on ? "1" : "0";
	return 0;
}

/* Bytes (K, M, G as everywhere), or max. */
static int plan_size(const char *key, const char *text, struct arena *arena, const char **value,
	struct error *err)
{
	uint64_t bytes;

	*value = "max";
	if (str_eq(text, "max"))
		return 0;
	if (parse_size(text, &bytes) < 0)
		return error_invalid(
			err, "annotation %s: '%.64s' is not a size, nor max", key, text);
	*value = arena_printf(arena, "%" PRIu64, bytes);
	return 0;
}

static int plan_nice(const char *key, const char *text, struct arena *arena, const char **value,
	struct error *err)
{
	int64_t nice;

	if (parse_i64(text, &nice) < 0 || nice < -20 || nice > 19)
		return error_invalid(err, "annotation %s: '%.64s' is not -20 to 19", key, text);
	*value = arena_printf(arena, "%" PRId64, nice);
	return 0;
}

/* One "KEY=N" or "KEY=max" of io.max. */
static bool is_io_limit(const char *word, size_t len)
{
	static const char *const keys[] = {"rbps=", "wbps=", "riops=", "wiops="};
	char text[32];
	uint64_t number;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t n = strlen(keys[i]);

		if (len <= n || len - n >= sizeof(text) || strncmp(word, keys[i], n) != 0)
			continue;
		memcpy(text, word + n, len - n);
		text[len - n] = '\0';
		return str_eq(text, "max") || parse_u64(text, &number) == 0;
	}
	return false;
}

/* "MAJ:MIN KEY=N ...", one device (a write of the kernel's file is one). */
static int plan_io_max(const char *key, const char *text, struct arena *arena, const char **value,
	struct error *err)
{
	unsigned major, minor, words = 0;
	int used = 0;
	const char *at;

	if (sscanf(text, "%4u:%7u%n", &major, &minor, &used) == 2 && text[0] != '+' &&
		text[0] != '-') {
		for (at = text + used; *at == ' '; words++) {
			size_t len;

			at += strspn(at, " ");
			len = strcspn(at, " ");
			if (!is_io_limit(at, len))
				break;
			at += len;
		}
		if (*at == '\0' && words > 0) {
			*value = arena_strdup(arena, text);
			return 0;
		}
	}
	return error_invalid(err,
		"annotation %s: '%.64s' is not MAJOR:MINOR and rbps=, wbps=, riops=, wiops= with a "
		"number or max",
		key, text);
}

static const struct {
	const char *controller, *file;
	plan_fn plan;
} known[] = {
	{"memory", "memory.oom.group", plan_bool},
	{"memory", "memory.high", plan_size},
	{"memory", "memory.low", plan_size},
	{"memory", "memory.min", plan_size},
	{"memory", "memory.swap.high", plan_size},
	{"cpu", "cpu.weight.nice", plan_nice},
	{"cpu", "cpu.idle", plan_bool},
	{"io", "io.max", plan_io_max},
};

static int plan_one(const Grpc__Spec__AnnotationsEntry *entry, struct arena *arena,
	struct cgroup_write *ret, struct error *err)
{
	const char *file = entry->key + strlen(CGROUP_ANNOTATION_PREFIX);

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		int r;

		if (!str_eq(file, known[i].file))
			continue;
		ret->controller = known[i].controller;
		ret->file = known[i].file;
		r = known[i].plan(
			entry->key, entry->value ? entry->value : "", arena, &ret->value, err);
		if (r == 0 && !ret->value)
			r = error_set(
				err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup annotations");
		return r;
	}
	return error_invalid(err, "annotation '%.128s' is not known", entry->key);
}

int cgroup_annotations_plan(const Grpc__Spec *spec, struct arena *arena,
	struct cgroup_writes *writes, struct error *err)
{
	struct cgroup_write *list;
	size_t count = writes->count;

	list = arena_calloc(arena, count + spec->n_annotations + 1, sizeof(*list));
	if (!list)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "plan cgroup annotations");
	if (count)
		memcpy(list, writes->list, count * sizeof(*list));
	for (size_t i = 0; i < spec->n_annotations; i++) {
		int r;

		if (!str_starts(spec->annotations[i]->key, CGROUP_ANNOTATION_PREFIX))
			continue;
		r = plan_one(spec->annotations[i], arena, &list[count], err);
		if (r < 0)
			return r;
		count++;
	}
	writes->list = list;
	writes->count = count;
	return 0;
}
