/*
 * credentials: see credentials.h. The order is that of agent-api-containers.md section 6, steps
 * 8, 9.
 */
#include "launch/credentials.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "kernel/seccomp.h"

/* True where setgroups(2) was denied for good, which an unprivileged agent needs for its gid map.
 */
static bool setgroups_denied(void)
{
	char text[16];

	return file_read("/proc/self/setgroups", text, sizeof(text)) > 0 &&
	       str_starts(text, "deny");
}

static int set_groups(const gid_t *groups, size_t count, struct error *err)
{
	if (setgroups(count, groups) == 0)
		return 0;
	if (errno == EPERM && count == 0 && setgroups_denied())
		return 0;
	return error_errno(err, errno, "setgroups: %zu groups", count);
}

int credentials_become_root(struct error *err)
{
	int r = set_groups(NULL, 0, err);

	if (r < 0)
		return r;
	if (setresgid(0, 0, 0) < 0)
		return error_errno(err, errno, "setresgid 0 in the user namespace");
	if (setresuid(0, 0, 0) < 0)
		return error_errno(err, errno, "setresuid 0 in the user namespace");
	return 0;
}

int credentials_set_user(const struct launch_plan *plan, struct error *err)
{
	struct capability_sets held;
	int r = set_groups(plan->groups, plan->group_count, err);

	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl PR_SET_KEEPCAPS");
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0)
		return error_errno(err, errno, "setresgid %u", plan->gid);
	if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
		return error_errno(err, errno, "setresuid %u", plan->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl PR_SET_KEEPCAPS");
	/* Keeping caps keeps the permitted ones only. */
	r = capability_get(&held, err);
	if (r < 0)
		return r;
	held.effective = held.permitted;
	return capability_set(&held, err);
}

static int set_labels(const struct launch_plan *plan, struct error *err)
{
	char text[512];
	int r;

	if (plan->selinux_label) {
		r = file_write("/proc/self/attr/exec", plan->selinux_label);
		if (r < 0)
			return error_errno(
				err, -r, "Process.SelinuxLabel %.100s", plan->selinux_label);
	}
	if (plan->apparmor_profile) {
		r = str_format(text, sizeof(text), "exec %s", plan->apparmor_profile);
		if (r >= 0)
			r = file_write("/proc/self/attr/apparmor/exec", text);
		if (r < 0)
			return error_errno(
				err, -r, "Process.ApparmorProfile %.100s", plan->apparmor_profile);
	}
	return 0;
}

static int set_capabilities(
	const struct launch_plan *plan, uint64_t *missing, struct error *ambient, struct error *err)
{
	const struct capability_sets *want = &plan->capabilities;
	struct capability_sets held, set = *want;
	int r = capability_get(&held, err);

	if (r < 0)
		return r;
	*missing = (want->permitted | want->effective | want->inheritable) & ~held.permitted;
	set.permitted &= held.permitted;
	set.effective &= set.permitted;
	/* capset(2) allows no more than what is permitted and in the bounding set. */
	set.inheritable &= held.permitted & (want->bounding | held.inheritable);
	r = capability_set(&set, err);
	if (r < 0)
		return r;
	capability_set_ambient(want->ambient & held.permitted, ambient);
	return 0;
}

int credentials_drop(const struct launch_plan *plan, int seccomp_fd, uint64_t *missing,
	struct error *ambient, struct error *err)
{
	int r;

	if (plan->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "prctl PR_SET_NO_NEW_PRIVS");
	r = set_labels(plan, err);
	if (r >= 0)
		r = capability_bound(plan->capabilities.bounding, err);
	if (r >= 0 && plan->seccomp_before && seccomp_fd >= 0)
		r = seccomp_install(seccomp_fd, plan->seccomp_flags, err);
	if (r < 0)
		return r;
	return set_capabilities(plan, missing, ambient, err);
}
