/* control_file: see control_file.h. Called by oom_monitor, oom_levels, oom_record. */
#include "memory/control_file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/path.h"

int control_read(const char *dir, const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	if (path_join(path, sizeof(path), dir, name) < 0)
		return -ENAMETOOLONG;
	n = file_read(path, out, size);
	return n < 0 ? (int)n : 0;
}

uint64_t control_number(const char *dir, const char *name)
{
	char text[64];
	uint64_t value = 0;

	if (control_read(dir, name, text, sizeof(text)) == 0) {
		text[strcspn(text, "\n")] = '\0';
		parse_u64(text, &value);
	}
	return value;
}

uint64_t control_keyed(const char *text, const char *key)
{
	uint64_t value = 0;

	parse_keyed_u64(text, key, &value);
	return value;
}
