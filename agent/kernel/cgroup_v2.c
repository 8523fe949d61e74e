/* cgroup_v2: see cgroup_versions.h. Source: Linux Documentation/admin-guide/cgroup-v2.rst. */
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/cgroup_versions.h"

bool cgroup_v2_mounted_at(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Is the word in a list with blanks between? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

/*
 * One write per controller: a controller that cannot be enabled must not take the others along.
 * What is enabled already, as in the parent of all containers, is only read.
 */
void cgroup_v2_enable(const char *mount, const char *dir)
{
	char path[PATH_MAX], list[256], enabled[256], word[64];
	const char *p = list;
	int used;

	if (path_join(path, sizeof(path), mount, "cgroup.controllers") < 0 ||
		file_read(path, list, sizeof(list)) < 0)
		return;
	if (path_join(path, sizeof(path), dir, "cgroup.subtree_control") < 0)
		return;
	if (file_read(path, enabled, sizeof(enabled)) < 0)
		enabled[0] = '\0';
	for (; sscanf(p, "%62s%n", word + 1, &used) == 1; p += used) {
		word[0] = '+';
		if (!has_word(enabled, word + 1))
			file_write(path, word);
	}
}

/* Kernels before 4.14 have no such files: there the walk of the removal has its own end. */
void cgroup_v2_bound_nesting(int fd)
{
	char number[16];

	str_format(number, sizeof(number), "%d", CGROUP_DEPTH_MAX);
	file_write_at(fd, "cgroup.max.depth", number);
	str_format(number, sizeof(number), "%d", CGROUP_DESCENDANTS_MAX);
	file_write_at(fd, "cgroup.max.descendants", number);
}

int cgroup_v2_populated(int fd)
{
	char text[256];
	uint64_t value;
	int r = (int)file_read_at(fd, "cgroup.events", text, sizeof(text));

	if (r < 0)
		return r;
	r = parse_keyed_u64(text, "populated", &value);
	return r < 0 ? r : value != 0;
}
