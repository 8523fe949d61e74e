/* storage_request: requests checked and copied, for as long as a storage lives. Called by
 * storage.c. */
#include "storage/storage_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"

void storage_request_from(
	struct storage_request *request, const Grpc__Storage *storage, const char *container_id)
{
	*request = (struct storage_request){
		.driver = storage->driver,
		.source = storage->source,
		.fstype = storage->fstype,
		.mount_point = storage->mount_point,
		.driver_options = storage->driver_options,
		.driver_option_count = storage->n_driver_options,
		.options = storage->options,
		.option_count = storage->n_options,
		.fs_group = storage->fs_group,
		.shared = storage->shared,
		.container_id = container_id,
	};
}

int storage_normalize_mount_point(const char *path, char *out, size_t size, struct error *err)
{
	const char *in = path;
	size_t len = 0;

	if (str_empty(path) || !path_is_absolute(path) || path_has_dotdot(path))
		return error_invalid(err,
			"storage: mount point \"%.200s\" must be absolute and without \"..\"",
			path ? path : "");
	while (*in) {
		size_t word;

		in += strspn(in, "/");
		word = strcspn(in, "/");
		if (word == 0 || (word == 1 && in[0] == '.')) {
			in += word;
			continue;
		}
		if (len + 1 + word >= size)
			return error_set(err, STATUS_INVALID_ARGUMENT, ENAMETOOLONG,
				"storage: mount point %.200s...", path);
		out[len++] = '/';
		memcpy(out + len, in, word);
		len += word;
		in += word;
	}
	out[len] = '\0';
	if (len == 0)
		return error_invalid(err, "storage: nothing may be mounted over /");
	return 0;
}

static char **copy_words(struct arena *arena, char *const *words, size_t count)
{
	char **copy = arena_calloc(arena, count + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = arena_strdup(arena, words[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static const char *copy_word(struct arena *arena, const char *word)
{
	return arena_strdup(arena, word ? word : "");
}

static bool copy_request(struct storage_kept_request *kept, const struct storage_request *from,
	const char *mount_point)
{
	struct storage_request *to = &kept->request;

	*to = *from;
	to->driver = copy_word(&kept->arena, from->driver);
	to->source = copy_word(&kept->arena, from->source);
	to->fstype = copy_word(&kept->arena, from->fstype);
	to->container_id = copy_word(&kept->arena, from->container_id);
	to->mount_point = copy_word(&kept->arena, mount_point);
	to->driver_options =
		copy_words(&kept->arena, from->driver_options, from->driver_option_count);
	to->options = copy_words(&kept->arena, from->options, from->option_count);
	if (from->fs_group) {
		kept->fs_group = *from->fs_group;
		to->fs_group = &kept->fs_group;
	}
	return to->mount_point && to->driver && to->source && to->fstype && to->container_id &&
	       to->driver_options && to->options;
}

int storage_keep_request(const struct storage_request *request, const struct storage_driver *driver,
	struct storage_kept_request **ret, struct error *err)
{
	struct storage_kept_request *kept;
	char mount_point[PATH_MAX];
	int r;

	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "storage: keep request");
	arena_init(&kept->arena, STORAGE_REQUEST_MAX);
	r = storage_normalize_mount_point(
		request->mount_point, mount_point, sizeof(mount_point), err);
	if (r >= 0 && driver->check)
		r = driver->check(request, err);
	if (r >= 0 && !copy_request(kept, request, mount_point))
		r = error_invalid(err,
			"storage at %.200s: its words are longer than %d bytes in all", mount_point,
			STORAGE_REQUEST_MAX);
	if (r < 0) {
		storage_kept_request_free(kept);
		return r;
	}
	*ret = kept;
	return 0;
}

void storage_kept_request_free(struct storage_kept_request *kept)
{
	if (!kept)
		return;
	arena_release(&kept->arena);
	free(kept);
}

bool storage_same_request(const struct storage_request *a, const struct storage_request *b)
{
	return str_eq(a->driver ? a->driver : "", b->driver ? b->driver : "") &&
	       str_eq(a->source ? a->source : "", b->source ? b->source : "") &&
	       str_eq(a->fstype ? a->fstype : "", b->fstype ? b->fstype : "");
}
