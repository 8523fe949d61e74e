/*
 * hooks: see hooks.h. Called in children only: a helper of the agent (sandbox/container_hooks) or
 * the container's own first process (launch_child).
 */
#include "launch/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/fd.h"
#include "base/strings.h"
#include "hard_limits.h"

static const struct {
	const char *name, *status; /* of the container, OCI runtime.md "State" */
	bool fatal, guest;
} kinds[HOOK_KIND_COUNT] = {
	[HOOK_PRESTART] = {"prestart", "creating", true, true},
	[HOOK_CREATE_RUNTIME] = {"createRuntime", "creating", true, false},
	[HOOK_CREATE_CONTAINER] = {"createContainer", "creating", true, false},
	[HOOK_START_CONTAINER] = {"startContainer", "created", true, false},
	[HOOK_POSTSTART] = {"poststart", "running", false, true},
	[HOOK_POSTSTOP] = {"poststop", "stopped", false, true},
};

struct run {
	const struct hook_set *set;
	enum hook_kind kind;
	pid_t pid;
	hook_say_fn say;
	void *context;
};

bool hooks_wanted(const struct hook_set *set, enum hook_kind kind)
{
	return set && (set->of[kind].count > 0 || (set->guest_path && kinds[kind].guest));
}

bool hooks_fatal(enum hook_kind kind)
{
	return kinds[kind].fatal;
}

const char *hook_kind_name(enum hook_kind kind)
{
	return kinds[kind].name;
}

/* ---- one hook ---------------------------------------------------------------------------------
 */

/* A file and not a pipe: whoever does not read it holds nobody up. */
static int write_state(const struct run *run, struct error *err)
{
	_cleanup_fd_ int fd = memfd_create("state", MFD_CLOEXEC);
	char end[96];
	size_t len = strlen(run->set->state);

	if (run->pid > 0)
		str_format(end, sizeof(end), ",\"status\":\"%s\",\"pid\":%d}\n",
			kinds[run->kind].status, (int)run->pid);
	else
		str_format(end, sizeof(end), ",\"status\":\"%s\"}\n", kinds[run->kind].status);
	if (fd < 0 || fd_write_full(fd, run->set->state, len) != (ssize_t)len ||
		fd_write_full(fd, end, strlen(end)) != (ssize_t)strlen(end) ||
		lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "write the container's state");
	return take_fd(&fd);
}

static void say_output(const struct run *run, const struct hook *hook, const char *output)
{
	struct error news = ERROR_INIT;

	if (!run->say || !*output)
		return;
	error_set(&news, STATUS_OK, 0, "hook %s %s: %s", kinds[run->kind].name, hook->path, output);
	run->say(run->context, &news);
}

static int run_hook(const struct run *run, const struct hook *hook, struct error *err)
{
	_cleanup_fd_ int state = write_state(run, err);
	struct command command = {.path = hook->path,
		.args = hook->args,
		.env = hook->env,
		.input = state,
		.timeout_s = hook->timeout_s};
	int r = state < 0 ? state : command_run(&command, err);

	if (r < 0)
		return error_prefix(err, "hook %s %s", kinds[run->kind].name, hook->path);
	say_output(run, hook, command.output);
	return 0;
}

/* A failure that fails nothing is told and forgotten. */
static int run_one(const struct run *run, const struct hook *hook, struct error *err)
{
	struct error own = ERROR_INIT;
	int r = run_hook(run, hook, &own);

	if (r >= 0)
		return 0;
	if (!kinds[run->kind].fatal) {
		if (run->say)
			run->say(run->context, &own);
		return 0;
	}
	if (err)
		*err = own;
	return r;
}

/* ---- guest hooks ---------------------------------------------------------------------------- */

static int is_guest_hook(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_file(const struct run *run, const char *dir, char *name, struct error *err)
{
	char path[PATH_MAX], kind[32];
	char *args[] = {name, kind, NULL}, *env[] = {NULL};
	struct hook hook = {path, args, env, HOOK_TIMEOUT_S};
	struct stat st;

	str_copy(kind, sizeof(kind), kinds[run->kind].name);
	if (str_format(path, sizeof(path), "%s/%s", dir, name) < 0 || lstat(path, &st) < 0 ||
		!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return 0;
	return run_one(run, &hook, err);
}

/* Regular, executable files, no links; a missing directory is fine. */
static int run_guest_hooks(const struct run *run, struct error *err)
{
	struct dirent **names = NULL;
	char dir[PATH_MAX];
	int count, r = 0;

	if (!run->set->guest_path || !kinds[run->kind].guest)
		return 0;
	if (str_format(dir, sizeof(dir), "%s/%s", run->set->guest_path, kinds[run->kind].name) < 0)
		return error_errno(err, ENAMETOOLONG, "guest_hook_path");
	count = scandir(dir, &names, is_guest_hook, alphasort);
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = run_file(run, dir, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return r;
}

int hooks_run(const struct hook_set *set, enum hook_kind kind, pid_t pid, hook_say_fn say,
	void *context, struct error *err)
{
	const struct run run = {set, kind, pid, say, context};
	int r = 0;

	for (size_t i = 0; i < set->of[kind].count && r == 0; i++)
		r = run_one(&run, &set->of[kind].list[i], err);
	return r == 0 ? run_guest_hooks(&run, err) : r;
}
