/*
 * host-tools/stats/memory_page.c and memory_layers.c: what the page shows. That it is well-formed
 * is for Python's parser to say.
 */
#include "stats/memory_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MIB    (1ull << 20)
#define SECOND 1000000000ull
#define START  (1790000000ull * SECOND)

static struct memory_history history;
static struct buffer page;
static struct error err;

static int set_up(void **state)
{
	history_init(&history);
	buffer_init(&page, 0);
	return 0;
}

static int tear_down(void **state)
{
	history_release(&history);
	buffer_release(&page);
	return 0;
}

/* 100 MiB: kernel 40, agent 1, the container `held` of it, 8 of a container without a name, the
 * rest free. */
static void add(uint64_t at, const char *id, uint64_t held)
{
	Cradle__ContainerMemory c = CRADLE__CONTAINER_MEMORY__INIT, *list[] = {&c};
	Cradle__GuestMemory guest = CRADLE__GUEST_MEMORY__INIT;
	Cradle__MemoryState state = CRADLE__MEMORY_STATE__INIT;

	c.container_id = (char *)id;
	c.limit_bytes = 32 * MIB;
	c.usage_bytes = held + MIB;
	c.working_set_bytes = held;
	c.anon_bytes = held;
	guest.vm_bytes = 100 * MIB;
	guest.containers_limit_bytes = 60 * MIB;
	guest.kernel_reserved_bytes = 40 * MIB;
	guest.agent_bytes = 1 * MIB;
	guest.container_bytes = held + 8 * MIB;
	guest.free_bytes = 51 * MIB - held;
	state.time_unix_nano = START + at;
	state.containers = list;
	state.n_containers = 1;
	state.guest = &guest;
	assert_int_equal(history_add(&history, &state, &err), 0);
}

static void add_kill(uint64_t at, const char *id)
{
	Cradle__ListOOMRecordsResponse response = CRADLE__LIST_OOMRECORDS_RESPONSE__INIT;
	Cradle__OOMRecord record = CRADLE__OOMRECORD__INIT, *list[] = {&record};

	record.sequence = history.last_sequence + 1;
	record.container_id = (char *)id;
	record.time_unix_nano = START + at;
	record.limit_bytes = record.peak_bytes = 32 * MIB;
	record.cause = CRADLE__OOMRECORD__CAUSE__POD_LIMIT;
	response.records = list;
	response.n_records = 1;
	assert_int_equal(history_add_kills(&history, &response, &err), 0);
}

static const char *make_page(void)
{
	assert_int_equal(memory_page(&history, "unix:///a&b", &page), 0);
	assert_int_equal(buffer_append(&page, "", 1), 0);
	return (const char *)page.data;
}

static unsigned times(const char *text, const char *what)
{
	unsigned count = 0;

	for (; (text = strstr(text, what)); text++)
		count++;
	return count;
}

#define SAYS(text, what)                                                                           \
	do {                                                                                       \
		if (!strstr(text, what))                                                           \
			fail_msg("the page does not say '%s'", what);                              \
	} while (0)

static void test_owners_limits_and_kills(void **state)
{
	const char *text;

	add(0, "web", 4 * MIB);
	add(10 * SECOND, "web", 31 * MIB);
	add_kill(5 * SECOND, "web");
	text = make_page();
	/* kernel, agent, the container, other containers, free: nothing that is 0 throughout */
	assert_int_equal(times(text, "<polygon"), 5);
	SAYS(text, "<title>web</title>");
	assert_null(strstr(text, "huge pages"));
	/* 40 MiB of a scale to 112: from the axis at 300 up to 300 - 278 * 40 / 112 */
	SAYS(text, "<polygon fill=\"#64748b\" points=\"84.0,200.7 940.0,200.7 940.0,300.0 "
		   "84.0,300.0 \">");
	SAYS(text, "all containers together, limit: 60 MiB");
	SAYS(text, "the VM: 100 MiB");
	SAYS(text, "limit: 32 MiB");
	/* in the middle of both pictures, with its cause */
	assert_int_equal(times(text, "<line class=\"kill\" x1=\"512.0\" x2=\"512.0\""), 2);
	SAYS(text, "<title>container web was OOM-killed: all containers together reached what");
	SAYS(text, "</td><td>31 MiB</td><td>31 MiB</td></tr>");
	SAYS(text, "other containers</td><td>8 MiB</td>");
	SAYS(text, "</td><td>20 MiB</td><td>47 MiB</td></tr>"); /* free: at the end, highest */
}

/* Another container's kill is not drawn in this one's picture. */
static void test_a_kill_belongs_to_its_container(void **state)
{
	add(0, "web", 4 * MIB);
	add(10 * SECOND, "web", 4 * MIB);
	add_kill(5 * SECOND, "other");
	assert_int_equal(times(make_page(), "<line class=\"kill\""), 1);
}

/* One look: as it was, over the whole width. */
static void test_one_sample(void **state)
{
	const char *text;

	add(0, "web", 4 * MIB);
	text = make_page();
	SAYS(text, "points=\"84.0,200.7 940.0,200.7 940.0,300.0 84.0,300.0 \"");
	SAYS(text, "H940");
	SAYS(text, "None that the agent knows of");
}

static void test_nothing_to_show(void **state)
{
	assert_int_equal(memory_page(&history, "x", &page), -ENODATA);
	assert_int_equal(page.len, 0);
}

/* Figures no VM can have: a page all the same, of a page's size. */
static void test_absurd_figures(void **state)
{
	add(0, "web", 4 * MIB);
	history.samples[0].vm = 7ull << 61;
	history.samples[0].container[0].usage = UINT64_MAX;
	make_page();
	assert_true(page.len < 65536);
}

/* Names from outside are text, never markup; the page asks the network for nothing. */
static void test_well_formed_and_alone(void **state)
{
	const char *path = scratch_path("page.html");
	const char *text;
	char command[512];

	add(0, "<script>alert('&')</script>\"", 4 * MIB);
	add(SECOND, "b", 4 * MIB);
	add_kill(0, "<b>");
	text = make_page();
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "<b>"));
	SAYS(text, "unix:///a&#38;b");
	assert_null(strstr(text, "http"));
	assert_null(strstr(text, "src="));
	assert_null(strstr(text, "url("));
	assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
	/* every opened element closed, in order; <meta>, which HTML leaves open, apart */
	snprintf(command, sizeof(command),
		"/usr/bin/python3 -c \"import sys, xml.dom.minidom as m;"
		"m.parseString(open(sys.argv[1]).read().replace('<!DOCTYPE html>', '')"
		".replace('charset=\\\"utf-8\\\">', '/>'))\" %s",
		path);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(test_owners_limits_and_kills),
	TEST(test_a_kill_belongs_to_its_container),
	TEST(test_one_sample),
	TEST(test_nothing_to_show),
	TEST(test_absurd_figures),
	TEST(test_well_formed_and_alone),
};
TEST_MAIN(tests)
