/* Which block devices hold the guest's own root file system. Part of cgroup_devices.h. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "kernel/cgroup_devices.h"

/* Device mapper on device mapper on a partition: deeper stacks are not built. */
#define STACK_MAX 4

static bool add(struct device_denied *denied, dev_t dev)
{
	for (size_t i = 0; i < denied->count; i++)
		if (denied->list[i] == dev)
			return false;
	if (denied->count == DEVICE_DENIED_MAX)
		return false;
	denied->list[denied->count++] = dev;
	return true;
}

/* The number in a sysfs "dev" file; false when there is none. */
static bool read_number(const char *path, dev_t *ret)
{
	char text[32];
	unsigned major, minor;

	if (file_read(path, text, sizeof(text)) < 0 || sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

/* Everything in dir with a number; with only_partitions what is a partition, else all. */
static void add_entries(
	struct device_denied *denied, const char *dir, bool only_partitions, int depth);

static void add_device(struct device_denied *denied, dev_t dev, int depth)
{
	char dir[64], path[96];
	dev_t disk;

	if (depth > STACK_MAX || !add(denied, dev))
		return;
	str_format(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	str_format(path, sizeof(path), "%s/partition", dir);
	if (file_exists(path)) {
		/* the link leads into the disk's folder, so ".." is the disk */
		str_format(path, sizeof(path), "%s/../dev", dir);
		if (read_number(path, &disk))
			add_device(denied, disk, depth + 1);
	}
	add_entries(denied, dir, true, depth + 1);
	str_format(path, sizeof(path), "%s/slaves", dir);
	add_entries(denied, path, false, depth + 1);
}

static void add_entries(
	struct device_denied *denied, const char *dir, bool only_partitions, int depth)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		char path[400];
		dev_t dev;

		str_format(path, sizeof(path), "%s/%s/partition", dir, entry->d_name);
		if (entry->d_name[0] == '.' || (only_partitions && !file_exists(path)))
			continue;
		str_format(path, sizeof(path), "%s/%s/dev", dir, entry->d_name);
		if (read_number(path, &dev))
			add_device(denied, dev, depth);
	}
}

void device_denied_root(struct device_denied *ret)
{
	struct stat st;

	ret->count = 0;
	/* major 0: a file system without a device */
	if (stat("/", &st) == 0 && major(st.st_dev) != 0)
		add_device(ret, st.st_dev, 0);
}
