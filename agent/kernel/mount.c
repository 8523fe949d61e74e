/*
 * mount: see mount.h. Called by boot/, storage/ and launch/.
 */
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "kernel/mount_tree.h"

/* Unmounting what lies at one path stops after this many: more is a loop of our own making. */
#define UNMOUNT_TRIES 64

/* mount(2) from Linux 5.10 on; glibc 2.36 has it neither here nor for statvfs(3). */
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#define ST_NOSYMFOLLOW_BIT 0x2000

/* Of these a mount has one. */
#define ATIME_KINDS (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

enum word_effect {
	WORD_SET,
	WORD_CLEAR,
	WORD_SET_ALL,
	WORD_CLEAR_ALL,
	WORD_PROPAGATION,
	WORD_COPY_UP,
	WORD_NOTHING,
	WORD_REFUSED
};

struct option_word {
	const char *word;
	enum word_effect effect;
	unsigned long flag;
};

static const struct option_word option_words[] = {
	{"defaults", WORD_NOTHING, 0},
	{"loop", WORD_REFUSED, 0},
	{"idmap", WORD_REFUSED, 0},
	{"ridmap", WORD_REFUSED, 0},
	{"tmpcopyup", WORD_COPY_UP, 0},
	{"ro", WORD_SET, MS_RDONLY},
	{"rw", WORD_CLEAR, MS_RDONLY},
	{"nosuid", WORD_SET, MS_NOSUID},
	{"suid", WORD_CLEAR, MS_NOSUID},
	{"nodev", WORD_SET, MS_NODEV},
	{"dev", WORD_CLEAR, MS_NODEV},
	{"noexec", WORD_SET, MS_NOEXEC},
	{"exec", WORD_CLEAR, MS_NOEXEC},
	{"sync", WORD_SET, MS_SYNCHRONOUS},
	{"async", WORD_CLEAR, MS_SYNCHRONOUS},
	{"dirsync", WORD_SET, MS_DIRSYNC},
	{"remount", WORD_SET, MS_REMOUNT},
	{"mand", WORD_SET, MS_MANDLOCK},
	{"nomand", WORD_CLEAR, MS_MANDLOCK},
	{"noatime", WORD_SET, MS_NOATIME},
	{"atime", WORD_CLEAR, MS_NOATIME},
	{"nodiratime", WORD_SET, MS_NODIRATIME},
	{"diratime", WORD_CLEAR, MS_NODIRATIME},
	{"relatime", WORD_SET, MS_RELATIME},
	{"norelatime", WORD_CLEAR, MS_RELATIME},
	{"strictatime", WORD_SET, MS_STRICTATIME},
	{"nostrictatime", WORD_CLEAR, MS_STRICTATIME},
	{"iversion", WORD_SET, MS_I_VERSION},
	{"noiversion", WORD_CLEAR, MS_I_VERSION},
	{"lazytime", WORD_SET, MS_LAZYTIME},
	{"nolazytime", WORD_CLEAR, MS_LAZYTIME},
	{"nosymfollow", WORD_SET, MS_NOSYMFOLLOW},
	{"symfollow", WORD_CLEAR, MS_NOSYMFOLLOW},
	{"acl", WORD_SET, MS_POSIXACL},
	{"noacl", WORD_CLEAR, MS_POSIXACL},
	{"silent", WORD_SET, MS_SILENT},
	{"loud", WORD_CLEAR, MS_SILENT},
	{"bind", WORD_SET, MS_BIND},
	{"rbind", WORD_SET, MS_BIND | MS_REC},
	{"rro", WORD_SET_ALL, MS_RDONLY},
	{"rrw", WORD_CLEAR_ALL, MS_RDONLY},
	{"rnosuid", WORD_SET_ALL, MS_NOSUID},
	{"rsuid", WORD_CLEAR_ALL, MS_NOSUID},
	{"rnodev", WORD_SET_ALL, MS_NODEV},
	{"rdev", WORD_CLEAR_ALL, MS_NODEV},
	{"rnoexec", WORD_SET_ALL, MS_NOEXEC},
	{"rexec", WORD_CLEAR_ALL, MS_NOEXEC},
	{"rnoatime", WORD_SET_ALL, MS_NOATIME},
	{"ratime", WORD_CLEAR_ALL, MS_NOATIME},
	{"rnodiratime", WORD_SET_ALL, MS_NODIRATIME},
	{"rdiratime", WORD_CLEAR_ALL, MS_NODIRATIME},
	{"rrelatime", WORD_SET_ALL, MS_RELATIME},
	{"rnorelatime", WORD_CLEAR_ALL, MS_RELATIME},
	{"rstrictatime", WORD_SET_ALL, MS_STRICTATIME},
	{"rnostrictatime", WORD_CLEAR_ALL, MS_STRICTATIME},
	{"rnosymfollow", WORD_SET_ALL, MS_NOSYMFOLLOW},
	{"rsymfollow", WORD_CLEAR_ALL, MS_NOSYMFOLLOW},
	{"private", WORD_PROPAGATION, MS_PRIVATE},
	{"rprivate", WORD_PROPAGATION, MS_PRIVATE | MS_REC},
	{"shared", WORD_PROPAGATION, MS_SHARED},
	{"rshared", WORD_PROPAGATION, MS_SHARED | MS_REC},
	{"slave", WORD_PROPAGATION, MS_SLAVE},
	{"rslave", WORD_PROPAGATION, MS_SLAVE | MS_REC},
	{"unbindable", WORD_PROPAGATION, MS_UNBINDABLE},
	{"runbindable", WORD_PROPAGATION, MS_UNBINDABLE | MS_REC},
};

void mount_options_init(struct mount_options *options)
{
	options->flags = 0;
	options->cleared = 0;
	options->all_set = 0;
	options->all_cleared = 0;
	options->copy_up = false;
	options->propagation = 0;
	options->data_len = 0;
	options->data[0] = '\0';
}

static int add_data(struct mount_options *options, const char *word, struct error *err)
{
	size_t len = strlen(word), comma = options->data_len ? 1 : 0;

	if (len >= sizeof(options->data) - options->data_len - comma)
		return error_set(err, STATUS_INVALID_ARGUMENT, E2BIG,
			"mount options: more than %d bytes with \"%.40s\"", MOUNT_DATA_MAX - 1,
			word);
	if (comma)
		options->data[options->data_len++] = ',';
	memcpy(options->data + options->data_len, word, len + 1);
	options->data_len += len;
	return 0;
}

static void set_flag(unsigned long *set, unsigned long *cleared, unsigned long flag)
{
	if (flag & ATIME_KINDS)
		*set &= ~(unsigned long)ATIME_KINDS;
	*set |= flag;
	*cleared &= ~flag;
}

static void clear_flag(unsigned long *set, unsigned long *cleared, unsigned long flag)
{
	*set &= ~flag;
	*cleared |= flag;
}

/* What is for all mounts is for the topmost too, whatever an earlier word said about that. */
static void leave_to_all(struct mount_options *options, unsigned long flag)
{
	unsigned long group = flag & ATIME_KINDS ? ATIME_KINDS : flag;

	options->flags &= ~group;
	options->cleared &= ~group;
}

int mount_options_add(struct mount_options *options, const char *word, struct error *err)
{
	const struct option_word *known = NULL;

	if (!word[0])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(option_words) && !known; i++)
		if (strcmp(option_words[i].word, word) == 0)
			known = &option_words[i];
	if (!known)
		return add_data(options, word, err);
	switch (known->effect) {
	case WORD_SET:
		set_flag(&options->flags, &options->cleared, known->flag);
		break;
	case WORD_CLEAR:
		clear_flag(&options->flags, &options->cleared, known->flag);
		break;
	case WORD_SET_ALL:
		leave_to_all(options, known->flag);
		set_flag(&options->all_set, &options->all_cleared, known->flag);
		break;
	case WORD_CLEAR_ALL:
		leave_to_all(options, known->flag);
		clear_flag(&options->all_set, &options->all_cleared, known->flag);
		break;
	case WORD_COPY_UP:
		options->copy_up = true;
		break;
	case WORD_PROPAGATION:
		options->propagation = known->flag;
		break;
	case WORD_NOTHING:
		break;
	case WORD_REFUSED:
		return error_invalid(err, "mount options: \"%s\" is not supported", word);
	}
	return 0;
}

int mount_options_parse(
	struct mount_options *ret, const char *const *words, size_t count, struct error *err)
{
	mount_options_init(ret);
	for (size_t i = 0; i < count; i++) {
		int r = mount_options_add(ret, words[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int mount_call(const char *source, const char *target, const char *fstype, unsigned long flags,
	const char *data, struct error *err)
{
	const char *what = "mount";

	if (flags & MS_REMOUNT)
		what = "remount";
	else if (flags & MS_BIND)
		what = "bind-mount";
	else if (flags & MS_MOVE)
		what = "move mount";
	if (mount(source, target, fstype, flags, data) == 0)
		return 0;
	if (str_empty(data))
		return error_errno(err, errno, "%s %.160s on %.200s (type %.20s)", what,
			source ? source : "none", target, fstype ? fstype : "none");
	return error_errno(err, errno, "%s %.120s on %.160s (type %.20s, options %.120s)", what,
		source ? source : "none", target, fstype ? fstype : "none", data);
}

/* The flags of the mount at target as MS_* (statvfs(3) names them ST_*, with the same values for
 * these). */
static unsigned long mount_flags_of(const char *target)
{
	static const struct {
		unsigned long st, ms;
	} map[] = {
		{ST_RDONLY, MS_RDONLY},
		{ST_NOSUID, MS_NOSUID},
		{ST_NODEV, MS_NODEV},
		{ST_NOEXEC, MS_NOEXEC},
		{ST_NOATIME, MS_NOATIME},
		{ST_NODIRATIME, MS_NODIRATIME},
		{ST_RELATIME, MS_RELATIME},
		{ST_NOSYMFOLLOW_BIT, MS_NOSYMFOLLOW},
	};
	unsigned long flags = 0;
	struct statvfs st;

	if (statvfs(target, &st) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (st.f_flag & map[i].st)
			flags |= map[i].ms;
	return flags;
}

/* A bind mount's flags come by remounting it; those it inherited are named again or they are lost.
 */
static int remount_bind(
	const char *target, unsigned long flags, unsigned long cleared, struct error *err)
{
	unsigned long inherited = mount_flags_of(target) & ~cleared;

	if (flags & ATIME_KINDS)
		inherited &= ~(unsigned long)ATIME_KINDS;
	return mount_call(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags | inherited, NULL, err);
}

int mount_set_propagation(const char *target, unsigned long propagation, struct error *err)
{
	if (mount(NULL, target, NULL, propagation, NULL) < 0)
		return error_errno(err, errno, "set propagation 0x%lx of %s", propagation, target);
	return 0;
}

static int change_all(const char *target, const struct mount_options *options, struct error *err)
{
	_cleanup_fd_ int fd = -1;

	if (!options->all_set && !options->all_cleared)
		return 0;
	fd = open(target, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_errno(err, errno, "open %s", target);
	return mount_tree_change(fd, options->all_set, options->all_cleared, 0, true, target, err);
}

int mount_apply(const char *source, const char *target, const char *fstype,
	const struct mount_options *options, struct error *err)
{
	unsigned long flags = options->flags;
	const char *data = options->data_len ? options->data : NULL;
	bool bind = (flags & MS_BIND) && !(flags & MS_REMOUNT);
	unsigned long bind_flags = flags & ~(unsigned long)(MS_BIND | MS_REC | MS_SILENT);
	int r;

	if (options->copy_up)
		return error_invalid(err, "mount options: \"tmpcopyup\" is for containers only");
	if (bind)
		r = mount_call(source, target, NULL, flags & (MS_BIND | MS_REC), NULL, err);
	else
		r = mount_call(source, target, fstype, flags, data, err);
	if (r < 0)
		return r;
	r = change_all(target, options, err);
	if (r >= 0 && bind && (bind_flags || options->cleared))
		r = remount_bind(target, bind_flags, options->cleared, err);
	if (r >= 0 && options->propagation)
		r = mount_set_propagation(target, options->propagation, err);
	if (r < 0 && !(flags & MS_REMOUNT))
		umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	return r;
}

int mount_bind(const char *source, const char *target, bool recursive, unsigned long flags,
	struct error *err)
{
	int r = mount_call(source, target, NULL, MS_BIND | (recursive ? MS_REC : 0), NULL, err);

	if (r < 0 || !flags)
		return r;
	r = remount_bind(target, flags, 0, err);
	if (r < 0)
		umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	return r;
}

int mount_unmount(const char *target, int flags, struct error *err)
{
	if (umount2(target, flags | UMOUNT_NOFOLLOW) < 0)
		return error_errno(err, errno, "unmount %s", target);
	return 0;
}

void mountinfo_unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
			in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

int mountinfo_parse_line(char *line, struct mount_entry *ret)
{
	/* id parent major:minor root point options [optional...] - type source super-options */
	char *field[6], *tail[3], *rest = line, *word, *number;
	uint32_t id, parent, major, minor;

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (!(field[i] = strsep(&rest, " ")))
			return -EINVAL;
	do {
		word = strsep(&rest, " ");
		if (!word)
			return -EINVAL;
	} while (strcmp(word, "-") != 0);
	for (size_t i = 0; i < ARRAY_SIZE(tail); i++)
		if (!(tail[i] = strsep(&rest, " ")))
			return -EINVAL;
	number = strsep(&field[2], ":");
	if (parse_u32(field[0], &id) < 0 || parse_u32(field[1], &parent) < 0 ||
		parse_u32(number, &major) < 0 || parse_u32(field[2], &minor) < 0)
		return -EINVAL;
	ret->id = (int)id;
	ret->parent_id = (int)parent;
	mountinfo_unescape(field[3]);
	mountinfo_unescape(field[4]);
	mountinfo_unescape(tail[0]);
	mountinfo_unescape(tail[1]);
	ret->dev = makedev(major, minor);
	ret->root = field[3];
	ret->mount_point = field[4];
	ret->options = field[5];
	ret->fstype = tail[0];
	ret->source = tail[1];
	ret->super_options = tail[2];
	return 0;
}

int mountinfo_for_each(const char *path, mount_entry_fn fn, void *context)
{
	_cleanup_file_ FILE *file = fopen(path ? path : "/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	struct mount_entry entry;
	size_t size = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && getline(&line, &size, file) >= 0)
		if (mountinfo_parse_line(line, &entry) == 0)
			r = fn(&entry, context);
	if (r == 0 && ferror(file))
		return -EIO;
	return r;
}

struct count_at {
	const char *mount_point;
	int count;
};

static int count_entry(const struct mount_entry *entry, void *context)
{
	struct count_at *at = context;

	if (strcmp(entry->mount_point, at->mount_point) == 0)
		at->count++;
	return 0;
}

int mountinfo_count_at(const char *mount_point)
{
	struct count_at at = {.mount_point = mount_point};
	int r = mountinfo_for_each(NULL, count_entry, &at);

	return r < 0 ? r : at.count;
}

int mount_unmount_all_at(const char *mount_point, int flags, struct error *err)
{
	for (int tries = 0; tries < UNMOUNT_TRIES; tries++) {
		int count = mountinfo_count_at(mount_point), r;

		if (count < 0)
			return error_errno(err, -count, "read /proc/self/mountinfo");
		if (count == 0)
			return 0;
		r = mount_unmount(mount_point, flags, err);
		if (r < 0)
			return r;
	}
	return error_errno(err, EBUSY, "unmount %s: mounts keep appearing there", mount_point);
}
