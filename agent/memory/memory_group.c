/* memory_group: see memory_group.h. Called by sandbox/memory_state. */
#include "memory/memory_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/strings.h"

const char *const memory_group_files[MEMORY_GROUP_FILES] = {
	[GROUP_CURRENT] = "memory.current",
	[GROUP_PEAK] = "memory.peak",
	[GROUP_MAX] = "memory.max",
	[GROUP_STAT] = "memory.stat",
	[GROUP_SWAP] = "memory.swap.current",
	[GROUP_PRESSURE] = "memory.pressure",
};

#define GROUP_V1_KERNEL GROUP_PRESSURE

const char *const memory_group_v1_files[MEMORY_GROUP_FILES] = {
	[GROUP_CURRENT] = "memory.usage_in_bytes",
	[GROUP_PEAK] = "memory.max_usage_in_bytes",
	[GROUP_MAX] = "memory.limit_in_bytes",
	[GROUP_STAT] = "memory.stat",
	[GROUP_SWAP] = "memory.memsw.usage_in_bytes",
	[GROUP_V1_KERNEL] = "memory.kmem.usage_in_bytes",
};

/* A one-line file; "max" is UINT64_MAX; 0 when it is not there. */
static uint64_t number(const struct worker_file *file)
{
	uint64_t value = 0;
	char word[32];

	if (file->errnum || sscanf(file->text, "%31s", word) != 1)
		return 0;
	if (str_eq(word, "max"))
		return UINT64_MAX;
	parse_u64(word, &value);
	return value;
}

static uint64_t keyed(const char *text, const char *key)
{
	uint64_t value = 0;

	parse_keyed_u64(text, key, &value);
	return value;
}

static void parse_stat(const char *text, struct memory_group *ret)
{
	ret->anon = keyed(text, "anon");
	ret->file = keyed(text, "file");
	ret->shmem = keyed(text, "shmem");
	ret->inactive_file = keyed(text, "inactive_file");
	ret->sock = keyed(text, "sock");
	ret->slab = keyed(text, "slab");
	ret->stack = keyed(text, "kernel_stack");
	ret->page_tables = keyed(text, "pagetables") + keyed(text, "sec_pagetables");
	ret->percpu = keyed(text, "percpu");
	ret->vmalloc = keyed(text, "vmalloc");
	if (parse_keyed_u64(text, "kernel", &ret->kernel) < 0)
		ret->kernel =
			ret->slab + ret->stack + ret->page_tables + ret->percpu + ret->vmalloc;
}

static bool parse_pressure_line(
	const char *text, const char *word, uint32_t *permyriad, uint64_t *usec)
{
	const char *line = strstr(text, word);
	unsigned whole, hundredths;

	return line &&
	       sscanf(line + strlen(word), " avg10=%u.%2u avg60=%*s avg300=%*s total=%" SCNu64,
		       &whole, &hundredths, usec) == 3 &&
	       (*permyriad = whole * 100 + hundredths, true);
}

void memory_pressure_parse(const struct worker_file *file, struct memory_pressure *ret)
{
	struct memory_pressure found = {0};

	memset(ret, 0, sizeof(*ret));
	if (file->errnum)
		return;
	if (parse_pressure_line(file->text, "some", &found.some_permyriad, &found.some_usec) &&
		parse_pressure_line(file->text, "full", &found.full_permyriad, &found.full_usec)) {
		found.known = true;
		*ret = found;
	}
}

bool memory_group_parse(const struct worker_file *files, struct memory_group *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (files[GROUP_CURRENT].errnum || files[GROUP_STAT].errnum)
		return false;
	ret->current = number(&files[GROUP_CURRENT]);
	ret->peak = number(&files[GROUP_PEAK]);
	ret->limit = files[GROUP_MAX].errnum ? UINT64_MAX : number(&files[GROUP_MAX]);
	ret->swap = number(&files[GROUP_SWAP]);
	parse_stat(files[GROUP_STAT].text, ret);
	memory_pressure_parse(&files[GROUP_PRESSURE], &ret->pressure);
	return true;
}

bool memory_group_parse_v1(const struct worker_file *files, struct memory_group *ret)
{
	const char *stat = files[GROUP_STAT].text;

	memset(ret, 0, sizeof(*ret));
	if (files[GROUP_CURRENT].errnum || files[GROUP_STAT].errnum)
		return false;
	ret->current = number(&files[GROUP_CURRENT]);
	ret->peak = number(&files[GROUP_PEAK]);
	ret->limit = number(&files[GROUP_MAX]);
	/* "none" is the largest multiple of a page; 0 would be a file that is not there */
	if (ret->limit == 0 || ret->limit > INT64_MAX / 2)
		ret->limit = UINT64_MAX;
	ret->anon = keyed(stat, "total_rss");
	ret->file = keyed(stat, "total_cache");
	ret->shmem = keyed(stat, "total_shmem");
	ret->inactive_file = keyed(stat, "total_inactive_file");
	ret->swap = keyed(stat, "total_swap");
	ret->kernel = number(&files[GROUP_V1_KERNEL]);
	return true;
}

void memory_group_add(struct memory_group *sum, const struct memory_group *group)
{
	sum->current += group->current;
	sum->anon += group->anon;
	sum->file += group->file;
	sum->shmem += group->shmem;
	sum->inactive_file += group->inactive_file;
	sum->sock += group->sock;
	sum->swap += group->swap;
	sum->kernel += group->kernel;
	sum->slab += group->slab;
	sum->stack += group->stack;
	sum->page_tables += group->page_tables;
	sum->percpu += group->percpu;
	sum->vmalloc += group->vmalloc;
}

uint64_t memory_group_working_set(const struct memory_group *group)
{
	return group->current > group->inactive_file ? group->current - group->inactive_file : 0;
}

uint64_t memory_group_held(const struct memory_group *group)
{
	return group->anon + group->file + group->kernel;
}
