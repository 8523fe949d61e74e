/* host_room: the tightest limit from our cgroup up, in both of cgroup's versions. */
#include <string.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vm/host_room.h"

#define MIB (1ull << 20)

static void finds_the_tightest_group_of_v2(void **state)
{
	struct host_room room;

	scratch_file("v2/proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
	scratch_file("v2/proc/self/cgroup", "0::/a.slice/b/c\n");
	scratch_file("v2/sys/fs/cgroup/a.slice/memory.max", "1073741824\n");
	scratch_file("v2/sys/fs/cgroup/a.slice/b/memory.max", "536870912\n");
	scratch_file("v2/sys/fs/cgroup/a.slice/b/c/memory.max", "max\n");
	host_room_read(scratch_path("v2"), &room);
	assert_int_equal(room.memory_bytes, 2 * MIB);
	assert_int_equal(room.cgroup_bytes, 512 * MIB);
	assert_string_equal(room.cgroup, "/a.slice/b");
	assert_true(room.cpus >= 1);
}

static void finds_v1(void **state)
{
	struct host_room room;

	scratch_file(
		"v1/proc/self/cgroup", "9:cpu,cpuacct:/x\n7:memory:/docker/1\n1:name=systemd:/y\n");
	scratch_file("v1/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	scratch_file("v1/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "268435456\n");
	scratch_file(
		"v1/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n");
	host_room_read(scratch_path("v1"), &room);
	assert_int_equal(room.cgroup_bytes, 256 * MIB);
	assert_string_equal(room.cgroup, "/docker");
}

/* In a container the own group is "/" and its limit is there all the same. */
static void finds_the_root_of_a_namespace(void **state)
{
	struct host_room room;

	scratch_file("ns/proc/self/cgroup", "0::/\n");
	scratch_file("ns/sys/fs/cgroup/memory.max", "104857600\n");
	host_room_read(scratch_path("ns"), &room);
	assert_int_equal(room.cgroup_bytes, 100 * MIB);
	assert_string_equal(room.cgroup, "/");
}

static void knows_nothing_where_nothing_is(void **state)
{
	struct host_room room;

	host_room_read(scratch_mkdir("empty"), &room);
	assert_int_equal(room.memory_bytes, 0);
	assert_int_equal(room.cgroup_bytes, 0);
	scratch_file("junk/proc/self/cgroup", "::\nno colon\n0:\n\n0::\n7:memory\n");
	host_room_read(scratch_path("junk"), &room);
	assert_int_equal(room.cgroup_bytes, 0);
	host_room_read("", &room);
	assert_true(room.memory_bytes > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(finds_the_tightest_group_of_v2),
	cmocka_unit_test(finds_v1),
	cmocka_unit_test(finds_the_root_of_a_namespace),
	cmocka_unit_test(knows_nothing_where_nothing_is),
};

TEST_MAIN(tests)
