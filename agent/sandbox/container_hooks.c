/* container_hooks: see container_hooks.h. */
#include "sandbox/container_hooks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/helper_process.h"
#include "base/log.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"

struct hook_run {
	struct helper helper;
	struct container *container;
	enum hook_kind first, last;
	pid_t pid;
	container_hooks_fn done;
};

/* In the helper. */
static void say(void *context, const struct error *news)
{
	const struct hook_run *run = context;
	char text[ERROR_RENDER_MAX];

	log_record(news->status ? LOG_WARN : LOG_INFO, "hooks",
		error_render(news, text, sizeof(text)), "container-id", run->container->id, NULL);
}

static int run_all(void *arg, struct error *err)
{
	struct hook_run *run = arg;
	const struct hook_set *set = run->container->hooks;
	int r = 0;

	command_unprotect();
	for (int kind = (int)run->first; kind <= (int)run->last && r == 0; kind++)
		r = hooks_run(set, (enum hook_kind)kind, run->pid, say, run, err);
	return r;
}

static void on_done(struct helper *helper, int result, const struct error *err)
{
	struct hook_run *run = container_of(helper, struct hook_run, helper);
	struct container *container = run->container;
	container_hooks_fn done = run->done;
	struct error own = *err;

	container->hook_run = NULL;
	free(run);
	done(container, result < 0 ? &own : NULL);
}

static bool wanted(const struct container *container, enum hook_kind first, enum hook_kind last)
{
	for (int kind = (int)first; kind <= (int)last; kind++)
		if (hooks_wanted(container->hooks, (enum hook_kind)kind))
			return true;
	return false;
}

int container_hooks_run(struct container *container, enum hook_kind first, enum hook_kind last,
	container_hooks_fn done, struct error *err)
{
	const struct process *init = container->init;
	struct hook_run *run;
	int r;

	if (!wanted(container, first, last))
		return 1;
	run = calloc(1, sizeof(*run));
	if (!run)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "run hooks");
	run->container = container;
	run->first = first;
	run->last = last;
	run->pid = init && !init->launch.child.exited ? init->launch.child.pid : 0;
	run->done = done;
	/* No deadline here: each hook has its own. */
	r = helper_run(
		container->sandbox->loop, &run->helper, run_all, run, 0, on_done, "hooks", err);
	if (r < 0) {
		free(run);
		return r;
	}
	container->hook_run = run;
	return 0;
}

void container_hooks_cancel(struct container *container)
{
	if (!container->hook_run)
		return;
	helper_cancel(&container->hook_run->helper);
	free(container->hook_run);
	container->hook_run = NULL;
}
