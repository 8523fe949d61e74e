/* host_room: see the header. cgroup v2, and the memory controller of v1. */
#include "vm/host_room.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"

/* v1 writes "no limit" as the largest multiple of a page; anything near it is none. */
#define V1_NO_LIMIT (1ull << 62)

static void read_memory(const char *root, struct host_room *room)
{
	char path[PATH_MAX], text[4096], *line;

	str_format(path, sizeof(path), "%s/proc/meminfo", root);
	if (file_read(path, text, sizeof(text)) < 0)
		return;
	line = strstr(text, "MemTotal:");
	if (line)
		room->memory_bytes = strtoull(line + strlen("MemTotal:"), NULL, 10) * 1024;
}

/* One group's limit; a file that is not there (the root group) is none. */
static void take_limit(
	const char *mount, const char *group, const char *file, struct host_room *room)
{
	char path[PATH_MAX], text[64];
	uint64_t limit;

	if (str_format(path, sizeof(path), "%s%s/%s", mount, group, file) < 0 ||
		file_read(path, text, sizeof(text)) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u64(text, &limit) < 0 || limit >= V1_NO_LIMIT)
		return;
	if (room->cgroup_bytes && limit >= room->cgroup_bytes)
		return;
	room->cgroup_bytes = limit;
	str_copy(room->cgroup, sizeof(room->cgroup), *group ? group : "/");
}

/* From the group up to the root. */
static void walk_up(const char *mount, char *group, const char *file, struct host_room *room)
{
	char *slash;

	if (str_eq(group, "/"))
		group[0] = '\0';
	for (;;) {
		take_limit(mount, group, file, room);
		slash = strrchr(group, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* "0::/path" is v2, "7:memory:/path" v1's memory controller (cgroups(7)). */
static void take_line(const char *root, char *line, struct host_room *room)
{
	char mount[PATH_MAX], *controllers = strchr(line, ':'), *group;

	group = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!group)
		return;
	*controllers++ = '\0';
	*group++ = '\0';
	if (str_eq(line, "0") && !*controllers) {
		str_format(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
		walk_up(mount, group, "memory.max", room);
	} else if (str_eq(controllers, "memory")) {
		str_format(mount, sizeof(mount), "%s/sys/fs/cgroup/memory", root);
		walk_up(mount, group, "memory.limit_in_bytes", room);
	}
}

void host_room_read(const char *root, struct host_room *ret)
{
	char path[PATH_MAX], *line, *rest;
	_cleanup_free_ char *text = NULL;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	memset(ret, 0, sizeof(*ret));
	ret->cpus = cpus > 0 ? (uint32_t)cpus : 0;
	read_memory(root, ret);
	str_format(path, sizeof(path), "%s/proc/self/cgroup", root);
	if (file_read_alloc(path, 1 << 20, &text) < 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		take_line(root, line, ret);
}
