/*
 * storage_overlayfs: driver "overlayfs": layers that other storages have mounted, as one tree. Runs
 * in a helper, called by storage_helper.c. Upper directories lie on a tmpfs of the guest, so what a
 * container writes counts against its memory.
 */
#include "storage/storage_driver.h"

#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/strings.h"

/* Driver option, may be repeated: make this directory (upper, work) before mounting. */
#define CREATE_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="
/* Option: make upper and work of one's own below the container's run directory. */
#define OVERLAY_RW "io.katacontainers.fs-opt.overlay-rw"

static bool is_overlay_rw(const struct storage_request *request)
{
	for (size_t i = 0; i < request->option_count; i++)
		if (str_eq(request->options[i], OVERLAY_RW))
			return true;
	return false;
}

static bool is_file_name(const char *name)
{
	return !str_empty(name) && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..");
}

/* The directories are those of the options in their order, then upper and work of overlay-rw. */
static int directory(const struct storage_request *request, const char *run_directory, size_t i,
	char *out, size_t size)
{
	for (size_t k = 0; k < request->driver_option_count; k++)
		if (str_starts(request->driver_options[k], CREATE_DIRECTORY) && i-- == 0)
			return str_copy(
				out, size, request->driver_options[k] + strlen(CREATE_DIRECTORY));
	if (i > 1 || !is_overlay_rw(request))
		return -ENOENT;
	return str_format(out, size, "%s/%s/%s", run_directory, request->container_id,
		       i == 0 ? "upper" : "work") < 0
		       ? -ENAMETOOLONG
		       : 0;
}

static int check(const struct storage_request *request, struct error *err)
{
	size_t directories = 0;

	for (size_t i = 0; i < request->driver_option_count; i++) {
		const char *option = request->driver_options[i];
		const char *path = option + strlen(CREATE_DIRECTORY);

		if (!str_starts(option, CREATE_DIRECTORY))
			continue;
		if (!path_is_absolute(path) || path_has_dotdot(path) || !path[strspn(path, "/.")])
			return error_invalid(err,
				"storage overlayfs: directory \"%.200s\" must be absolute and "
				"without \"..\"",
				path);
		directories++;
	}
	if (is_overlay_rw(request)) {
		directories += 2;
		if (!is_file_name(request->container_id))
			return error_invalid(
				err, "storage overlayfs: %s needs a container", OVERLAY_RW);
	}
	if (directories > STORAGE_DIRECTORIES_MAX)
		return error_invalid(err, "storage overlayfs: more than %d directories to make",
			STORAGE_DIRECTORIES_MAX);
	return 0;
}

static int add_path_option(
	struct storage_mount *mount, const char *key, size_t i, struct error *err)
{
	char path[PATH_MAX], word[PATH_MAX + 16];

	if (directory(mount->request, mount->run_directory, i, path, sizeof(path)) < 0 ||
		str_format(word, sizeof(word), "%s=%s", key, path) < 0)
		return error_errno(err, ENAMETOOLONG, "storage overlayfs: %s", key);
	return mount_options_add(&mount->options, word, err);
}

static int prepare(struct storage_mount *mount, struct error *err)
{
	char path[PATH_MAX];
	size_t count = 0;
	int r = storage_take_options(mount, NULL, err);

	while (r >= 0 &&
		directory(mount->request, mount->run_directory, count, path, sizeof(path)) == 0) {
		r = storage_make_directories(path, 0755, &mount->made->extra[count], err);
		count++;
	}
	if (r >= 0 && is_overlay_rw(mount->request)) {
		r = add_path_option(mount, "upperdir", count - 2, err);
		if (r >= 0)
			r = add_path_option(mount, "workdir", count - 1, err);
	}
	mount->fstype = "overlay";
	return r;
}

const struct storage_driver storage_overlayfs = {
	.name = "overlayfs",
	.check = check,
	.prepare = prepare,
	.directory = directory,
};
