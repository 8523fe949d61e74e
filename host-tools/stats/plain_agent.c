/* plain_agent: see the header. */
#include "stats/plain_agent.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"

static uint64_t stat_of(const Grpc__MemoryStats *memory, const char *v2, const char *v1)
{
	const char *names[] = {v2, v1};

	for (size_t n = 0; n < 2; n++)
		for (size_t i = 0; names[n] && i < memory->n_stats; i++)
			if (str_eq(memory->stats[i]->key, names[n]))
				return memory->stats[i]->value;
	return 0;
}

void plain_container(const Grpc__StatsContainerResponse *stats, Cradle__ContainerMemory *ret)
{
	const Grpc__MemoryStats *memory =
		stats->cgroup_stats ? stats->cgroup_stats->memory_stats : NULL;
	uint64_t inactive;

	if (!memory || !memory->usage)
		return;
	ret->usage_bytes = memory->usage->usage;
	ret->limit_bytes = memory->usage->limit;
	ret->peak_bytes = memory->usage->max_usage;
	ret->anon_bytes = stat_of(memory, "anon", "total_rss");
	ret->file_bytes = stat_of(memory, "file", "total_cache");
	ret->shmem_bytes = stat_of(memory, "shmem", "total_shmem");
	ret->kernel_bytes = stat_of(memory, "kernel", NULL);
	ret->sock_bytes = stat_of(memory, "sock", NULL);
	inactive = stat_of(memory, "inactive_file", "total_inactive_file");
	ret->working_set_bytes = ret->usage_bytes > inactive ? ret->usage_bytes - inactive : 0;
	/* v1's swap counter holds memory as well */
	if (memory->swap_usage && stat_of(memory, "anon", NULL))
		ret->swap_bytes = memory->swap_usage->usage;
}

/* The sample that starts with these bytes; values are floating point ("3.47103232e+08"). */
static uint64_t sample(const char *metrics, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = metrics; line; line = strchr(line, '\n')) {
		double value;

		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != ' ')
			continue;
		value = strtod(line + len, NULL);
		return value > 0 && value < 1e18 ? (uint64_t)value : 0;
	}
	return 0;
}

static uint64_t meminfo(const char *metrics, const char *item)
{
	char name[80];

	str_format(name, sizeof(name), "kata_guest_meminfo{item=\"%s\"}", item);
	return sample(metrics, name);
}

void plain_guest(const char *metrics, Cradle__GuestMemory *ret)
{
	ret->total_bytes = meminfo(metrics, "mem_total");
	ret->free_bytes = meminfo(metrics, "mem_free");
	ret->kernel_slab_bytes = meminfo(metrics, "slab");
	ret->kernel_stack_bytes = meminfo(metrics, "kernel_stack");
	ret->kernel_page_table_bytes = meminfo(metrics, "page_tables");
	ret->kernel_percpu_bytes = meminfo(metrics, "per_cpu");
	ret->page_cache_bytes = meminfo(metrics, "cached") + meminfo(metrics, "buffers");
	ret->other_process_bytes = meminfo(metrics, "anon_pages");
	ret->huge_page_bytes = meminfo(metrics, "hugetlb");
	ret->agent_bytes = sample(metrics, "kata_agent_total_rss");
	ret->containers_limit_bytes = UINT64_MAX;
}
