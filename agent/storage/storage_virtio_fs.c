/*
 * storage_virtio_fs: driver "virtio-fs": a folder of the host, shared by a daemon there and named
 * by its tag. Runs in a helper, called by storage_helper.c: a daemon that does not answer costs
 * that helper.
 */
#include "storage/storage_driver.h"

#include <errno.h>
#include <string.h>

#include "base/strings.h"

/* struct virtio_fs_config: char tag[36], not always ended by a NUL (virtio 1.2, 5.11.4). */
#define TAG_MAX 36

/* The only words of the file system itself; flags of mount(2) never get here. */
static bool is_known_data(const char *data)
{
	return !data[0] || str_eq(data, "dax") || str_eq(data, "dax=always") ||
	       str_eq(data, "dax=never") || str_eq(data, "dax=inode");
}

static int check_options(const struct storage_request *request, struct error *err)
{
	struct mount_options options;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < request->option_count; i++) {
		const char *word = request->options[i];

		if (storage_word_is_ours(word))
			continue;
		mount_options_init(&options);
		r = mount_options_add(&options, word, err);
		if (r >= 0 && (options.flags & (MS_BIND | MS_REMOUNT) || options.propagation ||
				      !is_known_data(options.data)))
			r = error_invalid(err,
				"option \"%.60s\" is none that a share takes (flags as ro and "
				"nodev, or dax)",
				word);
	}
	return r;
}

static int check(const struct storage_request *request, struct error *err)
{
	int r;

	if (str_empty(request->source) || strlen(request->source) > TAG_MAX)
		return error_invalid(err,
			"storage virtio-fs: source \"%.60s\" is no tag (1 to %d bytes)",
			request->source ? request->source : "", TAG_MAX);
	if (!str_empty(request->fstype) && !str_eq(request->fstype, "virtiofs"))
		return error_invalid(err,
			"storage virtio-fs: file system \"%.60s\" of the share %s is not virtiofs",
			request->fstype, request->source);
	r = check_options(request, err);
	return r < 0 ? error_prefix(err, "storage virtio-fs: share %s", request->source) : 0;
}

static int prepare(struct storage_mount *mount, struct error *err)
{
	mount->fstype = "virtiofs";
	return storage_take_options(mount, NULL, err);
}

/* The kernel's two numbers say less than they mean. */
static int explain(int result, const struct storage_request *request, struct error *err)
{
	if (result == -EINVAL)
		return error_prefix(err, "this VM has no share with the tag %s", request->source);
	if (result == -ENODEV)
		return error_prefix(err, "the guest's kernel has no virtiofs");
	return result;
}

const struct storage_driver storage_virtio_fs = {
	.name = "virtio-fs",
	.check = check,
	.prepare = prepare,
	.explain = explain,
};
