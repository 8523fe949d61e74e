/* oom_levels: see oom_levels.h. Called by oom_monitor. */
#include "memory/oom_levels.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "memory/control_file.h"

struct oom_level {
	struct list_node node;
	struct cgroup_watch watch;
	struct oom_levels *levels;
	unsigned users;
	uint64_t now,
		spent; /* hits: as last read, and those that have explained a kill or are old */
	uint64_t seen; /* at the last oom_levels_age() */
	char dir[];
};

static void on_changed(struct cgroup_watch *watch)
{
	struct oom_level *level = container_of(watch, struct oom_level, watch);

	level->levels->hit(level->levels->owner);
}

void oom_levels_init(struct oom_levels *levels, struct cgroup_events *events,
	const struct cgroup_root *root, void (*hit)(void *owner), void *owner)
{
	*levels = (struct oom_levels){
		.events = events, .base = root->base, .hit = hit, .owner = owner};
	list_init(&levels->list);
}

static void level_free(struct oom_level *level)
{
	cgroup_events_unwatch(level->levels->events, &level->watch);
	list_remove(&level->node);
	free(level);
}

void oom_levels_release(struct oom_levels *levels)
{
	list_for_each_safe (node, &levels->list)
		level_free(list_entry(node, struct oom_level, node));
}

static uint64_t read_hits(const char *dir)
{
	char text[512];

	return control_read(dir, "memory.events.local", text, sizeof(text)) < 0
		       ? 0
		       : control_keyed(text, "oom");
}

static bool is_above(const struct oom_level *level, const char *group)
{
	const size_t n = strlen(level->dir);

	return strncmp(group, level->dir, n) == 0 && group[n] == '/';
}

static struct oom_level *find(struct oom_levels *levels, const char *dir, size_t len)
{
	list_for_each (node, &levels->list) {
		struct oom_level *level = list_entry(node, struct oom_level, node);

		if (strncmp(level->dir, dir, len) == 0 && level->dir[len] == '\0')
			return level;
	}
	return NULL;
}

static void level_new(struct oom_levels *levels, const char *dir, size_t len)
{
	struct oom_level *level = calloc(1, sizeof(*level) + len + 1);

	if (!level)
		return;
	memcpy(level->dir, dir, len);
	level->levels = levels;
	level->users = 1;
	level->now = level->spent = level->seen = read_hits(level->dir);
	/* no such file in the hierarchy's root: it has no limit either */
	cgroup_events_watch(
		levels->events, &level->watch, level->dir, "memory.events.local", on_changed);
	list_append(&levels->list, &level->node);
}

void oom_levels_enter(struct oom_levels *levels, const char *group)
{
	if (!str_starts(group, levels->base))
		return;
	/* every '/' from base's end on ends the name of a group above */
	for (const char *slash = strchr(group + strlen(levels->base), '/'); slash;
		slash = strchr(slash + 1, '/')) {
		const size_t len = (size_t)(slash - group);
		struct oom_level *level = find(levels, group, len);

		if (level)
			level->users++;
		else
			level_new(levels, group, len);
	}
}

void oom_levels_leave(struct oom_levels *levels, const char *group)
{
	list_for_each_safe (node, &levels->list) {
		struct oom_level *level = list_entry(node, struct oom_level, node);

		if (is_above(level, group) && --level->users == 0)
			level_free(level);
	}
}

static uint64_t unspent(struct oom_level *level)
{
	level->now = read_hits(level->dir);
	return level->now > level->spent ? level->now - level->spent : 0;
}

uint64_t oom_levels_credit(struct oom_levels *levels, const char *group)
{
	uint64_t credit = 0;

	list_for_each (node, &levels->list) {
		struct oom_level *level = list_entry(node, struct oom_level, node);

		if (is_above(level, group))
			credit += unspent(level);
	}
	return credit;
}

/* The nearest level above group that has hits to spend. */
static struct oom_level *nearest(struct oom_levels *levels, const char *group)
{
	struct oom_level *best = NULL;

	list_for_each (node, &levels->list) {
		struct oom_level *level = list_entry(node, struct oom_level, node);

		if (is_above(level, group) && level->now > level->spent &&
			(!best || strlen(level->dir) > strlen(best->dir)))
			best = level;
	}
	return best;
}

uint64_t oom_levels_spend(struct oom_levels *levels, const char *group, uint64_t kills)
{
	struct oom_level *level;
	uint64_t limit = 0;

	while (kills > 0 && (level = nearest(levels, group))) {
		const uint64_t has = level->now - level->spent, used = has < kills ? has : kills;

		level->spent += used;
		kills -= used;
		limit = control_number(level->dir, "memory.max");
	}
	return limit;
}

bool oom_levels_age(struct oom_levels *levels)
{
	bool younger = false;

	list_for_each (node, &levels->list) {
		struct oom_level *level = list_entry(node, struct oom_level, node);

		level->now = read_hits(level->dir);
		if (level->spent < level->seen)
			level->spent = level->seen;
		level->seen = level->now;
		younger |= level->now > level->spent;
	}
	return younger;
}
