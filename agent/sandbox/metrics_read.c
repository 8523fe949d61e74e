/* metrics_read: see metrics_read.h. Called by service/memory_service. */
#include "sandbox/metrics_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/helper_process.h"
#include "base/strings.h"
#include "base/worker_process.h"
#include "hard_limits.h"
#include "kernel/mount.h"
#include "memory/metrics_text.h"
#include "sandbox/memory_state.h"
#include "sandbox/sandbox.h"

/* A file system that hangs is left out, with those after it. */
#define STATFS_TIMEOUT_MS 1000

/* Shared with the helper, which fills in the numbers. */
struct filesystem_table {
	size_t count;
	bool done[FILESYSTEMS_MAX];
	dev_t dev[FILESYSTEMS_MAX];
	struct filesystem_use use[FILESYSTEMS_MAX];
};

struct metrics_read {
	struct sandbox *sandbox;
	struct arena *arena;
	metrics_read_fn done;
	void *owner;
	struct memory_state *state; /* while it is being read */
	Cradle__MemoryState memory;
	struct helper helper;
	struct filesystem_table *table;
	struct worker_request request;
	const char *names[METRICS_FILES];
	char agent_names[3][32];
};

static uint64_t scrapes; /* of this agent's life */

static void release(struct metrics_read *read)
{
	if (read->table)
		munmap(read->table, sizeof(*read->table));
	free(read);
}

static void end(struct metrics_read *read, char *text, const struct error *err)
{
	read->done(read->owner, text, err);
	release(read);
}

static void end_failed(struct metrics_read *read, int errnum)
{
	struct error err = ERROR_INIT;

	error_errno(&err, errnum, "read metrics");
	end(read, NULL, &err);
}

/* ---- file systems -------------------------------------------------------------------------------
 */

/* Those that the contract names, writable, each device once. */
static int note_filesystem(const struct mount_entry *entry, void *context)
{
	static const char *const types[] = {"ext4", "xfs", "btrfs", "vfat", "overlay"};
	struct filesystem_table *table = context;
	struct filesystem_use *use = &table->use[table->count];
	const char *slash = strrchr(entry->source, '/');
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		known |= str_eq(entry->fstype, types[i]);
	if (!known || str_eq(entry->options, "ro") || str_starts(entry->options, "ro,") ||
		str_eq(entry->super_options, "ro") || str_starts(entry->super_options, "ro,"))
		return 0;
	for (size_t i = 0; i < table->count; i++)
		if (table->dev[i] == entry->dev)
			return 0;
	if (str_copy(use->mount, sizeof(use->mount), entry->mount_point) < 0)
		return 0; /* would be the name of another place */
	str_copy(use->device, sizeof(use->device), slash ? slash + 1 : entry->source);
	table->dev[table->count++] = entry->dev;
	return table->count == FILESYSTEMS_MAX;
}

/* Runs in the helper. */
static int ask_filesystems(void *arg, struct error *err)
{
	struct filesystem_table *table = arg;

	for (size_t i = 0; i < table->count; i++) {
		struct filesystem_use *use = &table->use[i];
		struct statfs fs;
		uint64_t unit;

		if (statfs(use->mount, &fs) < 0)
			continue;
		unit = fs.f_frsize ? (uint64_t)fs.f_frsize : (uint64_t)fs.f_bsize;
		use->bytes[0] = fs.f_blocks * unit;
		use->bytes[1] = (fs.f_blocks - fs.f_bfree) * unit;
		use->bytes[2] = fs.f_bavail * unit;
		use->inodes[0] = fs.f_files;
		use->inodes[1] = fs.f_files - fs.f_ffree;
		use->inodes[2] = fs.f_ffree;
		table->done[i] = true;
	}
	return 0;
}

static void drop_unasked(struct filesystem_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++)
		if (table->done[i])
			table->use[kept++] = table->use[i];
	table->count = kept;
}

/* ---- the steps: memory state, file systems, files of /proc --------------------------------------
 */

static void on_files(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct metrics_read *read = container_of(request, struct metrics_read, request);
	const struct oom_record *records[OOM_RECORDS_MAX];
	struct metrics_input in = {.files = files,
		.memory = &read->memory,
		.filesystems = read->table->use,
		.filesystem_count = read->table->count,
		.boot = read->sandbox->boot,
		.scrapes = scrapes + 1,
		.oom_events_dropped = oom_monitor_dropped(read->sandbox->oom),
		.oom_kills = oom_monitor_kills(read->sandbox->oom),
		.records = records};
	struct buffer out;
	char *text = NULL;
	uint64_t lost;

	scrapes++;
	in.record_count =
		oom_monitor_records(read->sandbox->oom, false, records, ARRAY_SIZE(records), &lost);
	buffer_init(&out, METRICS_TEXT_MAX);
	if (result == 0)
		result = metrics_text(&in, &out);
	if (result == 0) {
		text = arena_strndup(read->arena, (char *)out.data, out.len);
		result = text ? 0 : -ENOMEM;
	}
	buffer_release(&out);
	if (result < 0)
		end_failed(read, -result);
	else
		end(read, text, NULL);
}

static void read_files(struct metrics_read *read)
{
	static const char *const agent[] = {"stat", "status", "io"};
	static const char *const guest[] = {
		"loadavg", "vmstat", "meminfo", "stat", "diskstats", "net/dev"};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(agent); i++) {
		str_format(read->agent_names[i], sizeof(read->agent_names[i]), "%d/%s",
			(int)getpid(), agent[i]);
		read->names[METRICS_AGENT_STAT + i] = read->agent_names[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(guest); i++)
		read->names[METRICS_LOADAVG + i] = guest[i];
	r = worker_read(read->sandbox->worker, &read->request, "/proc", read->names, METRICS_FILES,
		on_files);
	if (r < 0)
		end_failed(read, -r);
}

/* Whatever became of the helper: what it has told counts. */
static void on_filesystems(struct helper *helper, int result, const struct error *err)
{
	struct metrics_read *read = container_of(helper, struct metrics_read, helper);

	drop_unasked(read->table);
	read_files(read);
}

static void on_memory(void *owner, const struct error *err)
{
	struct metrics_read *read = owner;
	struct error own = ERROR_INIT;

	read->state = NULL;
	if (err) {
		end(read, NULL, err);
		return;
	}
	mountinfo_for_each(NULL, note_filesystem, read->table);
	if (read->table->count == 0) {
		read_files(read);
		return;
	}
	if (helper_run(read->sandbox->loop, &read->helper, ask_filesystems, read->table,
		    STATFS_TIMEOUT_MS, on_filesystems, "statfs", &own) < 0)
		end(read, NULL, &own);
}

int metrics_read(struct sandbox *sandbox, struct arena *arena, metrics_read_fn done, void *owner,
	struct metrics_read **ret, struct error *err)
{
	struct metrics_read *read = calloc(1, sizeof(*read));
	void *table = MAP_FAILED;
	int r;

	if (read)
		table = mmap(NULL, sizeof(*read->table), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED) {
		free(read);
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read metrics");
	}
	read->sandbox = sandbox;
	read->arena = arena;
	read->done = done;
	read->owner = owner;
	read->table = table;
	cradle__memory_state__init(&read->memory);
	r = memory_state_read(sandbox, arena, &read->memory, on_memory, read, &read->state, err);
	if (r < 0) {
		release(read);
		return r;
	}
	*ret = read;
	return 0;
}

void metrics_read_cancel(struct metrics_read *read)
{
	if (read->state)
		memory_state_cancel(read->state);
	helper_cancel(&read->helper);
	if (!list_empty(&read->request.node))
		worker_cancel(&read->request);
	release(read);
}
