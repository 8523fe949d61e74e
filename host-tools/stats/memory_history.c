/* memory_history: see the header. */
#include "stats/memory_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "run/memory_report.h"
#include "stats/agent_connection.h"

void history_init(struct memory_history *history)
{
	memset(history, 0, sizeof(*history));
	history->stride = 1;
}

void history_release(struct memory_history *history)
{
	free(history->samples);
	free(history->kills);
	history_init(history);
}

/* The container's place in every sample; HISTORY_CONTAINERS_MAX when there is none left. */
static size_t place_of(struct memory_history *history, const char *container_id)
{
	char id[HISTORY_ID_MAX];

	agent_word(container_id, id, sizeof(id));
	for (size_t i = 0; i < history->containers; i++)
		if (str_eq(history->ids[i], id))
			return i;
	if (history->containers == HISTORY_CONTAINERS_MAX)
		return HISTORY_CONTAINERS_MAX;
	str_copy(history->ids[history->containers], HISTORY_ID_MAX, id);
	return history->containers++;
}

static void fill_owners(const Cradle__GuestMemory *g, struct history_sample *sample)
{
	sample->owner[OWNER_KERNEL] = g->kernel_reserved_bytes + g->kernel_slab_bytes +
				      g->kernel_stack_bytes + g->kernel_page_table_bytes +
				      g->kernel_percpu_bytes + g->kernel_vmalloc_bytes;
	sample->owner[OWNER_AGENT] = g->agent_bytes;
	sample->owner[OWNER_OTHER_PROCESSES] = g->other_process_bytes;
	sample->owner[OWNER_PAGE_CACHE] = g->page_cache_bytes;
	sample->owner[OWNER_CONTAINERS] = g->container_bytes;
	sample->owner[OWNER_HUGE_PAGES] = g->huge_page_bytes;
	sample->owner[OWNER_BALLOON] = g->balloon_bytes;
	sample->owner[OWNER_UNEXPLAINED] =
		g->unexplained_bytes > 0 ? (uint64_t)g->unexplained_bytes : 0;
	sample->owner[OWNER_FREE] = g->free_bytes;
	sample->vm = g->vm_bytes ? g->vm_bytes : g->total_bytes;
	sample->containers_limit = g->containers_limit_bytes;
}

static void fill_sample(struct memory_history *history, const Cradle__MemoryState *state,
	struct history_sample *sample)
{
	memset(sample, 0, sizeof(*sample));
	sample->time_nano = state->time_unix_nano;
	if (state->guest)
		fill_owners(state->guest, sample);
	for (size_t i = 0; i < state->n_containers; i++) {
		const Cradle__ContainerMemory *c = state->containers[i];
		size_t place = place_of(history, c->container_id);

		if (place == HISTORY_CONTAINERS_MAX || c->limit_bytes == 0)
			continue;
		sample->container[place] = (struct history_container){
			.there = true,
			.usage = c->usage_bytes,
			.working_set = c->working_set_bytes,
			.limit = c->limit_bytes,
			.held = c->anon_bytes + c->file_bytes + c->kernel_bytes,
		};
	}
}

/* Keeps the first of each pair: the run's start stays in the picture. */
static void thin_out(struct memory_history *history)
{
	for (size_t i = 0; i < history->count / 2; i++)
		history->samples[i] = history->samples[2 * i];
	history->count /= 2;
	history->skipped = history->stride; /* since the last that stays */
	history->stride *= 2;
}

int history_add(struct memory_history *history, const Cradle__MemoryState *state, struct error *err)
{
	if (history->count == HISTORY_SAMPLES_MAX)
		thin_out(history);
	if (history->count > 0 && ++history->skipped < history->stride)
		return 0;
	history->skipped = 0;
	if ((history->count & (history->count - 1)) == 0) {
		size_t room = history->count ? 2 * history->count : 1;
		void *more = reallocarray(history->samples, room, sizeof(*history->samples));

		if (!more)
			return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
				"keep %zu memory states", room);
		history->samples = more;
	}
	fill_sample(history, state, &history->samples[history->count++]);
	return 0;
}

static void fill_kill(Cradle__OOMRecord *record, struct history_kill *kill)
{
	Cradle__ListOOMRecordsResponse one = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;

	one.records = &record;
	one.n_records = 1;
	memset(kill, 0, sizeof(*kill));
	kill->time_nano = record->time_unix_nano;
	kill->limit = record->limit_bytes;
	kill->kills = record->kills;
	agent_word(record->container_id, kill->id, sizeof(kill->id));
	memory_report_oom(kill->id, &one, kill->sentence, sizeof(kill->sentence));
}

int history_add_kills(struct memory_history *history,
	const Cradle__ListOOMRecordsResponse *response, struct error *err)
{
	if (!history->kills)
		history->kills = calloc(HISTORY_KILLS_MAX, sizeof(*history->kills));
	if (!history->kills)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "keep OOM records");
	for (size_t i = 0; i < response->n_records; i++) {
		Cradle__OOMRecord *record = response->records[i];

		if (record->sequence <= history->last_sequence)
			continue;
		history->last_sequence = record->sequence;
		if (history->kill_count == HISTORY_KILLS_MAX)
			history->kills_dropped++;
		else
			fill_kill(record, &history->kills[history->kill_count++]);
	}
	return 0;
}
