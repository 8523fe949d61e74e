/* net_device: see net_device.h. */
#include "device/net_device.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* "c.s.dddd": channel subsystem image, subchannel set (0 to 3), device number; hexadecimal. */
static bool is_ccw_id(const char *text)
{
	static const char hex[] = "0123456789abcdef";

	return strlen(text) == 8 && strchr(hex, text[0]) && text[1] == '.' && text[2] >= '0' &&
	       text[2] <= '3' && text[3] == '.' && strspn(text + 4, hex) == 4;
}

int net_device_path_parse(const char *text, struct net_device_path *ret, struct error *err)
{
	struct net_device_path path = {.ccw = ""};
	int r = 0;

	if (is_ccw_id(text))
		str_copy(path.ccw, sizeof(path.ccw), text);
	else
		r = pci_path_parse(text, &path.pci, err);
	if (r == 0)
		*ret = path;
	return r;
}

/* The one entry of a folder "net". */
static int only_interface(const char *dir_path, char name[IF_NAMESIZE])
{
	_cleanup_dir_ DIR *dir = opendir(dir_path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			return str_copy(name, IF_NAMESIZE, entry->d_name);
	}
	return -ENOENT;
}

/* A driver's own interface lies in the device's folder, virtio's in the virtio device's. */
static int interface_of(const char *device, char name[IF_NAMESIZE])
{
	_cleanup_dir_ DIR *dir = opendir(device);
	struct dirent *entry;
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/net", device) >= 0 &&
		only_interface(path, name) == 0)
		return 0;
	while (dir && (entry = readdir(dir))) {
		if (str_starts(entry->d_name, "virtio") &&
			str_format(path, sizeof(path), "%s/%s/net", device, entry->d_name) >= 0 &&
			only_interface(path, name) == 0)
			return 0;
	}
	return -ENOENT;
}

int net_device_find(const struct net_device_path *path, const char *sysfs, char name[IF_NAMESIZE],
	struct error *err)
{
	char device[PATH_MAX];
	int r = 0;

	if (path->ccw[0])
		str_format(device, sizeof(device), "%s/bus/ccw/devices/%s", sysfs, path->ccw);
	else
		r = pci_path_resolve(&path->pci, sysfs, device, sizeof(device), err);
	return r < 0 ? r : interface_of(device, name);
}
