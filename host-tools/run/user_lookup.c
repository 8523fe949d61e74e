/* user_lookup: passwd and group of the image, by fgetpwent(3) and fgetgrent(3). */
#include "run/user_lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

/* Finds by name, or by number when name is NULL. The result is libc's static buffer. */
static const struct passwd *find_user(const char *path, const char *name, uint32_t uid)
{
	_cleanup_file_ FILE *file = fopen(path, "re");
	const struct passwd *entry;

	if (!file)
		return NULL;
	while ((entry = fgetpwent(file))) {
		if (name ? str_eq(entry->pw_name, name) : entry->pw_uid == uid)
			return entry;
	}
	return NULL;
}

static int find_group(const char *path, const char *name, uint32_t *ret)
{
	_cleanup_file_ FILE *file = fopen(path, "re");
	const struct group *entry;

	if (!file)
		return -ENOENT;
	while ((entry = fgetgrent(file))) {
		if (str_eq(entry->gr_name, name)) {
			*ret = entry->gr_gid;
			return 0;
		}
	}
	return -ENOENT;
}

static bool has_member(const struct group *group, const char *name)
{
	for (char **member = group->gr_mem; member && *member; member++) {
		if (str_eq(*member, name))
			return true;
	}
	return false;
}

static void add_groups(const char *path, struct user_identity *who)
{
	_cleanup_file_ FILE *file = fopen(path, "re");
	const struct group *entry;

	if (!file || !who->name[0])
		return;
	while (who->group_count < USER_GROUPS_MAX && (entry = fgetgrent(file))) {
		if (has_member(entry, who->name) && entry->gr_gid != who->gid)
			who->groups[who->group_count++] = entry->gr_gid;
	}
}

static int resolve_user(
	const char *user, const char *passwd, struct user_identity *who, struct error *err)
{
	const struct passwd *entry;
	uint32_t uid = 0;
	bool number = parse_u32(user, &uid) == 0;

	entry = find_user(passwd, number ? NULL : user, uid);
	if (!entry && !number)
		return error_invalid(
			err, "--user: the image's /etc/passwd knows no user '%s'", user);
	who->uid = uid;
	if (!entry)
		return 0;
	who->uid = entry->pw_uid;
	who->gid = entry->pw_gid;
	str_copy(who->name, sizeof(who->name), entry->pw_name);
	if (entry->pw_dir && entry->pw_dir[0] == '/')
		str_copy(who->home, sizeof(who->home), entry->pw_dir);
	return 0;
}

static int resolve_group(
	const char *name, const char *group, struct user_identity *who, struct error *err)
{
	if (parse_u32(name, &who->gid) == 0)
		return 0;
	if (find_group(group, name, &who->gid) < 0)
		return error_invalid(
			err, "--user: the image's /etc/group knows no group '%s'", name);
	return 0;
}

int user_lookup(const char *wanted, const char *passwd, const char *group,
	struct user_identity *ret, struct error *err)
{
	struct user_identity who = {.home = "/"};
	const char *colon = wanted ? strchr(wanted, ':') : NULL;
	char user[128] = "0";
	int r;

	if (wanted && str_format(user, sizeof(user), "%.*s",
			      (int)(colon ? colon - wanted : (long)strlen(wanted)), wanted) < 0)
		return error_invalid(err, "--user: '%s' is too long", wanted);
	if (str_empty(user) || (colon && str_empty(colon + 1)))
		return error_invalid(err, "--user: '%s' is not USER or USER:GROUP", wanted);
	r = resolve_user(user, passwd, &who, err);
	if (r == 0 && colon)
		r = resolve_group(colon + 1, group, &who, err);
	if (r < 0)
		return r;
	if (!colon)
		add_groups(group, &who);
	*ret = who;
	return 0;
}
