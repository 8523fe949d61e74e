/*
 * mount: mount(2) with readable failures, the option words of fstab/OCI turned into flags, and
 * /proc/<pid>/mountinfo. Users: boot/, storage/, launch/ (also in children: nothing here keeps
 * state, and only the mountinfo readers allocate).
 *
 * Every call may sleep when the source is a disk or a share: the loop's process calls them only for
 * kernel file systems, all else goes through base/helper_process.
 *
 * Sources: mount(2), mount_namespaces(7), proc_pid_mountinfo(5); the words are the kernel's fs
 * option names plus those of the OCI runtime specification (config.md, "mounts").
 */
#ifndef KERNEL_MOUNT_H
#define KERNEL_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/types.h>

#include "base/error.h"

/* mount(2) copies at most one page of data (4 KiB, the smallest page size), final NUL included. */
#define MOUNT_DATA_MAX 4096

struct mount_options {
	unsigned long flags;   /* MS_* to set; MS_BIND, MS_REC and MS_REMOUNT among them */
	unsigned long cleared; /* MS_* that a later word took back ("rw", "exec"...) */
	unsigned long all_set, all_cleared; /* the same for what is mounted below, too ("rro") */
	bool copy_up;		   /* "tmpcopyup": begins with what is there; the caller's work */
	unsigned long propagation; /* MS_PRIVATE and so on, with MS_REC for r-forms; 0 = leave it */
	size_t data_len;
	char data[MOUNT_DATA_MAX]; /* what the file system itself gets, comma-separated */
};

void mount_options_init(struct mount_options *options);
/*
 * Adds one option word; a later word wins over an earlier one. A word that is not a flag joins
 * data, commas included. "defaults" and "" are nothing. Fails (nothing added): data longer than
 * MOUNT_DATA_MAX - 1, and "loop", "idmap", "ridmap", which no caller of ours can serve.
 */
int mount_options_add(struct mount_options *options, const char *word, struct error *err);
/* init + add of each; *ret is left half filled on failure. */
int mount_options_parse(
	struct mount_options *ret, const char *const *words, size_t count, struct error *err);

/*
 * mount(2). The error reads "mount SOURCE on TARGET (type FSTYPE, options DATA)". fstype, source
 * and data may be NULL. 0 or negative errno.
 */
int mount_call(const char *source, const char *target, const char *fstype, unsigned long flags,
	const char *data, struct error *err);
/*
 * The whole of what options ask for, in the kernel's three separate steps: the mount itself; for a
 * bind with flags a remount (a bind ignores its flags; flags the source mount has and the words do
 * not clear are kept, as a user namespace may not drop them); then propagation. When a later step
 * fails the mount of the first is undone. fstype may be NULL or "bind" for binds.
 */
int mount_apply(const char *source, const char *target, const char *fstype,
	const struct mount_options *options, struct error *err);
/* mount --bind (recursive: --rbind), then the flags in `flags` (MS_RDONLY, MS_NOSUID...) on its
 * top. */
int mount_bind(const char *source, const char *target, bool recursive, unsigned long flags,
	struct error *err);
/* Changes propagation only, for example MS_REC | MS_SLAVE. */
int mount_set_propagation(const char *target, unsigned long propagation, struct error *err);
/* umount2(2), never following a link at the end of the path. flags: MNT_DETACH or 0. */
int mount_unmount(const char *target, int flags, struct error *err);

/* One line of mountinfo; the strings point into the reader's buffer and are unescaped. */
struct mount_entry {
	int id, parent_id;
	dev_t dev; /* st_dev of files in it */
	const char *root;
	const char *mount_point;
	const char *options; /* of this mount: ro,nosuid... */
	const char *fstype;
	const char *source;
	const char *super_options; /* of the file system */
};

/* Parses one line in place (the line is modified). 0 or -EINVAL. Pure. */
int mountinfo_parse_line(char *line, struct mount_entry *ret);
/* Decodes \ooo in place, as the kernel escapes blank, tab, newline and backslash. Pure. */
void mountinfo_unescape(char *text);
/*
 * Calls fn for each mount in mount order (a later one covers an earlier one at the same point)
 * until it returns non-zero; returns that, 0 at the end, or a negative errno. path NULL means
 * /proc/self/mountinfo.
 */
typedef int (*mount_entry_fn)(const struct mount_entry *entry, void *context);
int mountinfo_for_each(const char *path, mount_entry_fn fn, void *context);
/*
 * How many mounts lie at exactly this path (0 = it is no mount point), or a negative errno. The
 * path must be absolute and without links, as the kernel writes it.
 */
int mountinfo_count_at(const char *mount_point);

/*
 * Unmounts everything at exactly mount_point, the topmost first, until mountinfo has none left
 * there. For undo: what a killed helper has done is known to mountinfo only. 0 when nothing is
 * left.
 */
int mount_unmount_all_at(const char *mount_point, int flags, struct error *err);

#endif
