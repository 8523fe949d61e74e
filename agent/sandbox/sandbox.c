/* sandbox: see sandbox.h. Start, look-ups, the end of everything, the state dump. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/mount.h"
#include "sandbox/container.h"
#include "sandbox/network.h"
#include "sandbox/passfd.h"
#include "sandbox/sandbox.h"

/* As PID 1 all containers live under this group ("Room for the agent" in docs/architecture.md). */
#define PARENT_GROUP "cradle"

static int is_rootfs(const struct mount_entry *entry, void *context)
{
	return str_eq(entry->mount_point, "/") && str_eq(entry->fstype, "rootfs");
}

static int open_groups(struct sandbox *sandbox, struct error *err)
{
	int r = cgroup_root_open(
		&sandbox->cgroup_root, sandbox->options.init ? PARENT_GROUP : NULL, err);

	if (r == 0 && sandbox->options.init)
		r = guest_memory_limit(sandbox, err);
	return r;
}

static int listen_for_streams(struct sandbox *sandbox, struct error *err)
{
	struct address address;

	if (address_parse(sandbox->options.passfd_address, &address, err) < 0)
		return -EINVAL;
	sandbox->passfd = passfd_new(sandbox->loop, &address, err);
	return sandbox->passfd ? 0 : -EIO;
}

int sandbox_init(struct sandbox *sandbox, struct event_loop *loop,
	const struct sandbox_options *options, struct error *err)
{
	int r;

	memset(sandbox, 0, sizeof(*sandbox));
	sandbox->loop = loop;
	sandbox->options = *options;
	sandbox->ipc_fd = sandbox->uts_fd = sandbox->pid_fd = -1;
	list_init(&sandbox->containers);
	list_init(&sandbox->lingering);
	list_init(&sandbox->network_jobs);
	waiter_list_init(&sandbox->ended);
	sandbox->no_pivot = mountinfo_for_each(NULL, is_rootfs, NULL) == 1;
	storage_table_init(
		&sandbox->storages, loop, options->run_directory, options->device_timeout_ms);
	r = open_groups(sandbox, err);
	if (r < 0)
		return r;
	sandbox->cgroup_events = cgroup_events_new(loop);
	if (!sandbox->cgroup_events)
		return error_errno(err, errno, "watch cgroups by inotify");
	sandbox->oom = oom_monitor_new(sandbox->cgroup_events, &sandbox->cgroup_root);
	if (!sandbox->oom)
		return error_errno(err, errno, "make the OOM monitor");
	oom_monitor_set_window(sandbox->oom, options->oom_window_ms);
	sandbox->worker = worker_new(loop);
	if (!sandbox->worker)
		return error_errno(err, errno, "fork the worker process");
	if (options->init)
		guest_memory_watch(sandbox);
	return str_empty(options->passfd_address) ? 0 : listen_for_streams(sandbox, err);
}

void sandbox_release(struct sandbox *sandbox)
{
	while (!list_empty(&sandbox->containers))
		container_free(list_entry(sandbox->containers.next, struct container, node));
	guest_memory_release(&sandbox->guest_memory);
	event_timer_stop(&sandbox->trim);
	network_release(sandbox);
	passfd_free(sandbox->passfd);
	worker_free(sandbox->worker);
	oom_monitor_free(sandbox->oom);
	cgroup_events_free(sandbox->cgroup_events);
	storage_table_release(&sandbox->storages);
	close_fd(&sandbox->ipc_fd);
	close_fd(&sandbox->uts_fd);
	close_fd(&sandbox->pid_fd);
	free(sandbox->shared);
	free(sandbox->guest_hook_path);
}

struct container *sandbox_container(struct sandbox *sandbox, const char *id)
{
	list_for_each (node, &sandbox->containers) {
		struct container *c = list_entry(node, struct container, node);

		if (str_eq(c->id, id))
			return c;
	}
	return NULL;
}

/* ---- the end
 * -------------------------------------------------------------------------------------- */

static void release_next_shared(struct sandbox *sandbox);

static void on_shared_released(struct storage_user *user)
{
	struct container_storage *storage = container_of(user, struct container_storage, user);

	release_next_shared(storage->sandbox);
}

static void release_next_shared(struct sandbox *sandbox)
{
	while (sandbox->shared_count > 0) {
		struct container_storage *storage = &sandbox->shared[--sandbox->shared_count];

		if (!storage->acquired)
			continue;
		storage->acquired = false;
		storage_release(&sandbox->storages, &storage->user, true, on_shared_released);
		return;
	}
	sandbox_unbind_resolv_conf(sandbox);
	log_record(LOG_INFO, "sandbox", "sandbox destroyed", "sandbox-id", sandbox->id, NULL);
	sandbox->over = true;
	waiter_wake_all(&sandbox->ended, sandbox->end_result);
}

/* Once it is being destroyed every container is torn down, gone, or (STOPPED) has to stay. */
static bool all_settled(const struct sandbox *sandbox)
{
	list_for_each (node, &sandbox->containers)
		if (list_entry(node, struct container, node)->state == CONTAINER_REMOVING)
			return false;
	return !sandbox->setup;
}

static void on_end_task(struct event_task *task)
{
	struct sandbox *sandbox = container_of(task, struct sandbox, end_task);

	if (sandbox->releasing || !all_settled(sandbox))
		return;
	sandbox->releasing = true;
	release_next_shared(sandbox);
}

void sandbox_progress(struct sandbox *sandbox)
{
	if (sandbox->ending)
		event_task_defer(sandbox->loop, &sandbox->end_task, on_end_task);
}

int sandbox_destroy(struct sandbox *sandbox, struct error *err)
{
	/* a second call fails with INTERNAL (agent-api-containers.md 2) */
	if (sandbox->ending)
		return error_set(err, STATUS_INTERNAL, 0, "the sandbox is being destroyed already");
	sandbox->ending = true;
	sandbox->end_result = 0;
	oom_monitor_end(sandbox->oom, -ECANCELED);
	/* each goes on by itself: one that fails does not keep the others (c10) */
	list_for_each_safe (node, &sandbox->containers)
		container_remove(list_entry(node, struct container, node));
	sandbox_progress(sandbox);
	return 0;
}

/* ---- the state dump
 * ------------------------------------------------------------------------------- */

static void dump_container(const struct container *container)
{
	list_for_each (node, &container->processes) {
		const struct process *p = list_entry(node, struct process, node);

		log_printf(LOG_INFO, "dump", "  process %s: pid %d, state %d, exit %d%s", p->id,
			(int)p->launch.child.pid, p->state, p->exit_status,
			p->collected ? ", collected" : "");
	}
}

void sandbox_dump(const struct sandbox *sandbox)
{
	log_printf(LOG_INFO, "dump", "sandbox %s: %u containers, %u storages, %u children",
		sandbox->id, sandbox->container_count, sandbox->storages.count,
		child_process_count());
	list_for_each (node, &sandbox->containers) {
		const struct container *c = list_entry(node, struct container, node);

		log_printf(LOG_INFO, "dump", "container %s: %s, cgroup %s", c->id,
			container_state_name(c->state), c->cgroup.path ? c->cgroup.path : "");
		dump_container(c);
	}
}
