/* volumes: see the header. */
#include "run/volumes.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "vm/qemu_command.h"
#include "vm/vm_shares.h"

/* ":ro" or ":rw" at the end, taken off. */
static bool take_mode(char *text, bool *read_only)
{
	size_t len = strlen(text);

	*read_only = str_ends(text, ":ro");
	if (!*read_only && !str_ends(text, ":rw"))
		return false;
	text[len - 3] = '\0';
	return true;
}

static int check_guest(const char *guest, struct error *err)
{
	if (guest[0] != '/')
		return error_invalid(err,
			"'%.200s' is no absolute path of the container (nor 'ro' or 'rw')", guest);
	if (path_has_dotdot(guest))
		return error_invalid(err, "'%.200s' has a '..' in it", guest);
	if (!guest[strspn(guest, "/.")])
		return error_invalid(
			err, "'%.200s' is the container's root, which --rootfs gives", guest);
	if (!utf8_valid(guest, strlen(guest)))
		return error_invalid(
			err, "'%.200s' is not UTF-8, which the protocol cannot carry", guest);
	return 0;
}

static int check_tag(const char *tag, struct error *err)
{
	size_t len = strlen(tag);

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)tag[i]))
			len = 0;
	}
	if (len == 0 || len >= sizeof(((struct vm_share *)0)->tag))
		return error_invalid(err, "'%.200s' is no tag: 1 to 15 letters and digits", tag);
	return 0;
}

/* shape: what is said of a text that is no such thing at all. */
static int split(char *text, const char *shape, int (*check)(const char *guest, struct error *err),
	struct volume *ret, struct error *err)
{
	bool read_only;
	char *colon;

	take_mode(text, &read_only);
	colon = strrchr(text, ':');
	if (!colon || colon == text || !colon[1])
		return error_invalid(err, "%s", shape);
	if (check(colon + 1, err) < 0)
		return -EINVAL;
	*colon = '\0';
	*ret = (struct volume){.host = text, .guest = colon + 1, .read_only = read_only};
	return 0;
}

int volume_parse(char *text, struct volume *ret, struct error *err)
{
	return split(text, "HOST:GUEST[:ro] has two paths", check_guest, ret, err);
}

int volume_parse_tag(char *text, struct volume *ret, struct error *err)
{
	int r = split(text, "HOST:TAG[:ro] has a path and a tag", check_tag, ret, err);

	if (r == 0)
		ret->by_tag = true;
	return r;
}

int volumes_take_option(const struct command *command, struct volume *list, unsigned *count,
	char *text, int (*parse)(char *text, struct volume *ret, struct error *err))
{
	struct error err = ERROR_INIT;
	char given[512];

	str_copy(given, sizeof(given), text);
	if (*count == VOLUMES_MAX)
		return command_usage_error(command, "more than %d times --volume", VOLUMES_MAX);
	if (parse(text, &list[*count], &err) < 0)
		return command_usage_error(command, "--volume '%s': %s", given, err.text);
	(*count)++;
	return 0;
}

bool volume_is_of_the_kernel(const char *host)
{
	static const char *const roots[] = {"/proc", "/sys", "/dev"};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		const char *rest = host + strlen(roots[i]);

		if (str_starts(host, roots[i]) && (*rest == '/' || !*rest))
			return true;
	}
	return false;
}

static const char *kind_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK:
		return "a socket, which works on its own machine only";
	case S_IFIFO:
		return "a named pipe, which works on its own machine only";
	default:
		return "a device of the host";
	}
}

static int look(
	const struct volume *volume, struct vm_share *share, struct arena *arena, struct error *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (!realpath(volume->host, path) || stat(path, &st) < 0)
		return error_errno(err, errno, "%.300s", volume->host);
	if (volume_is_of_the_kernel(path))
		return error_invalid(
			err, "%.300s is the host kernel's, and the VM has its own", path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return error_invalid(err,
			"%.300s is %s: only folders and plain files can be shared", path,
			kind_name(st.st_mode));
	share->host = arena_strdup(arena, path);
	share->file = S_ISREG(st.st_mode);
	share->read_only = volume->read_only;
	return share->host ? 0 : error_errno(err, ENOMEM, "%.300s", path);
}

static void take_out_mounts(Grpc__Spec *spec, const char *guest)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!str_eq(spec->mounts[i]->destination, guest))
			spec->mounts[kept++] = spec->mounts[i];
	}
	spec->n_mounts = kept;
}

static void take_out_volumes(struct volumes *volumes, const char *guest)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < volumes->count; i++) {
		const struct volume *volume = &volumes->list[i];

		if (!volume->mount || !str_eq(volume->guest, guest))
			volumes->list[kept++] = *volume;
	}
	volumes->count = kept;
}

int volumes_add(struct volumes *volumes, const struct volume *given, unsigned count,
	Grpc__Spec *spec, struct error *err)
{
	for (unsigned i = 0; i < count; i++) {
		if (spec)
			take_out_mounts(spec, given[i].guest);
		take_out_volumes(volumes, given[i].guest);
		if (volumes->count == VOLUMES_MAX)
			return error_invalid(err,
				"%.200s for %.200s: a VM has at most %d folders and files of the "
				"host",
				given[i].host, given[i].guest, VOLUMES_MAX);
		volumes->list[volumes->count++] = given[i];
	}
	return 0;
}

static int refuse_twice(const struct volumes *volumes, unsigned i, struct error *err)
{
	for (unsigned k = 0; k < i; k++) {
		if (str_eq(volumes->list[k].guest, volumes->list[i].guest))
			return error_invalid(err, "%.200s and %.200s are both to be at %.200s",
				volumes->list[k].host, volumes->list[i].host,
				volumes->list[i].guest);
	}
	return 0;
}

/* As it was asked for. */
static int name_it(const struct volume *volume, struct error *err)
{
	if (volume->mount)
		return error_prefix(err,
			"config.json: mounts: %.200s is a bind of the host's '%.200s'",
			volume->guest, volume->host);
	return error_prefix(err, "--volume %.200s:%.200s%s", volume->host, volume->guest,
		volume->read_only ? ":ro" : "");
}

int volumes_look(struct volumes *volumes, struct arena *arena, struct error *err)
{
	for (unsigned i = 0; i < volumes->count; i++) {
		struct vm_share *share = &volumes->shares[i];
		int r = refuse_twice(volumes, i, err);

		if (r == 0)
			r = look(&volumes->list[i], share, arena, err);
		if (r < 0)
			return name_it(&volumes->list[i], err);
		if (volumes->list[i].by_tag)
			str_copy(share->tag, sizeof(share->tag), volumes->list[i].guest);
		else
			str_format(share->tag, sizeof(share->tag), "volume%u", i);
	}
	return 0;
}

static int fail(struct failure *failure, const char *advice, const struct error *err)
{
	failure_wrap(failure, VOLUMES_STAGE, advice, err);
	return -1;
}

int volumes_share(struct volumes *volumes, struct arena *arena, struct vm_plan *plan,
	const char *virtiofsd, struct failure *failure)
{
	struct error err = ERROR_INIT;
	const char *reason;

	if (volumes_look(volumes, arena, &err) < 0)
		return fail(failure, VOLUMES_ADVICE, &err);
	plan->config.shares = volumes->shares;
	plan->config.share_count = volumes->count;
	if (volumes->count == 0)
		return 0;
	reason = qemu_no_shares(plan->arch);
	if (reason) {
		error_invalid(&err, "a guest of %s: %s", plan->arch, reason);
		return fail(failure,
			"'tar c FOLDER | cradle run -i ... -- tar x' carries files over.", &err);
	}
	if (virtiofsd_find(virtiofsd, &err))
		return 0;
	return fail(failure,
		"Install it (Debian 12: apt install qemu-system-common, later ones: apt install "
		"virtiofsd), or name it by CRADLE_VIRTIOFSD.",
		&err);
}
