/* cgroup_annotations: see cgroup_annotations.h. Called by sandbox/container_create. */
#include "kernel/cgroup_annotations.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

static int plan_bool(const char *key, const char *text, const char **value, struct error *err)
{
	bool on;

	if (parse_bool(text, &on) < 0)
		return error_invalid(err, "annotation %s: '%.64s' is not true or false", key, text);
	*value = on ? "1" : "0";
	return 0;
}

static const struct {
	const char *controller, *file;
	int (*plan)(const char *key, const char *text, const char **value, struct error *err);
} known[] = {
	{"memory", "memory.oom.group", plan_bool},
};

static int plan_one(
	const Grpc__Spec__AnnotationsEntry *entry, struct cgroup_write *ret, struct error *err)
{
	const char *file = entry->key + strlen(CGROUP_ANNOTATION_PREFIX);

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!str_eq(file, known[i].file))
			continue;
		ret->controller = known[i].controller;
		ret->file = known[i].file;
		return known[i].plan(
			entry->key, entry->value ? entry->value : "", &ret->value, err);
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
		r = plan_one(spec->annotations[i], &list[count], err);
		if (r < 0)
			return r;
		count++;
	}
	writes->list = list;
	writes->count = count;
	return 0;
}
