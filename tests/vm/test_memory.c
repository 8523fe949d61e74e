/*
 * Memory in real guests of three sizes, a boot each: the breakdown adds up, empty and loaded;
 * figures are true.
 */
#define TEST_TIMEOUT 600
#include "lib/agent_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/known_memory.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MIB (1024 * 1024)

static struct agent agent;

/* What it can hold decides how many containers of 6 MiB there are beside one of 30. */
static const struct guest_kind {
	const char *memory;
	uint64_t bytes;
	int small;
} kinds[] = {{"64M", 64 * MIB, 2}, {"256M", 256 * MIB, 10}, {"1G", 1024ull * MIB, 3}};
static const struct guest_kind *kind;
static char rootfs[256];

/* The usual root file system and the program that holds known amounts. */
static void make_rootfs(void)
{
	char command[512];

	str_format(rootfs, sizeof(rootfs), "%s", scratch_path("known"));
	str_format(command, sizeof(command), "cp -a " ROOTFS_PATH " %s", rootfs);
	if (system(command) != 0)
		fail_msg("copy " ROOTFS_PATH);
	known_memory_prepare(rootfs);
}

static int start(void **state)
{
	kind = *state;
	if (str_empty(rootfs))
		make_rootfs();
	agent_start_vm_from(&agent, kind->memory, rootfs);
	return 0;
}

static int stop(void **state)
{
	agent_stop(&agent);
	return 0;
}

static void run_limited(const char *id, const char *script, int64_t limit)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct test_container c;

	container_fill(&c, &agent, id, argv);
	container_limit(&c, limit);
	container_send(&agent, &c);
	container_start_id(&agent, id);
}

static const Cradle__MemoryState *memory_state(struct client_call *call)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;

	assert_int_equal(agent_call(&agent, call, "GetMemoryState", &request, NULL), 0);
	return (void *)call->response;
}

/* ---- figures ------------------------------------------------------------------------------------
 */

/* What no line explains is at most 1 % of the VM or 3 MiB, and the lines make up the VM. */
static void assert_adds_up(const Cradle__GuestMemory *g)
{
	const int64_t bar = g->vm_bytes / 100 > 3 * MIB ? (int64_t)g->vm_bytes / 100 : 3 * MIB;
	uint64_t sum = g->kernel_reserved_bytes + g->kernel_slab_bytes + g->kernel_stack_bytes +
		       g->kernel_page_table_bytes + g->kernel_percpu_bytes +
		       g->kernel_vmalloc_bytes + g->agent_bytes + g->other_process_bytes +
		       g->page_cache_bytes + g->container_bytes + g->huge_page_bytes +
		       g->free_bytes;

	print_message("# VM %" PRIu64 " KiB, containers %" PRIu64 " KiB, unexplained %" PRId64
		      " KiB of at most %" PRId64 "\n",
		g->vm_bytes / 1024, g->container_bytes / 1024, g->unexplained_bytes / 1024,
		bar / 1024);
	assert_true(g->total_bytes > kind->bytes && g->vm_bytes > g->total_bytes);
	assert_true(g->vm_bytes < kind->bytes + kind->bytes / 8 + 150u * MIB);
	assert_true((int64_t)g->vm_bytes == (int64_t)sum + g->unexplained_bytes);
	assert_true(g->unexplained_bytes <= bar && g->unexplained_bytes >= -bar);
}

static void test_empty_guest_adds_up(void **state)
{
	struct client_call call = {0};
	const Cradle__MemoryState *memory = memory_state(&call);

	assert_int_equal(memory->n_containers, 0);
	assert_adds_up(memory->guest);
	assert_non_null(memory->guest->pressure);
	client_call_release(&call);
}

/* dd keeps its whole buffer while nobody takes what it writes. */
#define HOLD_ANON(mib) "dd if=/dev/zero bs=" #mib "M count=2 2>/dev/null | sleep 1000"

/* Containers with 3 MiB of anonymous memory and 3 MiB of files each, and one with 20 and 10. */
static void test_loaded_guest_adds_up(void **state)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	const Cradle__ContainerMemory *big;
	const Cradle__MemoryState *memory;
	struct client_call call = {0}, output = {0};
	char id[16];

	read.container_id = id;
	read.len = 100;
	for (int i = 0; i <= kind->small; i++) {
		str_format(id, sizeof(id), "load%d", i);
		run_limited(id,
			i < kind->small
				? "dd if=/dev/zero of=/f bs=1M count=3 2>/dev/null; (sleep 1; "
				  "echo) "
				  "& " HOLD_ANON(3)
				: "dd if=/dev/zero of=/f bs=1M count=10 2>/dev/null; (sleep 1; "
				  "echo) & " HOLD_ANON(20),
			64 * MIB);
	}
	/* the echo comes a second after the file was written: dd has its buffer by then */
	for (int i = 0; i <= kind->small; i++) {
		str_format(id, sizeof(id), "load%d", i);
		assert_int_equal(agent_call(&agent, &output, "ReadStdout", &read, NULL), 0);
		client_call_release(&output);
	}
	memory = memory_state(&call);
	assert_int_equal(memory->n_containers, kind->small + 1);
	big = memory->containers[kind->small];
	assert_string_equal(big->container_id, id);
	assert_true(big->limit_bytes == 64 * MIB);
	assert_true(big->anon_bytes >= 20 * MIB - 64 * 4096 && big->anon_bytes < 21 * MIB);
	assert_true(big->shmem_bytes >= 10 * MIB - 64 * 4096 &&
		    big->shmem_bytes < 10 * MIB + 256 * 1024);
	assert_true(big->file_bytes >= big->shmem_bytes);
	assert_true(big->usage_bytes >= big->anon_bytes + big->file_bytes);
	assert_true(big->usage_bytes <
		    big->anon_bytes + big->file_bytes + big->kernel_bytes + 2 * 64 * 4096);
	assert_true(memory->guest->container_bytes > (uint64_t)kind->small * 6 * MIB + 30 * MIB);
	assert_true(memory->guest->removed_container_bytes < 2 * MIB);
	assert_adds_up(memory->guest);
	client_call_release(&call);
	for (int i = 0; i <= kind->small; i++) {
		str_format(id, sizeof(id), "load%d", i);
		container_remove_id(&agent, id);
	}
	memory = memory_state(&call);
	assert_int_equal(memory->n_containers, 0);
	assert_adds_up(memory->guest);
	client_call_release(&call);
}

/* Anonymous, file, shmem and kernel memory, by our own figures and by each shim's formula. */
static void test_known_amounts(void **state)
{
	known_memory_check(&agent, 1, false);
}

/* A tmpfs of the spec: no larger than its size=, and what it holds is the container's shmem. */
static void test_tmpfs_size(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"dd if=/dev/zero of=/full/f bs=1M count=16 2>/dev/null; echo $?; sleep 1000", NULL};
	static const char *const options[] = {"size=8m"};
	const Cradle__ContainerMemory *memory;
	struct client_call call = {0};
	struct test_container c;

	container_fill(&c, &agent, "full", argv);
	container_limit(&c, 64 * MIB);
	grpc__mount__init(&c.mounts[3]);
	c.mounts[3].destination = (char *)"/full";
	c.mounts[3].type = c.mounts[3].source = (char *)"tmpfs";
	c.mounts[3].options = (char **)options;
	c.mounts[3].n_options = 1;
	c.mount_list[3] = &c.mounts[3];
	c.spec.n_mounts = 4;
	container_send(&agent, &c);
	container_start_id(&agent, "full");
	container_expect_line(&agent, "full", "1\n");
	memory = memory_state(&call)->containers[0];
	assert_string_equal(memory->container_id, "full");
	assert_true(memory->shmem_bytes >= 8 * MIB - 64 * 4096 &&
		    memory->shmem_bytes <= 8 * MIB + 64 * 4096);
	assert_true(memory->file_bytes >= memory->shmem_bytes);
	assert_true(((Cradle__MemoryState *)call.response)->guest->container_bytes >=
		    memory->shmem_bytes);
	assert_adds_up(((Cradle__MemoryState *)call.response)->guest);
	client_call_release(&call);
	container_remove_id(&agent, "full");
}

#define FIRST(test, of)                                                                            \
	cmocka_unit_test_prestate_setup_teardown(test, start, NULL, (void *)(uintptr_t)&kinds[of])
#define LAST(test) cmocka_unit_test_teardown(test, stop)

static const struct CMUnitTest tests[] = {
	FIRST(test_empty_guest_adds_up, 0),
	LAST(test_loaded_guest_adds_up),
	FIRST(test_empty_guest_adds_up, 1),
	cmocka_unit_test(test_known_amounts),
	cmocka_unit_test(test_tmpfs_size),
	LAST(test_loaded_guest_adds_up),
	FIRST(test_empty_guest_adds_up, 2),
	LAST(test_loaded_guest_adds_up),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
