/* memory_fetch: see the header. */
#include "stats/memory_fetch.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/strings.h"
#include "stats/plain_agent.h"

#define CALL_TIMEOUT_MS 30000
#define FETCH_MEMORY	(4u << 20)

static bool wanted(const char *id, char *const *containers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(id, containers[i]))
			return true;
	return count == 0;
}

static int keep_wanted(
	Cradle__MemoryState *state, char *const *containers, size_t count, struct error *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->n_containers; i++)
		if (wanted(state->containers[i]->container_id, containers, count))
			state->containers[kept++] = state->containers[i];
	state->n_containers = kept;
	if (kept < count)
		return error_set(err, STATUS_NOT_FOUND, 0, "%zu of %zu containers are not there",
			count - kept, count);
	return 0;
}

static int no_memory(struct error *err)
{
	return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read the memory state");
}

static int fetch_plain_container(
	struct memory_fetch *fetch, struct agent_connection *agent, char *id, struct error *err)
{
	Grpc__StatsContainerRequest request = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct client_call call = {0};
	Cradle__ContainerMemory *memory = arena_alloc(&fetch->arena, sizeof(*memory));
	int r;

	if (!memory)
		return no_memory(err);
	cradle__container_memory__init(memory);
	request.container_id = memory->container_id = id;
	r = agent_connection_call(agent, &call, "grpc.AgentService", "StatsContainer", &request,
		&grpc__stats_container_response__descriptor, CALL_TIMEOUT_MS, err);
	if (r == 0) {
		plain_container((void *)call.response, memory);
		fetch->state->containers[fetch->state->n_containers++] = memory;
	}
	client_call_release(&call);
	return r;
}

/* A guest whose agent has no metrics either: no figures of it, which is no failure. */
static int fetch_plain_guest(
	struct memory_fetch *fetch, struct agent_connection *agent, struct error *err)
{
	Grpc__GetMetricsRequest request = GRPC__GET_METRICS_REQUEST__INIT;
	struct client_call call = {0};
	int r = agent_connection_call(agent, &call, "grpc.AgentService", "GetMetrics", &request,
		&grpc__metrics__descriptor, CALL_TIMEOUT_MS, err);

	if (r == 0) {
		fetch->state->guest = arena_alloc(&fetch->arena, sizeof(*fetch->state->guest));
		if (fetch->state->guest) {
			cradle__guest_memory__init(fetch->state->guest);
			plain_guest(((Grpc__Metrics *)call.response)->metrics, fetch->state->guest);
		}
	} else if (agent_lacks_it(err)) {
		r = 0;
	}
	client_call_release(&call);
	return r;
}

static int fetch_plain(struct memory_fetch *fetch, struct agent_connection *agent,
	char *const *containers, size_t count, struct error *err)
{
	struct timespec now;
	int r;

	fetch->plain = true;
	arena_init(&fetch->arena, FETCH_MEMORY);
	fetch->state = arena_alloc(&fetch->arena, sizeof(*fetch->state));
	if (!fetch->state)
		return no_memory(err);
	cradle__memory_state__init(fetch->state);
	clock_gettime(CLOCK_REALTIME, &now);
	fetch->state->time_unix_nano = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	fetch->state->containers =
		arena_calloc(&fetch->arena, count + 1, sizeof(*fetch->state->containers));
	if (!fetch->state->containers)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		r = fetch_plain_container(fetch, agent, containers[i], err);
		if (r < 0)
			return r;
	}
	return fetch_plain_guest(fetch, agent, err);
}

int memory_fetch(struct memory_fetch *fetch, struct agent_connection *agent,
	char *const *containers, size_t count, struct error *err)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;
	struct error own = ERROR_INIT;
	int r;

	memset(fetch, 0, sizeof(*fetch));
	r = agent_connection_call(agent, &fetch->call, "cradle.Memory", "GetMemoryState", &request,
		&cradle__memory_state__descriptor, CALL_TIMEOUT_MS, &own);
	if (r == 0) {
		fetch->state = (void *)fetch->call.response;
		return keep_wanted(fetch->state, containers, count, err);
	}
	if (agent_lacks_it(&own))
		return fetch_plain(fetch, agent, containers, count, err);
	*err = own;
	return r;
}

int memory_fetch_kills(
	struct agent_connection *agent, struct memory_history *history, struct error *err)
{
	Cradle__ListOOMRecordsRequest request = CRADLE__LIST_OOMRECORDS_REQUEST__INIT;
	struct client_call call = {0};
	int r = agent_connection_call(agent, &call, "cradle.Memory", "ListOOMRecords", &request,
		&cradle__list_oomrecords_response__descriptor, CALL_TIMEOUT_MS, err);

	if (r == 0)
		r = history_add_kills(history, (void *)call.response, err);
	client_call_release(&call);
	return r;
}

void memory_fetch_release(struct memory_fetch *fetch)
{
	client_call_release(&fetch->call);
	if (fetch->plain)
		arena_release(&fetch->arena);
	fetch->state = NULL;
}
