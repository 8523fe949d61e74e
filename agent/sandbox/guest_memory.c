/* guest_memory: see guest_memory.h. Called by sandbox.c; memory_state reads its hints. */
#include "sandbox/guest_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/kmsg.h"
#include "kernel/uevent.h"
#include "sandbox/sandbox.h"

#define BLOCKS	"/sys/devices/system/memory"
#define DRIVERS "/sys/bus/virtio/drivers"
#define TABLES	"/sys/module/memory_hotplug/parameters/memmap_on_memory"

enum { SIZE_MEMINFO, SIZE_VMSTAT, SIZE_IOMEM, SIZE_FILES };
static const char *const size_files[SIZE_FILES] = {
	[SIZE_MEMINFO] = "/proc/meminfo",
	[SIZE_VMSTAT] = "/proc/vmstat",
	[SIZE_IOMEM] = "/proc/iomem",
};

/* ---- the limit of all containers ----------------------------------------------------------------
 */

static int write_limit(const struct sandbox *sandbox, uint64_t bytes, struct error *err)
{
	char path[PATH_MAX], value[32];
	int r;

	str_format(value, sizeof(value), "%" PRIu64, bytes);
	path_join(path, sizeof(path), sandbox->cgroup_root.base, "memory.max");
	r = file_write(path, value);
	return r < 0 ? error_errno(err, -r, "write %s to %s", value, path) : 0;
}

/* The kernel cuts memory.max to whole pages. */
uint64_t guest_memory_room(const struct sandbox *sandbox, uint64_t bytes)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t reserve = sandbox->options.memory_reserve;

	return bytes > reserve ? (bytes - reserve) / page * page : 0;
}

int guest_memory_limit(struct sandbox *sandbox, struct error *err)
{
	struct worker_file meminfo = {.name = "/proc/meminfo"};
	char text[4096];
	uint64_t total, room;
	int r = (int)file_read(meminfo.name, text, sizeof(text));

	if (r < 0)
		return error_errno(err, -r, "read /proc/meminfo");
	meminfo.text = text;
	total = meminfo_bytes(&meminfo, "MemTotal");
	if (total == 0)
		return error_errno(err, EPROTO, "find MemTotal in /proc/meminfo");
	room = guest_memory_room(sandbox, total);
	if (room == 0)
		return error_errno(err, ENOMEM,
			"the guest has %" PRIu64 " bytes, all of them reserved (%" PRIu64 ")",
			total, sandbox->options.memory_reserve);
	sandbox->guest_memory.limit = sandbox->guest_memory.wanted = room;
	return write_limit(sandbox, room, err);
}

static void set_limit(struct guest_memory *memory);

static void say_limit(const struct guest_memory *memory, const struct error *err)
{
	char bytes[32], text[ERROR_RENDER_MAX];

	str_format(bytes, sizeof(bytes), "%" PRIu64, memory->limit);
	if (err)
		log_record(LOG_ERROR, "memory", "the limit of all containers stays", "bytes", bytes,
			"error", error_render(err, text, sizeof(text)), NULL);
	else
		log_record(LOG_INFO, "memory", "memory available for containers", "bytes", bytes,
			NULL);
}

static int lower_limit(void *arg, struct error *err)
{
	const struct guest_memory *memory = arg;

	return write_limit(memory->sandbox, memory->lowering_to, err);
}

static void on_lowered(struct helper *helper, int result, const struct error *err)
{
	struct guest_memory *memory = container_of(helper, struct guest_memory, helper);

	if (result < 0) {
		say_limit(memory, err);
		/* half done, perhaps: written once more when the size is looked at again */
		memory->limit = UINT64_MAX;
		return;
	}
	memory->limit = memory->lowering_to;
	say_limit(memory, NULL);
	set_limit(memory);
}

static void set_limit(struct guest_memory *memory)
{
	struct error err = ERROR_INIT;
	int r;

	if (memory->wanted == memory->limit || helper_active(&memory->helper))
		return;
	if (memory->wanted < memory->limit) {
		memory->lowering_to = memory->wanted;
		r = helper_run(memory->sandbox->loop, &memory->helper, lower_limit, memory,
			HELPER_TIMEOUT_MS, on_lowered, "lower the limit of containers", &err);
		if (r < 0)
			say_limit(memory, &err);
		return;
	}
	r = write_limit(memory->sandbox, memory->wanted, &err);
	if (r == 0)
		memory->limit = memory->wanted;
	say_limit(memory, r < 0 ? &err : NULL);
}

/* ---- what virtio-mem was asked for --------------------------------------------------------------
 */

static void note(struct guest_memory *memory, uint32_t id, uint64_t bytes)
{
	unsigned i = 0;

	while (i < memory->said_count && memory->said[i].id != id)
		i++;
	if (i == GUEST_MEMORY_DEVICES_MAX)
		return;
	if (i == memory->said_count)
		memory->said_count++;
	memory->said[i].id = id;
	memory->said[i].bytes = bytes;
}

/* False: there is no such device, or one of which the log says nothing (any more). */
static bool sum_requested(const struct guest_memory *memory, uint64_t *ret)
{
	const struct guest_devices *devices = &memory->hints.devices;

	*ret = 0;
	if (devices->virtio_mem == 0 || devices->virtio_mem > GUEST_MEMORY_DEVICES_MAX)
		return false;
	for (unsigned i = 0; i < devices->virtio_mem; i++) {
		unsigned k = 0;

		while (k < memory->said_count && memory->said[k].id != devices->virtio_mem_ids[i])
			k++;
		if (k == memory->said_count)
			return false;
		*ret += memory->said[k].bytes;
	}
	return true;
}

static void read_requested(struct guest_memory *memory)
{
	struct guest_hints *hints = &memory->hints;
	uint64_t bytes;
	uint32_t id;

	if (hints->devices.virtio_mem && memory->kmsg < 0)
		memory->kmsg = kmsg_open_oldest();
	while (memory->kmsg >= 0 && kmsg_next_requested(memory->kmsg, &id, &bytes))
		note(memory, id, bytes);
	hints->requested_known = sum_requested(memory, &hints->requested);
}

/* ---- a look -------------------------------------------------------------------------------------
 */

static void look(struct guest_memory *memory);

static void on_timer(struct event_timer *timer)
{
	look(container_of(timer, struct guest_memory, timer));
}

static void look_later(struct guest_memory *memory, unsigned ms)
{
	event_timer_start(memory->sandbox->loop, &memory->timer, ms, on_timer, "guest memory");
}

/* However much news there is, a look is not taken at each. */
static void look_soon(struct guest_memory *memory)
{
	if (memory->reading) {
		memory->again = true;
	} else if (!memory->soon) {
		memory->soon = true;
		look_later(memory, GUEST_SIZE_AGAIN_MS);
	}
}

static void take_size(struct guest_memory *memory, const struct guest_size *size)
{
	const uint64_t room = guest_memory_room(memory->sandbox, size->usable);

	guest_hints_learn(&memory->hints, size);
	if (room > 0) /* none would kill everybody: the last one stays */
		memory->wanted = room;
	set_limit(memory);
}

static void on_size(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct guest_memory *memory = container_of(request, struct guest_memory, request);
	const struct guest_devices *devices = &memory->hints.devices;
	struct guest_size size;

	memory->reading = false;
	if (result == 0)
		result = guest_size_of(&files[SIZE_MEMINFO], &files[SIZE_VMSTAT],
			&files[SIZE_IOMEM], &memory->hints, &size);
	if (result == 0)
		take_size(memory, &size);
	if (memory->again)
		look_soon(memory);
	else if (result < 0 || devices->balloon || devices->virtio_mem ||
		 memory->wanted != memory->limit)
		look_later(memory, GUEST_SIZE_LOOK_MS);
}

/* Kernel memory is read here, /proc by the worker; on_size() goes on. */
static void look(struct guest_memory *memory)
{
	struct guest_hints *hints = &memory->hints;
	char text[8];

	memory->again = memory->soon = false;
	event_timer_stop(&memory->timer);
	memory_blocks_read(BLOCKS, &hints->blocks);
	guest_devices_read(DRIVERS, &hints->devices);
	hints->tables_in_blocks = file_read(TABLES, text, sizeof(text)) > 0 && text[0] != 'N';
	read_requested(memory);
	if (worker_read(memory->sandbox->worker, &memory->request, "/", size_files, SIZE_FILES,
		    on_size) == 0)
		memory->reading = true;
	else
		look_later(memory, GUEST_SIZE_LOOK_MS);
}

/* ---- news ---------------------------------------------------------------------------------------
 */

/* A burst (a block is added, then goes online) is one look: what is there is read first. */
static void on_uevents(struct event_source *source, uint32_t events)
{
	struct guest_memory *memory = container_of(source, struct guest_memory, uevents);
	char buffer[8192];
	struct uevent event;
	bool news = false;

	for (int i = 0; i < UEVENTS_A_TURN; i++) {
		int r = uevent_next(source->fd, buffer, sizeof(buffer), &event);

		if (r == 0)
			break;
		news |= r < 0 || str_eq(event.subsystem, "memory") ||
			(str_eq(event.subsystem, "virtio") && str_eq(event.action, "bind"));
	}
	if (news)
		look_soon(memory);
}

void guest_memory_watch(struct sandbox *sandbox)
{
	struct guest_memory *memory = &sandbox->guest_memory;
	int fd = uevent_open();
	int r = fd;

	memory->sandbox = sandbox;
	memory->kmsg = -1;
	if (fd >= 0)
		r = event_source_add(
			sandbox->loop, &memory->uevents, fd, EPOLLIN, on_uevents, "uevents");
	if (r < 0) {
		log_printf(LOG_WARN, "memory", "memory that is added is not noticed: %s",
			errno_name(-r));
		close_fd(&fd);
	}
	look(memory);
}

void guest_memory_release(struct guest_memory *memory)
{
	int fd = memory->uevents.fd;

	if (!memory->sandbox)
		return;
	if (event_source_added(&memory->uevents)) {
		event_source_remove(&memory->uevents);
		close_fd(&fd);
	}
	close_fd(&memory->kmsg);
	event_timer_stop(&memory->timer);
	if (memory->reading)
		worker_cancel(&memory->request);
	helper_cancel(&memory->helper);
}
