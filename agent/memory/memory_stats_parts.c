/* memory_stats_parts: see memory_stats_parts.h. */
#include "memory/memory_stats_parts.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "base/strings.h"
#include "kernel/net_dev.h"

/* A message of the given kind, initialised, in the arena; NULL (noted) when there is no room. */
void *stats_message(struct stats_filler *f, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *msg = arena_alloc(f->arena, desc->sizeof_message);

	if (msg)
		protobuf_c_message_init(desc, msg);
	else
		f->no_memory = true;
	return msg;
}

bool stats_have(const struct stats_filler *f, size_t which)
{
	return f->files[which].errnum == 0;
}

/* The number in a one-line file; unlimited stands for "max"; 0 when the file is missing. */
uint64_t stats_number(const struct stats_filler *f, size_t which, uint64_t unlimited)
{
	uint64_t value = 0;
	const char *text = f->files[which].text;
	char word[32];

	if (!stats_have(f, which) ||
		str_format(word, sizeof(word), "%.*s", (int)strcspn(text, " \n"), text) < 0)
		return 0;
	if (str_eq(word, "max"))
		return unlimited;
	parse_u64(word, &value);
	return value;
}

uint64_t stats_keyed(const struct stats_filler *f, size_t which, const char *key)
{
	uint64_t value = 0;

	if (stats_have(f, which))
		parse_keyed_u64(f->files[which].text, key, &value);
	return value;
}

size_t stats_count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

void stats_add(Grpc__MemoryStats *memory, const char *key, uint64_t value)
{
	Grpc__MemoryStats__StatsEntry *entry = memory->stats[memory->n_stats++];

	entry->key = (char *)key;
	entry->value = value;
}

const Grpc__MemoryStats__StatsEntry *stats_find(const Grpc__MemoryStats *memory, const char *key)
{
	for (size_t i = 0; i < memory->n_stats; i++)
		if (str_eq(memory->stats[i]->key, key))
			return memory->stats[i];
	return NULL;
}

/* All of them at once: an entry a time would be an allocation and a descriptor's walk each. */
static bool make_entries(struct stats_filler *f, size_t count, Grpc__MemoryStats *memory)
{
	static const Grpc__MemoryStats__StatsEntry empty = GRPC__MEMORY_STATS__STATS_ENTRY__INIT;
	Grpc__MemoryStats__StatsEntry *entries = arena_calloc(f->arena, count, sizeof(*entries));

	memory->stats = arena_calloc(f->arena, count, sizeof(*memory->stats));
	if (!entries || !memory->stats) {
		f->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		entries[i] = empty;
		memory->stats[i] = &entries[i];
	}
	return true;
}

bool stats_fill_map(struct stats_filler *f, size_t which, size_t more, Grpc__MemoryStats *memory)
{
	const char *end;
	char *line;

	if (!stats_have(f, which))
		return false;
	line = arena_strdup(f->arena, f->files[which].text); /* the keys stay in it */
	if (!line)
		f->no_memory = true;
	if (!line || !make_entries(f, stats_count_lines(line) + more + 1, memory))
		return false;
	for (; (end = strchr(line, '\n')); line = (char *)end + 1) {
		uint64_t value;
		size_t len = parse_word_u64(line, end, &value);

		if (len == 0)
			continue;
		line[len] = '\0';
		stats_add(memory, line, value);
	}
	return true;
}

Grpc__PidsStats *stats_fill_pids(struct stats_filler *f, size_t current, size_t max)
{
	Grpc__PidsStats *pids;

	if (!stats_have(f, current))
		return NULL;
	pids = stats_message(f, &grpc__pids_stats__descriptor);
	if (!pids)
		return NULL;
	pids->current = stats_number(f, current, 0);
	pids->limit = stats_number(f, max, 0);
	return pids;
}

static Grpc__NetworkStats *fill_interface(struct stats_filler *f, const struct net_dev *dev)
{
	Grpc__NetworkStats *out = stats_message(f, &grpc__network_stats__descriptor);

	if (!out)
		return NULL;
	out->name = arena_strdup(f->arena, dev->name);
	if (!out->name) {
		f->no_memory = true;
		return NULL;
	}
	out->rx_bytes = dev->counter[NET_RX_BYTES];
	out->rx_packets = dev->counter[NET_RX_PACKETS];
	out->rx_errors = dev->counter[NET_RX_ERRS];
	out->rx_dropped = dev->counter[NET_RX_DROP];
	out->tx_bytes = dev->counter[NET_TX_BYTES];
	out->tx_packets = dev->counter[NET_TX_PACKETS];
	out->tx_errors = dev->counter[NET_TX_ERRS];
	out->tx_dropped = dev->counter[NET_TX_DROP];
	return out;
}

void stats_fill_network(
	struct stats_filler *f, size_t which, Grpc__StatsContainerResponse *response)
{
	const char *at = f->files[which].text;
	struct net_dev dev;

	if (!stats_have(f, which))
		return;
	response->network_stats =
		arena_calloc(f->arena, stats_count_lines(at) + 1, sizeof(*response->network_stats));
	if (!response->network_stats)
		f->no_memory = true;
	while (!f->no_memory && net_dev_next(&at, &dev)) {
		Grpc__NetworkStats *out = fill_interface(f, &dev);

		if (out)
			response->network_stats[response->n_network_stats++] = out;
	}
}

int stats_fill(const struct stats_version *version, const struct worker_file *files, size_t count,
	struct arena *arena, Grpc__StatsContainerResponse *response, struct error *err)
{
	struct stats_filler f = {.files = files, .arena = arena};
	Grpc__StatsContainerResponse filled = *response;
	Grpc__CgroupStats *stats;

	if (count != version->file_count)
		return error_errno(err, EPROTO, "read statistics: %zu files of %zu", count,
			version->file_count);
	stats = stats_message(&f, &grpc__cgroup_stats__descriptor);
	if (stats) {
		stats->cpu_stats = version->cpu(&f);
		stats->memory_stats = version->memory(&f);
		stats->pids_stats = stats_fill_pids(&f, version->pids_current, version->pids_max);
		stats->blkio_stats = version->io(&f);
		version->hugetlb(&f, stats);
		stats_fill_network(&f, version->net_dev, &filled);
	}
	if (f.no_memory)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "build statistics");
	filled.cgroup_stats = stats;
	*response = filled;
	return 0;
}
