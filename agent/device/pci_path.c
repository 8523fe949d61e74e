/* pci_path: PCI paths to sysfs directories; see pci_path.h. */
#include "device/pci_path.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"

#define SLOT_MAX     0x1f
#define FUNCTION_MAX 7
/* A first element from here on is the number of a pxb-pcie root complex. */
#define ROOT_COMPLEX_MIN 0x20

/* "SS" or "SS.F"; the first element may be a root complex and is range-checked by the caller. */
static int parse_element(const char *text, size_t len, uint64_t *slot, uint64_t *function)
{
	char copy[8];
	char *dot;

	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*function = 0;
	dot = strchr(copy, '.');
	if (dot) {
		*dot = '\0';
		if (parse_u64_base(dot + 1, 16, function) < 0 || *function > FUNCTION_MAX)
			return -EINVAL;
	}
	return parse_u64_base(copy, 16, slot);
}

static int parse_elements(const char *text, struct pci_path *path)
{
	size_t total = 1, at = 0;

	for (const char *p = text; (p = strchr(p, '/')); p++)
		total++;
	path->count = 0;
	path->root_complex = 0;
	for (const char *p = text; at < total; at++) {
		size_t len = strcspn(p, "/");
		uint64_t slot, function;

		if (parse_element(p, len, &slot, &function) < 0)
			return -EINVAL;
		p += len + 1;
		if (at == 0 && total >= 3 && slot >= ROOT_COMPLEX_MIN && slot <= UINT8_MAX &&
			function == 0) {
			path->root_complex = (uint8_t)slot;
			continue;
		}
		if (slot > SLOT_MAX || path->count == PCI_PATH_MAX)
			return -EINVAL;
		path->element[path->count].slot = (uint8_t)slot;
		path->element[path->count++].function = (uint8_t)function;
	}
	return 0;
}

int pci_path_parse(const char *text, struct pci_path *ret, struct error *err)
{
	struct pci_path path;

	if (str_empty(text) || parse_elements(text, &path) < 0)
		return error_invalid(err,
			"\"%.100s\" is no PCI path (SS[.F]/SS[.F]..., hexadecimal)",
			text ? text : "");
	*ret = path;
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The root complex is a child of /devices, or of a platform device on aarch64. */
static int find_root(const struct pci_path *path, const char *sysfs, char *out, size_t size)
{
	_cleanup_dir_ DIR *dir = NULL;
	char platform[PATH_MAX];
	struct dirent *entry;

	if (str_format(out, size, "%s/devices/pci0000:%02x", sysfs, path->root_complex) < 0 ||
		str_format(platform, sizeof(platform), "%s/devices/platform", sysfs) < 0)
		return -ENAMETOOLONG;
	if (is_directory(out))
		return 0;
	dir = opendir(platform);
	while (dir && (entry = readdir(dir))) {
		if (!str_ends(entry->d_name, ".pcie"))
			continue;
		if (str_format(out, size, "%s/%s/pci0000:%02x", platform, entry->d_name,
			    path->root_complex) >= 0 &&
			is_directory(out))
			return 0;
	}
	return -ENOENT;
}

/* "dddd:bb" from the name of a bus, or of a device "dddd:bb:ss.f". */
static bool bus_of(const char *name, char bus[8], bool device)
{
	unsigned domain, number, slot, function;
	char extra;
	int fields = sscanf(name, "%4x:%2x:%2x.%1x%c", &domain, &number, &slot, &function, &extra);

	if (fields != (device ? 4 : 2))
		return false;
	return str_format(bus, 8, "%04x:%02x", domain, number) == 7;
}

/* The only bus among a directory's entries: 0, -ENOENT for none, -EXDEV for several. */
static int single_bus(const char *path, bool devices, char bus[8])
{
	_cleanup_dir_ DIR *dir = opendir(path);
	struct dirent *entry;
	char name[8];
	int r = -ENOENT;

	while (dir && (entry = readdir(dir))) {
		if (!bus_of(entry->d_name, name, devices))
			continue;
		if (r == 0 && !str_eq(name, bus))
			return -EXDEV;
		memcpy(bus, name, sizeof(name));
		r = 0;
	}
	return r;
}

/* The bus behind a bridge, from its pci_bus folder or, without one, from the devices it carries. */
static int bridge_bus(const char *bridge, char bus[8], struct error *err)
{
	char path[PATH_MAX];
	int r;

	if (str_format(path, sizeof(path), "%s/pci_bus", bridge) < 0)
		return -ENAMETOOLONG;
	r = is_directory(path) ? single_bus(path, false, bus) : single_bus(bridge, true, bus);
	if (r == -EXDEV)
		return error_errno(err, EXDEV, "PCI bridge %s has several buses", bridge);
	return r;
}

int pci_path_resolve(
	const struct pci_path *path, const char *sysfs, char *out, size_t size, struct error *err)
{
	char bus[8];
	size_t len;
	int r = find_root(path, sysfs, out, size);

	/* The root's own bus has its number (sharp edge g6: not always 00). */
	str_format(bus, sizeof(bus), "0000:%02x", path->root_complex);
	for (size_t i = 0; r >= 0 && i < path->count; i++) {
		len = strlen(out);
		if (str_format(out + len, size - len, "/%s:%02x.%x", bus, path->element[i].slot,
			    path->element[i].function) < 0)
			return -ENAMETOOLONG;
		if (!is_directory(out))
			return -ENOENT;
		if (i + 1 < path->count)
			r = bridge_bus(out, bus, err);
	}
	return r;
}

int pci_device_block_name(const char *device_dir, char *out, size_t size)
{
	_cleanup_dir_ DIR *dir = opendir(device_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_dir_ DIR *block = NULL;
		char path[PATH_MAX];
		struct dirent *disk;

		if (!str_starts(entry->d_name, "virtio") ||
			str_format(path, sizeof(path), "%s/%s/block", device_dir, entry->d_name) <
				0)
			continue;
		block = opendir(path);
		while (block && (disk = readdir(block)))
			if (disk->d_name[0] != '.')
				return str_copy(out, size, disk->d_name);
	}
	return -ENOENT;
}
