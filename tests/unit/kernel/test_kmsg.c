/* agent/kernel/kmsg.c: the kernel's line about an OOM kill, with names that a container chose. */
#include "kernel/kmsg.h"

#include <stdio.h>
#include <string.h>

#include "lib/test_main.h"

/* The form is that of dump_oom_victim() in Linux mm/oom_kill.c. */
static bool parse(const char *group, const char *task, struct kmsg_oom *ret)
{
	char record[1024];

	snprintf(record, sizeof(record),
		"6,812,5000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,"
		"mems_allowed=0,oom_memcg=%s,task_memcg=%s,task=%s,pid=4711,uid=0\n SUBSYSTEM=x\n",
		group, group, task);
	return kmsg_parse_oom(record, ret);
}

static void test_plain(void **state)
{
	struct kmsg_oom oom;

	assert_true(parse("/cradle/c1", "tail", &oom));
	assert_string_equal(oom.task_memcg, "/cradle/c1");
	assert_string_equal(oom.comm, "tail");
	assert_int_equal(oom.pid, 4711);
}

static void test_names_of_tasks(void **state)
{
	static const char *const names[] = {
		"a,pid=1,uid=2", "x,task=y", ",", "", "a b;c,d=e", "fifteen bytes.."};
	struct kmsg_oom oom;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(parse("/cradle/c1", names[i], &oom));
		assert_string_equal(oom.comm, names[i]);
		assert_string_equal(oom.task_memcg, "/cradle/c1");
		assert_int_equal(oom.pid, 4711);
	}
}

/* A group that calls itself like another container's is not believed. */
static void test_names_of_groups(void **state)
{
	struct kmsg_oom oom;

	assert_false(parse("/cradle/c1/x,task_memcg=/cradle/c2", "tail", &oom));
	assert_true(parse("/cradle/c1/x,task=y,pid=1", "tail", &oom));
	assert_string_equal(oom.comm, "tail");
	assert_int_equal(oom.pid, 4711);
}

/* The line after the kill: how much the victim held. Its name may look like the rest of the line.
 */
static void test_sizes(void **state)
{
	static const char *const names[] = {"tail", "a) total-vm:1k", "(b) 4 (c", ""};
	static const char *const starts[] = {"Memory cgroup out of memory", "Out of memory"};
	struct kmsg_oom oom;
	char record[512];

	for (size_t i = 0; i < 8; i++) {
		snprintf(record, sizeof(record),
			"3,815,5003,-;%s: Killed process 4711 (%s) total-vm:66752kB, "
			"anon-rss:64764kB, file-rss:4kB, shmem-rss:12kB, UID:0 pgtables:168kB "
			"oom_score_adj:0\n SUBSYSTEM=x\n",
			starts[i % 2], names[i / 2]);
		assert_true(kmsg_parse_oom(record, &oom));
		assert_true(oom.sized);
		assert_int_equal(oom.pid, 4711);
		assert_string_equal(oom.comm, names[i / 2]);
		assert_int_equal(oom.anon, 64764 * 1024);
		assert_int_equal(oom.file, 4 * 1024);
		assert_int_equal(oom.shmem, 12 * 1024);
	}
	/* a process wrote it (facility 1), or it is cut */
	record[0] = '9';
	assert_false(kmsg_parse_oom(record, &oom));
	record[0] = '3';
	*strstr(record, "file-rss") = '\0';
	assert_false(kmsg_parse_oom(record, &oom));
}

static void test_other_lines(void **state)
{
	struct kmsg_oom oom;

	assert_false(kmsg_parse_oom("", &oom));
	assert_false(kmsg_parse_oom("6,1,2,-;oom-kill:", &oom));
	assert_false(kmsg_parse_oom("6,1,2,-;something,task_memcg=/a,task=b,pid=1,uid=0", &oom));
	assert_false(kmsg_parse_oom("6,1,2,-;oom-kill:x,task_memcg=/a,task=b,pid=no,uid=0", &oom));
}

/* As 6.1 writes it when a device's size is asked for. */
static void test_virtio_mem(void **state)
{
	uint32_t device;
	uint64_t bytes;

	assert_true(kmsg_parse_requested("6,300,5000,-;virtio_mem virtio12: requested size: "
					 "0xc000000\n SUBSYSTEM=virtio\n",
		&device, &bytes));
	assert_int_equal(device, 12);
	assert_int_equal(bytes, 192 * 1024 * 1024);
	assert_false(kmsg_parse_requested(
		"6,1,5,-;virtio_mem virtio12: plugged size: 0x8000000\n", &device, &bytes));
	/* what a program wrote to /dev/kmsg */
	assert_false(kmsg_parse_requested(
		"12,1,5,-;virtio_mem virtio12: requested size: 0x1\n", &device, &bytes));
	assert_false(kmsg_parse_requested("6", &device, &bytes));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_plain),
	cmocka_unit_test(test_names_of_tasks),
	cmocka_unit_test(test_names_of_groups),
	cmocka_unit_test(test_sizes),
	cmocka_unit_test(test_other_lines),
	cmocka_unit_test(test_virtio_mem),
};
TEST_MAIN(tests)
