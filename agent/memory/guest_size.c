/* guest_size: see guest_size.h. Called by memory_breakdown and sandbox/guest_memory. */
#include "memory/guest_size.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"

/* sizeof(struct page) of every 64-bit kernel that does not debug its pages. */
#define PAGE_TABLE_ENTRY 64
/* VIRTIO_BALLOON_F_DEFLATE_ON_OOM, include/uapi/linux/virtio_balloon.h */
#define BALLOON_GIVES_WAY 2

uint64_t meminfo_bytes(const struct worker_file *file, const char *name)
{
	size_t len = strlen(name);
	uint64_t value;

	if (file->errnum)
		return 0;
	for (const char *line = file->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return sscanf(line + len + 1, "%" SCNu64, &value) == 1 ? value * 1024 : 0;
	}
	return 0;
}

/* ---- sysfs --------------------------------------------------------------------------------------
 */

/* The number after prefix, when that is all of the name. */
static bool numbered(const char *name, const char *prefix, uint32_t *ret)
{
	return str_starts(name, prefix) && parse_u32(name + strlen(prefix), ret) == 0;
}

int memory_blocks_read(const char *dir, struct memory_blocks *ret)
{
	struct memory_blocks blocks = {0};
	char path[PATH_MAX], state[64], text[32];
	const struct dirent *entry;
	uint32_t number;
	DIR *list = opendir(dir);

	if (!list)
		return -errno;
	path_join(path, sizeof(path), dir, "block_size_bytes");
	if (file_read(path, text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		parse_u64_base(text, 16, &blocks.block_bytes);
	}
	while ((entry = readdir(list))) {
		if (!numbered(entry->d_name, "memory", &number))
			continue;
		str_format(state, sizeof(state), "memory%u/state", number);
		if (file_read_at(dirfd(list), state, text, sizeof(text)) < 0)
			continue; /* just removed */
		if (str_starts(text, "online"))
			blocks.online++;
		else
			blocks.offline++;
	}
	closedir(list);
	*ret = blocks;
	return 0;
}

static bool has_feature(const char *driver, const char *device, unsigned bit)
{
	char path[PATH_MAX], bits[128];

	return str_format(path, sizeof(path), "%s/%s/features", driver, device) > 0 &&
	       file_read(path, bits, sizeof(bits)) > (ssize_t)bit && bits[bit] == '1';
}

void guest_devices_read(const char *dir, struct guest_devices *ret)
{
	static const char *const drivers[] = {"virtio_mem", "virtio_balloon"};
	char path[PATH_MAX];

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		const struct dirent *entry;
		uint32_t id;
		DIR *list;

		if (path_join(path, sizeof(path), dir, drivers[i]) < 0 || !(list = opendir(path)))
			continue;
		while ((entry = readdir(list))) {
			if (!numbered(entry->d_name, "virtio", &id))
				continue;
			if (i == 1) {
				ret->balloon = true;
				ret->balloon_gives_way |=
					has_feature(path, entry->d_name, BALLOON_GIVES_WAY);
			} else if (ret->virtio_mem++ < GUEST_MEMORY_DEVICES_MAX) {
				ret->virtio_mem_ids[ret->virtio_mem - 1] = id;
			}
		}
		closedir(list);
	}
}

/* ---- sums ---------------------------------------------------------------------------------------
 */

/* Ranges that are System RAM. An ordinary user is shown addresses of 0: unknown. */
static void ram_of(const struct worker_file *iomem, uint64_t *ram, uint64_t *virtio_ram)
{
	uint64_t from, to;

	*ram = *virtio_ram = 0;
	for (const char *line = iomem->errnum ? NULL : iomem->text; line;
		line = strchr(line, '\n')) {
		char what[32] = "";

		line += *line == '\n';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " : %31[^\n]", &from, &to, what) != 3 ||
			to <= from)
			continue;
		if (str_eq(what, "System RAM (virtio_mem)"))
			*virtio_ram += to - from + 1;
		else if (*line != ' ' && str_starts(what, "System RAM"))
			*ram += to - from + 1;
	}
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

static uint64_t balloon_of(const struct worker_file *vmstat)
{
	uint64_t in = 0, out = 0;

	if (vmstat->errnum)
		return 0;
	parse_keyed_u64(vmstat->text, "balloon_inflate", &in);
	parse_keyed_u64(vmstat->text, "balloon_deflate", &out);
	return less(in, out) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t tables_for(uint64_t bytes)
{
	return bytes / (uint64_t)sysconf(_SC_PAGESIZE) * PAGE_TABLE_ENTRY;
}

/* RAM that came since boot and is no virtio-mem device's: DIMMs. */
static uint64_t sticks_of(const struct guest_size *s, const struct guest_hints *hints)
{
	return hints->boot_ram ? less(s->ram, hints->boot_ram) : 0;
}

/*
 * virtio-mem plugs parts of a block; the rest of the block is in the kernel's map, but not in
 * MemTotal. So how much is plugged shows in what MemTotal has grown by; when it was never seen
 * without, whole blocks count.
 */
static uint64_t plugged_part(
	const struct guest_size *s, const struct guest_hints *hints, uint64_t offline)
{
	const uint64_t sticks = sticks_of(s, hints);
	uint64_t others, plugged;

	if (s->virtio_ram == 0 || hints->boot_total == 0)
		return s->virtio_ram;
	others = hints->boot_total + sticks - (hints->tables_in_blocks ? tables_for(sticks) : 0);
	plugged = less(s->total + s->balloon - s->balloon_in_total + offline, others);
	return plugged < s->virtio_ram ? plugged : s->virtio_ram;
}

int guest_size_of(const struct worker_file *meminfo, const struct worker_file *vmstat,
	const struct worker_file *iomem, const struct guest_hints *hints, struct guest_size *ret)
{
	const uint64_t offline = hints->blocks.offline * hints->blocks.block_bytes;
	struct guest_size s = {.total = meminfo_bytes(meminfo, "MemTotal")};
	uint64_t part;

	if (s.total == 0)
		return -EPROTO;
	ram_of(iomem, &s.ram, &s.virtio_ram);
	s.balloon = balloon_of(vmstat);
	s.balloon_in_total = hints->devices.balloon_gives_way ? s.balloon : 0;
	part = plugged_part(&s, hints, offline);
	if (s.ram > 0) {
		s.plugged = s.ram + part;
		s.online = less(s.plugged, offline);
	}
	if (hints->requested_known)
		s.requested = s.ram + hints->requested;
	s.tables = tables_for(s.virtio_ram + (hints->tables_in_blocks ? 0 : sticks_of(&s, hints)));
	s.usable = less(s.total, s.balloon_in_total);
	s.promised = s.usable;
	/* part is exact only then: otherwise a block that is plugged in part looks like a debt */
	if (s.requested && hints->boot_total)
		s.promised = less(s.usable, less(part, hints->requested));
	*ret = s;
	return 0;
}

void guest_hints_learn(struct guest_hints *hints, const struct guest_size *size)
{
	if (size->ram == 0)
		return;
	if (hints->boot_ram == 0)
		hints->boot_ram = size->ram;
	if (size->virtio_ram == 0 && size->ram == hints->boot_ram)
		hints->boot_total = size->total + size->balloon - size->balloon_in_total;
}
