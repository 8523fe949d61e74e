/* host-tools/stats/stats_table.c: what a person reads. */
#include "stats/stats_table.h"

#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

#define MIB (1ull << 20)

static Cradle__ContainerMemory one = CRADLE__CONTAINER_MEMORY__INIT,
			       two = CRADLE__CONTAINER_MEMORY__INIT,
			       going = CRADLE__CONTAINER_MEMORY__INIT;
static Cradle__ContainerMemory *containers[] = {&one, &two, &going};
static Cradle__MemoryPressure pressure = CRADLE__MEMORY_PRESSURE__INIT;
static Cradle__GuestMemory guest = CRADLE__GUEST_MEMORY__INIT;
static Cradle__MemoryState state_ = CRADLE__MEMORY_STATE__INIT;

static void fill(void)
{
	one.container_id = (char *)"web";
	one.state = (char *)"running";
	one.usage_bytes = 20 * MIB;
	one.working_set_bytes = 15 * MIB;
	one.limit_bytes = 64 * MIB;
	one.peak_bytes = 63 * MIB;
	pressure.some_avg10_permyriad = 1203;
	one.pressure = &pressure;
	one.oom_kills = 3;
	two.container_id = (char *)"a\033[31mb";
	two.state = (char *)"stopped";
	two.limit_bytes = UINT64_MAX;
	going.container_id = (char *)"going";
	going.state = (char *)"removing";
	guest.vm_bytes = 339 * MIB;
	guest.total_bytes = 297 * MIB;
	guest.kernel_reserved_bytes = 42 * MIB;
	guest.free_bytes = 200 * MIB;
	guest.unexplained_bytes = 1 * MIB;
	guest.containers_limit_bytes = 256 * MIB;
	state_.containers = containers;
	state_.n_containers = ARRAY_SIZE(containers);
	state_.guest = &guest;
}

static const char *table(bool plain)
{
	static char text[4096];
	struct buffer out;

	buffer_init(&out, 0);
	assert_int_equal(stats_table(&state_, plain, &out), 0);
	assert_true(out.len < sizeof(text));
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	buffer_release(&out);
	return text;
}

static void test_table(void **state)
{
	fill();
	assert_non_null(strstr(table(false),
		"CONTAINER  STATE       USAGE  WORKING SET   LIMIT    PEAK  PRESSURE  OOM KILLS\n"
		"web        running    20 MiB       15 MiB  64 MiB  63 MiB   12.03 %          3\n"
		"a?[31mb    stopped   0 bytes      0 bytes    none       -         -          0\n"
		"going      removing        -            -       -       -         -          0\n"
		"\n"
		"GUEST\n"));
}

static void test_guest(void **state)
{
	const char *text;

	fill();
	state_.n_containers = 0;
	text = strstr(table(false), "GUEST\n");
	assert_non_null(text);
	assert_string_equal(text, "GUEST\n"
				  "      42 MiB  kernel: image, tables of all memory, firmware\n"
				  "     200 MiB  free\n"
				  "       1 MiB  no line explains\n"
				  "     339 MiB  in all: the VM\n"
				  "     256 MiB  is the limit of all containers together\n");
	guest.unexplained_bytes = -(int64_t)(2 * MIB);
	assert_non_null(strstr(table(false), "       2 MiB  less: counted twice\n"));
}

/* From a plain agent: no count of kills, no rest, MemTotal instead of the VM. */
static void test_plain(void **state)
{
	const char *text;

	fill();
	guest.vm_bytes = 0;
	guest.containers_limit_bytes = UINT64_MAX;
	text = table(true);
	assert_null(strstr(text, "explains"));
	assert_null(strstr(text, "limit of all"));
	assert_non_null(strstr(text, "297 MiB  MemTotal\n"));
	assert_non_null(strstr(text, "12.03 %          -\n"));
}

/* Three numbers are shown when they are three. */
static void test_size(void **state)
{
	fill();
	guest.available_bytes = guest.containers_limit_bytes;
	guest.online_bytes = guest.requested_bytes = guest.vm_bytes;
	assert_null(strstr(table(false), "online"));
	assert_null(strstr(table(false), "balloon"));
	assert_null(strstr(table(false), "hypervisor"));
	assert_null(strstr(table(false), "promised"));
	assert_null(strstr(table(false), "offline"));
	guest.online_bytes = 211 * MIB;
	guest.requested_bytes = 467 * MIB;
	guest.available_bytes = 128 * MIB;
	guest.blocks_online = 2;
	guest.blocks_offline = 1;
	guest.balloon_bytes = 48 * MIB;
	assert_non_null(strstr(table(false), "48 MiB  lent to the host (balloon)\n"));
	assert_non_null(strstr(table(false), "467 MiB  is asked for by the hypervisor\n"));
	assert_non_null(strstr(table(false), "211 MiB  of the VM are online\n"));
	assert_non_null(strstr(table(false), "128 MiB  may be promised to containers\n"));
	assert_non_null(strstr(table(false), "1  of 3 memory blocks are offline\n"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table),
	cmocka_unit_test(test_guest),
	cmocka_unit_test(test_plain),
	cmocka_unit_test(test_size),
};
TEST_MAIN(tests)
