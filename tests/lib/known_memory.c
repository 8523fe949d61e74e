/* known_memory: see known_memory.h. */
#include "lib/known_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "lib/test_main.h"
#include "programs/memory_holder.h"

#define MIB (1ll << 20)

/* What the page cache holds of it is charged to who reads it first: so nobody may have it yet. */
static void make_payload(const char *rootfs)
{
	char path[512], block[256];
	int fd;

	str_format(path, sizeof(path), "%s/payload", rootfs);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	/* random: an image may be compressed */
	for (size_t done = 0; done < FILE_MIB * MIB; done += sizeof(block)) {
		assert_int_equal(getrandom(block, sizeof(block), 0), sizeof(block));
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	}
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

void known_memory_prepare(const char *rootfs)
{
	char command[1024];

	str_format(command, sizeof(command), "cp " HOLDER_PATH " %s/bin/memory_holder", rootfs);
	if (system(command) != 0)
		fail_msg("copy " HOLDER_PATH);
	make_payload(rootfs);
}

/* ---- what we say of it --------------------------------------------------------------------------
 */

/*
 * As CRI shows it, by way of each shim (containerd-shim-v2/metrics.go, setMemoryStatsV1 and V2;
 * runtime-rs trans_from_agent.rs; then containerd's CRI): a working set is usage less inactive page
 * cache. Kata's Go shim asks for v1's or v2's names by the cgroup version of its *host*, and by
 * use_hierarchy for the total_ ones; runtime-rs always asks for v1's.
 */
struct figures {
	/* cradle.Memory */
	int64_t anon, file, shmem, kernel, usage, working_set;
	/* StatsContainer, its own fields */
	int64_t stats_usage, stats_cache, stats_kernel;
	/* Go shim, v1 host */
	int64_t go1_rss, go1_cache, go1_working_set;
	/* Go shim, v2 host; -1: a v1 guest has no such names */
	int64_t go2_anon, go2_file, go2_shmem, go2_working_set;
	/* runtime-rs */
	int64_t rs_rss, rs_cache, rs_working_set;
};

static int64_t named(const Grpc__MemoryStats *m, const char *name)
{
	for (size_t i = 0; i < m->n_stats; i++)
		if (str_eq(m->stats[i]->key, name))
			return (int64_t)m->stats[i]->value;
	fail_msg("no %s in the map", name);
	return 0;
}

static void ask_shims(const Grpc__MemoryStats *m, bool v1, struct figures *f)
{
	f->stats_usage = (int64_t)m->usage->usage;
	f->stats_cache = (int64_t)m->cache;
	f->stats_kernel = (int64_t)m->kernel_usage->usage;
	f->go1_rss = named(m, m->use_hierarchy ? "total_rss" : "rss");
	f->go1_cache = named(m, m->use_hierarchy ? "total_cache" : "cache");
	f->go1_working_set = f->stats_usage - named(m, "total_inactive_file");
	f->rs_rss = named(m, "total_rss");
	f->rs_cache = f->stats_cache;
	f->rs_working_set = f->stats_usage - named(m, "total_inactive_file");
	if (v1)
		return;
	f->go2_anon = named(m, "anon");
	f->go2_file = named(m, "file");
	f->go2_shmem = named(m, "shmem");
	f->go2_working_set = f->stats_usage - named(m, "inactive_file");
}

static struct figures ask(struct agent *agent, bool v1)
{
	Cradle__GetMemoryStateRequest request = CRADLE__GET_MEMORY_STATE_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	const Cradle__ContainerMemory *memory;
	struct client_call call = {0};
	struct figures f = {0};

	assert_int_equal(agent_call(agent, &call, "GetMemoryState", &request, NULL), 0);
	assert_int_equal(((Cradle__MemoryState *)call.response)->n_containers, 1);
	memory = ((Cradle__MemoryState *)call.response)->containers[0];
	f.anon = (int64_t)memory->anon_bytes;
	f.file = (int64_t)memory->file_bytes;
	f.shmem = (int64_t)memory->shmem_bytes;
	f.kernel = (int64_t)memory->kernel_bytes;
	f.usage = (int64_t)memory->usage_bytes;
	f.working_set = (int64_t)memory->working_set_bytes;
	stats.container_id = (char *)"known";
	assert_int_equal(agent_call(agent, &call, "StatsContainer", &stats, NULL), 0);
	ask_shims(((Grpc__StatsContainerResponse *)call.response)->cgroup_stats->memory_stats, v1,
		&f);
	client_call_release(&call);
	return f;
}

/* ---- the truth ----------------------------------------------------------------------------------
 */

/*
 * What CPUs have charged ahead: 64 pages (MEMCG_CHARGE_BATCH), and less than a page for small
 * objects (struct memcg_stock_pcp; Linux mm/memcontrol.c).
 */
static int64_t slack;

/*
 * The kernel's own memory for so much: 576 bytes of index for 64 pages of page cache (struct
 * xa_node), 8 bytes of page table for a page that is mapped; in whole pages.
 */
static int64_t index_of(int64_t anon, int64_t file, int64_t shmem)
{
	const int64_t page = sysconf(_SC_PAGESIZE);
	const int64_t bytes = (file + shmem) / page / 64 * 576 + (anon + shmem) / page * 8;

	return (bytes + page - 1) / page * page;
}

static void expect(const char *word, const char *what, int64_t before, int64_t now, int64_t truth)
{
	int64_t error = now - before - truth;

	if (error > slack || error < -slack)
		fail_msg("after %s, %s has grown by %" PRId64 " KiB, not by %" PRId64
			 "; the kernel's error is %" PRId64,
			word, what, (now - before) / 1024, truth / 1024, slack / 1024);
}

#define EXPECT(field, truth) expect(word, #field, before->field, now.field, truth)

/* What it holds more than before: anonymous, page cache, shmem, kernel, in bytes. */
static void check_growth(const char *word, const struct figures *before, struct figures now,
	int64_t anon, int64_t file, int64_t shmem, int64_t kernel, bool v1)
{
	const int64_t kernels = kernel + index_of(anon, file, shmem);
	const int64_t all = anon + file + shmem + kernels;
	/* what is read once is inactive page cache: in no working set */
	const int64_t working_set = all - file;

	EXPECT(anon, anon);
	EXPECT(file, file + shmem);
	EXPECT(shmem, shmem);
	EXPECT(kernel, kernels);
	EXPECT(usage, all);
	EXPECT(working_set, working_set);
	EXPECT(stats_usage, all);
	EXPECT(stats_cache, file + shmem);
	EXPECT(stats_kernel, kernels);
	EXPECT(go1_rss, anon);
	EXPECT(go1_cache, file + shmem);
	EXPECT(go1_working_set, working_set);
	EXPECT(rs_rss, anon);
	EXPECT(rs_cache, file + shmem);
	EXPECT(rs_working_set, working_set);
	if (v1)
		return;
	EXPECT(go2_anon, anon);
	EXPECT(go2_file, file + shmem);
	EXPECT(go2_shmem, shmem);
	EXPECT(go2_working_set, working_set);
}

void known_memory_check(struct agent *agent, unsigned cpus, bool v1)
{
	static const char *const argv[] = {"/bin/memory_holder", NULL};
	static const struct {
		const char *word;
		int64_t anon, file, shmem, kernel;
	} kinds[] = {{"anon\n", ANON_MIB * MIB, 0, 0, 0}, {"file\n", 0, FILE_MIB * MIB, 0, 0},
		{"shmem\n", 0, 0, SHMEM_MIB * MIB, 0}, {"kernel\n", 0, 0, 0, KERNEL_MIB * MIB}};
	struct figures first, before, now;
	struct test_container c;

	slack = (64 + 1) * (int64_t)cpus * sysconf(_SC_PAGESIZE);
	container_fill(&c, agent, "known", argv);
	container_limit(&c, 64 * MIB);
	container_send(agent, &c);
	container_start_id(agent, "known");
	container_expect_line(agent, "known", "up\n");
	first = before = ask(agent, v1);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		container_write(agent, "known", "", kinds[i].word);
		container_expect_line(agent, "known", kinds[i].word);
		now = ask(agent, v1);
		check_growth(kinds[i].word, &before, now, kinds[i].anon, kinds[i].file,
			kinds[i].shmem, kinds[i].kernel, v1);
		before = now;
	}
	/* and all of it together: errors do not add up */
	check_growth("all", &first, now, ANON_MIB * MIB, FILE_MIB * MIB, SHMEM_MIB * MIB,
		KERNEL_MIB * MIB, v1);
	container_remove_id(agent, "known");
}
