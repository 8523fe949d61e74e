/*
 * storage_blk: driver "blk": a virtio disk, named by its node (/dev/NAME) or by its PCI path; and
 * driver "blk-ccw", where it is named by its number on the channel subsystem (s390x). Runs in a
 * helper, called by storage_helper.c.
 */
#include "storage/storage_driver.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "device/ccw_id.h"
#include "device/pci_path.h"

static int check_disk(const struct storage_request *request, struct error *err)
{
	if (str_empty(request->fstype))
		return error_invalid(err, "storage blk: no file system type for %.100s",
			request->source ? request->source : "");
	for (size_t i = 0; i < request->driver_option_count; i++) {
		const char *option = request->driver_options[i];

		/* Taken for a plain disk, an encrypted or unformatted one would lose data (g9). */
		if (str_starts(option, "encryption_key=") ||
			str_starts(option, "create_filesystem"))
			return error_set(err, STATUS_UNIMPLEMENTED, 0,
				"storage blk: driver option \"%.60s\" is not implemented", option);
	}
	return 0;
}

static int check_ccw(const struct storage_request *request, struct error *err)
{
	int r = check_disk(request, err);
	struct ccw_id id;

	if (r == 0 && ccw_id_parse(request->source, &id, err) < 0)
		return error_prefix(err, "storage blk-ccw: source");
	return r;
}

static int check(const struct storage_request *request, struct error *err)
{
	int r = check_disk(request, err);
	struct pci_path path;

	if (r < 0)
		return r;
	if (!str_empty(request->source) && str_starts(request->source, "/dev/"))
		return path_has_dotdot(request->source)
			       ? error_invalid(err, "storage blk: source %.200s", request->source)
			       : 0;
	if (pci_path_parse(request->source, &path, err) < 0)
		return error_prefix(err, "storage blk: source is not below /dev, and");
	return 0;
}

/* The device's directory in sysfs: 0, -ENOENT (not there yet), or another errno with err filled. */
typedef int (*find_device_fn)(const char *source, char *out, size_t size, struct error *err);

static int find_pci(const char *source, char *out, size_t size, struct error *err)
{
	struct pci_path path;
	int r = pci_path_parse(source, &path, err);

	return r < 0 ? r : pci_path_resolve(&path, "/sys", out, size, err);
}

static int find_ccw(const char *source, char *out, size_t size, struct error *err)
{
	struct ccw_id id;
	int r = ccw_id_parse(source, &id, err);

	return r < 0 ? r : ccw_id_resolve(&id, "/sys", out, size);
}

/* 0, -ENOENT (not there yet), or another negative errno with err filled. */
static int look(const char *source, find_device_fn find, char *node, size_t size, struct error *err)
{
	char dir[PATH_MAX], name[256];
	struct stat st;
	int r = 0;

	if (str_starts(source, "/dev/")) {
		str_copy(node, size, source);
	} else {
		r = find(source, dir, sizeof(dir), err);
		if (r >= 0)
			r = pci_device_block_name(dir, name, sizeof(name));
		if (r < 0)
			return r;
		str_format(node, size, "/dev/%s", name);
	}
	if (stat(node, &st) < 0)
		return errno == ENOENT ? -ENOENT
				       : error_errno(err, errno, "storage blk: look at %s", node);
	/* The whole type, not one bit of it: a directory's has that bit too (g9). */
	if (!S_ISBLK(st.st_mode))
		return error_set(
			err, STATUS_INVALID_ARGUMENT, ENOTBLK, "storage blk: look at %s", node);
	return 0;
}

static uint64_t now_ms(void)
{
	return event_loop_now_ns() / 1000000;
}

/*
 * Nodes appear in devtmpfs after the device has appeared in sysfs, so a watch on /dev announces
 * both. The watch comes first, then the look: an event in between is not lost (g5).
 */
static int await_node(struct storage_mount *mount, find_device_fn find, struct error *err)
{
	const char *source = mount->request->source;
	_cleanup_fd_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	uint64_t end = now_ms() + mount->device_timeout_ms;
	char events[4096];

	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE | IN_MOVED_TO | IN_ATTRIB) < 0)
		return error_errno(err, errno, "storage blk: watch /dev");
	for (;;) {
		struct pollfd poller = {.fd = watch, .events = POLLIN};
		uint64_t now;
		int r = look(source, find, mount->source_buffer, sizeof(mount->source_buffer), err);

		if (r != -ENOENT)
			return r;
		now = now_ms();
		if (now >= end)
			break;
		if (poll(&poller, 1, (int)(end - now)) < 0 && errno != EINTR)
			return error_errno(err, errno, "storage blk: wait for %s", source);
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
	return error_set(err, STATUS_DEADLINE_EXCEEDED, ETIMEDOUT,
		"storage blk: Timeout after %" PRIu64 " ms: no disk %s", mount->device_timeout_ms,
		source);
}

static int prepare_found(struct storage_mount *mount, find_device_fn find, struct error *err)
{
	int r = await_node(mount, find, err);

	if (r < 0)
		return r;
	mount->source = mount->source_buffer;
	return storage_take_options(mount, NULL, err);
}

static int prepare(struct storage_mount *mount, struct error *err)
{
	return prepare_found(mount, find_pci, err);
}

static int prepare_ccw(struct storage_mount *mount, struct error *err)
{
	return prepare_found(mount, find_ccw, err);
}

const struct storage_driver storage_blk = {.name = "blk", .check = check, .prepare = prepare};
const struct storage_driver storage_blk_ccw = {
	.name = "blk-ccw", .check = check_ccw, .prepare = prepare_ccw};
