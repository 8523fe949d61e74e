/* test_groups: see test_groups.h. */
#include "lib/test_groups.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

const char *group_path(const char *id)
{
	static char path[PATH_MAX];
	const char *root =
		file_exists("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup";

	str_format(path, sizeof(path), "%s/cradle-test-%d%s%s", root, (int)getpid(), id ? "/" : "",
		id ? id : "");
	return path;
}

pid_t group_first_pid(const char *id)
{
	char path[PATH_MAX + 16], text[256];

	str_format(path, sizeof(path), "%s/cgroup.procs", group_path(id));
	return file_read(path, text, sizeof(text)) > 0 ? atoi(text) : 0;
}

int group_count(void)
{
	DIR *dir = opendir(group_path(NULL));
	struct dirent *entry;
	int n = 1;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	closedir(dir);
	return n;
}
