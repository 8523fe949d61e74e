/*
 * storage_driver: what storage.c, its helpers and the drivers share; nobody else includes it.
 *
 * A driver works in a helper process (it may sleep) on a copy of everything. What the parent must
 * know to undo a helper that was killed stands in struct storage_made, which both share.
 */
#ifndef STORAGE_STORAGE_DRIVER_H
#define STORAGE_STORAGE_DRIVER_H

#include <limits.h>

#include "base/arena.h"
#include "hard_limits.h"
#include "kernel/mount.h"
#include "storage/storage.h"

/* In memory shared between helper and agent: what exists because of this storage. */
struct storage_made {
	bool mount_point_was_free; /* the helper looked: what is mounted there since is ours */
	unsigned directories;	   /* trailing components of mount_point that were made */
	bool file;		   /* the last of them is a file */
	/* Trailing components made of each directory the driver needed. */
	unsigned extra[STORAGE_DIRECTORIES_MAX];
	uint64_t huge_page_kib, huge_pages; /* taken from the kernel for hugetlbfs */
};

/* A mount in the making; lives in the helper. */
struct storage_mount {
	const struct storage_request *request; /* mount_point is absolute and without ".." */
	uint64_t device_timeout_ms;
	const char *run_directory;
	struct storage_made *made;
	/* Filled by the driver's prepare(); the common step mounts it. */
	const char *source, *fstype;
	struct mount_options options;
	char source_buffer[PATH_MAX];
};

struct storage_driver {
	const char *name;
	/* In the agent, before anything is done: refuses what can be seen to be wrong. May be NULL.
	 */
	int (*check)(const struct storage_request *request, struct error *err);
	/* In the helper, before the mount: source, fstype, options, and what must exist. */
	int (*prepare)(struct storage_mount *mount, struct error *err);
	/* In the helper: what a mount that failed means, put before err; returns result, or another
	 * negative errno. May be NULL. */
	int (*explain)(int result, const struct storage_request *request, struct error *err);
	/* In the helper, after the mount. May be NULL. */
	int (*finish)(struct storage_mount *mount, struct error *err);
	/* Directory number i that the driver makes and that goes with the storage; 0 or -ENOENT.
	 * May be NULL. */
	int (*directory)(const struct storage_request *request, const char *run_directory, size_t i,
		char *out, size_t size);
};

extern const struct storage_driver storage_blk, storage_blk_ccw, storage_overlayfs,
	storage_ephemeral, storage_virtio_fs;
const struct storage_driver *storage_driver_find(const char *name);

/* ---- for drivers (storage_helper.c), all in the helper ------------------------------------------
 */

/* Words that are for us and no file system: "io.katacontainers." and "X-kata." prefixes. */
bool storage_word_is_ours(const char *word);
/* Option words without ours and without those starting with `without` (NULL: none) to
 * mount->options. */
int storage_take_options(struct storage_mount *mount, const char *without, struct error *err);
/* mkdir -p that counts in *made what it had to make (trailing components). */
int storage_make_directories(const char *path, mode_t mode, unsigned *made, struct error *err);

/* ---- the helper's two jobs
 * ----------------------------------------------------------------------- */

int storage_do_mount(
	struct storage_mount *mount, const struct storage_driver *driver, struct error *err);
/* Also after a mount that failed or was killed half way. Unmounts, then removes what was made. */
int storage_do_unmount(
	struct storage_mount *mount, const struct storage_driver *driver, struct error *err);

/* ---- fs_group (storage_fs_group.c)
 * ---------------------------------------------------------------- */

/*
 * Gives the tree at path to a group, as Kubernetes' fsGroup asks (agent-api-guest.md 7.1): group id
 * of everything but links, mode bits 0660, directories 0110 and setgid as well. Follows no link and
 * stays on one file system. Not for read-only mounts, where nothing can be changed.
 */
int storage_apply_fs_group(const char *path, const Grpc__FSGroup *fs_group, struct error *err);

/* ---- kept copies of requests (storage_request.c)
 * --------------------------------------------------- */

/* A request with strings of its own; its mount point is normalized: no "//", no ".", no slash at
 * the end. */
struct storage_kept_request {
	struct arena arena;
	struct storage_request request;
	Grpc__FSGroup fs_group;
};

/* Checks what every driver needs, then the driver's own check, then copies. *ret is heap memory. */
int storage_keep_request(const struct storage_request *request, const struct storage_driver *driver,
	struct storage_kept_request **ret, struct error *err);
void storage_kept_request_free(struct storage_kept_request *kept); /* accepts NULL */
/* Is a second request for the same mount point the same storage? */
bool storage_same_request(const struct storage_request *a, const struct storage_request *b);
/* 0, or -EINVAL with err: not absolute, "..", or "/" itself. */
int storage_normalize_mount_point(const char *path, char *out, size_t size, struct error *err);

#endif
