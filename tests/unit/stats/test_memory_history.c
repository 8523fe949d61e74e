/* host-tools/stats/memory_history.c: what is kept when there is more than fits. */
#include "stats/memory_history.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

#define MIB (1ull << 20)

static struct memory_history history;
static struct error err;

static int set_up(void **state)
{
	history_init(&history);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int tear_down(void **state)
{
	history_release(&history);
	return 0;
}

static void add_at(uint64_t second)
{
	Cradle__MemoryState state = CRADLE__MEMORY_STATE__INIT;

	state.time_unix_nano = second * 1000000000u;
	assert_int_equal(history_add(&history, &state, &err), 0);
}

/* A run of any length is there from its start to its end, in bounded memory, evenly. */
static void test_a_long_run(void **state)
{
	uint64_t last = 0, gap;

	for (uint64_t i = 0; i < 10 * HISTORY_SAMPLES_MAX; i++)
		add_at(i);
	assert_in_range(history.count, HISTORY_SAMPLES_MAX / 2, HISTORY_SAMPLES_MAX);
	assert_int_equal(history.samples[0].time_nano, 0);
	gap = history.samples[1].time_nano;
	assert_int_equal(gap, 16 * 1000000000ull);
	for (size_t i = 1; i < history.count; i++, last += gap)
		assert_int_equal(history.samples[i].time_nano, last + gap);
	assert_true(last + gap > (10 * HISTORY_SAMPLES_MAX - 16) * 1000000000ull);
}

static void add_containers(size_t count, size_t from)
{
	static Cradle__ContainerMemory containers[HISTORY_CONTAINERS_MAX + 1];
	static Cradle__ContainerMemory *list[HISTORY_CONTAINERS_MAX + 1];
	static char ids[HISTORY_CONTAINERS_MAX + 1][16];
	Cradle__MemoryState state = CRADLE__MEMORY_STATE__INIT;

	for (size_t i = 0; i < count; i++) {
		cradle__container_memory__init(&containers[i]);
		snprintf(ids[i], sizeof(ids[i]), "c%zu", from + i);
		containers[i].container_id = ids[i];
		containers[i].limit_bytes = 64 * MIB;
		containers[i].usage_bytes = (from + i) * MIB;
		containers[i].anon_bytes = 1 * MIB;
		containers[i].file_bytes = 2 * MIB;
		containers[i].kernel_bytes = 3 * MIB;
		list[i] = &containers[i];
	}
	state.containers = list;
	state.n_containers = count;
	assert_int_equal(history_add(&history, &state, &err), 0);
}

/* Each keeps its place, whoever goes or comes; a name that comes too late has none. */
static void test_places(void **state)
{
	add_containers(2, 0);
	add_containers(2, 1);
	assert_int_equal(history.containers, 3);
	assert_string_equal(history.ids[1], "c1");
	assert_int_equal(history.samples[0].container[1].usage, 1 * MIB);
	assert_int_equal(history.samples[1].container[1].usage, 1 * MIB);
	assert_int_equal(history.samples[1].container[1].held, 6 * MIB);
	assert_true(history.samples[0].container[0].there);
	assert_false(history.samples[1].container[0].there);
	add_containers(HISTORY_CONTAINERS_MAX + 1, 0);
	assert_int_equal(history.containers, HISTORY_CONTAINERS_MAX);
}

static void add_kill(uint64_t sequence)
{
	Cradle__ListOOMRecordsResponse response = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	Cradle__OOMRecord record = CRADLE__OOMRECORD__INIT, *list[] = {&record};

	record.sequence = sequence;
	record.container_id = (char *)"web\033";
	record.limit_bytes = record.peak_bytes = 64 * MIB;
	record.kills = 1;
	record.cause = CRADLE__OOMRECORD__CAUSE__CONTAINER_LIMIT;
	response.records = list;
	response.n_records = 1;
	assert_int_equal(history_add_kills(&history, &response, &err), 0);
}

/* The agent lists the same records each time. */
static void test_kills_once(void **state)
{
	add_kill(1);
	add_kill(1);
	add_kill(2);
	assert_int_equal(history.kill_count, 2);
	assert_string_equal(history.kills[0].id, "web?");
	assert_string_equal(history.kills[0].sentence,
		"container web? was OOM-killed: it reached its own memory limit (limit 64 MiB, "
		"peak 64 MiB)");
	for (uint64_t i = 3; i <= HISTORY_KILLS_MAX + 5; i++)
		add_kill(i);
	assert_int_equal(history.kill_count, HISTORY_KILLS_MAX);
	assert_int_equal(history.kills_dropped, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(test_a_long_run),
	TEST(test_places),
	TEST(test_kills_once),
};
TEST_MAIN(tests)
