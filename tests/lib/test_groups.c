/* test_groups: see test_groups.h. */
#include "lib/test_groups.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"

bool groups_v1_only(void)
{
	const char *mode = getenv("CRADLE_TEST_CGROUP");

	return mode && str_starts(mode, "v1");
}

bool groups_bare(void)
{
	return str_eq(getenv("CRADLE_TEST_CGROUP"), "v1-bare");
}

const char *group_path(const char *id)
{
	static char path[PATH_MAX];
	const char *root = groups_v1_only()			   ? "/sys/fs/cgroup/freezer"
			   : file_exists("/sys/fs/cgroup/unified") ? "/sys/fs/cgroup/unified"
								   : "/sys/fs/cgroup";

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

static int count_below(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 1;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

int group_count(void)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *root;
	int n = count_below(group_path(NULL));

	/* a hybrid machine's v1 hierarchies lie beside the unified one */
	if (!file_exists("/sys/fs/cgroup/unified") || !(root = opendir("/sys/fs/cgroup")))
		return n;
	while ((entry = readdir(root))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
			str_eq(entry->d_name, "unified"))
			continue;
		str_format(path, sizeof(path), "/sys/fs/cgroup/%s/cradle-test-%d", entry->d_name,
			(int)getpid());
		n += count_below(path);
	}
	closedir(root);
	return n;
}

bool group_frozen(const char *id)
{
	char path[PATH_MAX + 32], text[256];

	str_format(path, sizeof(path), "%s/%s", group_path(id),
		groups_v1_only() ? "freezer.state" : "cgroup.events");
	return file_read(path, text, sizeof(text)) > 0 &&
	       (strstr(text, "frozen 1") || str_starts(text, "FROZEN"));
}

const char *group_file(const char *controller, const char *id, const char *file)
{
	static char path[PATH_MAX], text[8192];
	ssize_t n;

	str_format(path, sizeof(path), "/sys/fs/cgroup/%s/cradle-test-%d/%s/%s", controller,
		(int)getpid(), id, file);
	n = file_read(path, text, sizeof(text));
	if (n < 0)
		return errno_name((int)-n);
	if (n > 0 && strchr(text, '\n') == text + n - 1)
		text[n - 1] = '\0';
	return text;
}
