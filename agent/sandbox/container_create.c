/*
 * container_create: the asynchronous steps of one creation. What can be checked without doing
 * anything is checked first; then each step is ended by an event that starts the next:
 * storages (helpers) -> seccomp (helper) -> cgroup -> launch. A failure at any
 * point hands the container to container_undo(); the caller hears of it when all is undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "kernel/cgroup_annotations.h"
#include "kernel/cgroup_devices.h"
#include "kernel/cgroup_limits.h"
#include "kernel/namespace.h"
#include "kernel/seccomp.h"
#include "kernel/seccomp_cache.h"
#include "hard_limits.h"
#include "sandbox/container.h"
#include "sandbox/container_hooks.h"
#include "sandbox/container_spec.h"
#include "sandbox/container_stall.h"
#include "sandbox/sandbox.h"

static void run_steps(struct container *container);

static void fail(struct container *container, const struct error *err)
{
	container->failure = *err;
	container_undo(container);
}

/* ---- checks before anything is done
 * -------------------------------------------------------------- */

/* What this agent does not do yet is refused by name, never dropped in silence. */
static int check_unsupported(const Grpc__CreateContainerRequest *request, struct error *err)
{
	if (request->n_devices)
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"devices[0] (type '%s'): this agent has no device handlers yet",
			request->devices[0]->type);
	if (request->n_shared_mounts)
		return error_set(
			err, STATUS_UNIMPLEMENTED, 0, "shared_mounts are not supported yet");
	return 0;
}

static int check_request(
	struct sandbox *sandbox, const Grpc__CreateContainerRequest *request, struct error *err)
{
	if (!container_id_valid(request->container_id))
		return error_invalid(err,
			"container_id '%.64s': want a letter or digit, then letters, digits, '.', "
			"'-', '_', 2 to %d in all",
			request->container_id, CONTAINER_ID_MAX - 1);
	if (sandbox_container(sandbox, request->container_id))
		return error_set(err, STATUS_ALREADY_EXISTS, 0, "container %s exists",
			request->container_id);
	if (sandbox->ending)
		return error_set(err, STATUS_INTERNAL, 0, "the sandbox is being destroyed");
	if (sandbox->container_count >= CONTAINERS_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"there are %u containers already", sandbox->container_count);
	if (!request->oci || !request->oci->root || str_empty(request->oci->root->path))
		return error_invalid(
			err, "container %s: OCI.Root.Path is missing", request->container_id);
	if (!path_is_absolute(request->oci->root->path))
		return error_invalid(err, "container %s: OCI.Root.Path '%s' is not absolute",
			request->container_id, request->oci->root->path);
	return check_unsupported(request, err);
}

static bool is_pause(const struct container *container)
{
	return str_eq(container->id, container->sandbox->id);
}

/* The pod's first container, or its pause container made anew: its PID namespace is the shared one.
 */
static bool may_found_pids(const struct container *container)
{
	return container->sandbox->container_count == 1 || is_pause(container);
}

static bool wants_shared_pids(const struct container *container)
{
	return container->request->sandbox_pidns || container->sandbox->shared_pids;
}

/* Which shared namespaces a container joins (agent-api-containers.md section 5). */
static int choose_namespaces(
	struct container *container, struct launch_config *config, struct error *err)
{
	const struct sandbox *sandbox = container->sandbox;

	config->ipc_fd = sandbox->ipc_fd;
	config->uts_fd = sandbox->uts_fd;
	config->pid_fd = -1;
	if (!wants_shared_pids(container))
		return 0;
	config->pid_fd = sandbox->pid_fd;
	if (sandbox->pid_fd < 0 && !may_found_pids(container))
		return error_set(err, STATUS_INTERNAL, ESRCH,
			"container %s: sandbox_pidns, but the sandbox has no PID namespace: its "
			"first container is gone",
			container->id);
	return 0;
}

static int make_plan(struct container *container, const char *cgroup_path, struct arena *arena,
	const struct launch_plan **plan, struct error *err)
{
	char bundle[PATH_MAX];
	struct launch_config config = {.container_id = container->id,
		.rootfs = container->request->oci->root->path,
		.cgroup_path = cgroup_path,
		.bundle = bundle,
		.guest_hook_path = container->sandbox->guest_hook_path,
		.no_pivot = container->sandbox->no_pivot};
	int r = choose_namespaces(container, &config, err);

	str_format(bundle, sizeof(bundle), "%s/%s", container->sandbox->options.run_directory,
		container->id);
	return r < 0 ? r
		     : launch_plan_container(container->request->oci, &config, arena, plan, err);
}

struct group_plan {
	char path[PATH_MAX];
	struct cgroup_writes writes;
	struct device_program devices;
	struct stall_options stall;
};

static int plan_group(struct container *container, struct group_plan *plan, struct arena *arena,
	struct error *err)
{
	struct device_denied denied;
	const Grpc__Linux *linux_part = container->request->oci->linux;
	int r = cgroup_path_for(&container->sandbox->cgroup_root,
		linux_part ? linux_part->cgroupspath : NULL, container->id, plan->path,
		sizeof(plan->path), err);

	if (r == 0)
		r = cgroup_limits_plan(&container->sandbox->cgroup_root,
			linux_part ? linux_part->resources : NULL, arena, &plan->writes, err);
	if (r == 0)
		r = cgroup_annotations_plan(container->request->oci, arena, &plan->writes, err);
	if (r == 0)
		r = container_stall_options(container, container->request->oci, &plan->stall, err);
	if (r < 0)
		return r;
	device_denied_root(&denied);
	return cgroup_devices_plan(&container->sandbox->cgroup_root, linux_part,
		!linux_part || !linux_part->resources || !linux_part->resources->n_devices, &denied,
		arena, &plan->devices, err);
}

/* All that is pure, in a throw-away arena: a bad spec fails before anything exists. */
static int check_plans(struct container *container, struct error *err)
{
	const struct launch_plan *plan;
	struct group_plan group;
	struct arena scratch;
	int r;

	arena_init(&scratch, LAUNCH_ARENA_MAX);
	r = plan_group(container, &group, &scratch, err);
	if (r == 0)
		r = make_plan(container, group.path, &scratch, &plan, err);
	arena_release(&scratch);
	return r;
}

/* ---- storages
 * ------------------------------------------------------------------------------------ */

static void on_storage(struct storage_user *user, int result, const struct error *err)
{
	struct container_storage *storage = container_of(user, struct container_storage, user);
	struct container *container = storage->container;
	struct error own;

	if (result < 0)
		storage->acquired = false;
	/* Handed out while the creation is undone already: the teardown gives it back. */
	if (container->state != CONTAINER_CREATING)
		return;
	if (result < 0) {
		own = *err;
		error_prefix(&own, "container %s: storages[%zu]", container->id,
			(size_t)(storage - container->storages));
		fail(container, &own);
		return;
	}
	run_steps(container);
}

static int acquire_next_storage(struct container *container, struct error *err)
{
	size_t i = container->storage_next++;
	struct container_storage *storage = &container->storages[i];
	struct storage_request request;
	int r;

	storage_request_from(&request, container->request->storages[i], container->id);
	storage->container = container;
	storage->user.done = on_storage;
	r = storage_acquire(&container->sandbox->storages, &request, &storage->user, err);
	if (r < 0)
		return error_prefix(err, "container %s: storages[%zu]", container->id, i);
	storage->acquired = true;
	return 0;
}

/* ---- seccomp
 * ------------------------------------------------------------------------------------- */

static void on_helper(struct helper *helper, int result, const struct error *err)
{
	struct container *container = container_of(helper, struct container, helper);
	struct error own;

	if (container->state != CONTAINER_CREATING) {
		container_teardown_poke(container);
		return;
	}
	if (result < 0) {
		own = *err;
		error_prefix(&own, "container %s", container->id);
		fail(container, &own);
		return;
	}
	seccomp_cache_keep(container->request->oci->linux->seccomp, container->seccomp_fd);
	container->step++;
	run_steps(container);
}

static int compile_filter(void *arg, struct error *err)
{
	const struct container *container = arg;

	return seccomp_compile(container->request->oci->linux->seccomp, container->seccomp_fd, err);
}

static int start_seccomp(struct container *container, struct error *err)
{
	const Grpc__Linux *linux_part = container->request->oci->linux;

	if (!linux_part || !linux_part->seccomp)
		return 1;
	container->seccomp_fd = seccomp_cache_find(linux_part->seccomp);
	if (container->seccomp_fd >= 0)
		return 1;
	container->seccomp_fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (container->seccomp_fd < 0)
		return error_errno(err, errno, "memfd for the seccomp filter");
	container->helper.keep = &container->seccomp_fd;
	container->helper.keep_count = 1;
	return helper_run(container->sandbox->loop, &container->helper, compile_filter, container,
		HELPER_TIMEOUT_MS, on_helper, "compile seccomp filter", err);
}

/* ---- cgroup and launch
 * --------------------------------------------------------------------------- */

static int make_group(struct container *container, struct error *err)
{
	struct group_plan plan;
	int r = plan_group(container, &plan, &container->arena, err);

	if (r == 0)
		r = cgroup_create(
			&container->cgroup, &container->sandbox->cgroup_root, plan.path, err);
	if (r == 0)
		r = cgroup_limits_apply(&container->cgroup, &plan.writes, NULL, err);
	if (r == 0)
		r = cgroup_devices_attach(&container->cgroup, &plan.devices, err);
	if (r < 0)
		return r;
	r = oom_target_add(container->sandbox->oom, &container->oom, container->id, plan.path);
	if (r < 0)
		return error_errno(err, -r, "watch the memory of container %s", container->id);
	container_stall_start(container, &plan.stall);
	return 0;
}

static int share_pid_namespace(struct container *container, struct error *err)
{
	struct sandbox *sandbox = container->sandbox;
	int fd, r;

	if (!may_found_pids(container) ||
		(sandbox->pid_fd >= 0 && (!is_pause(container) || wants_shared_pids(container))))
		return 0;
	r = namespace_pin(NAMESPACE_PID, container->init->launch.child.pid, &fd, err);
	if (r < 0 || fd < 0)
		return r;
	close_fd(&sandbox->pid_fd);
	sandbox->pid_fd = fd;
	sandbox->pid_founder = container;
	return 0;
}

static void finish(struct container *container)
{
	container->step = STEP_DONE;
	container->state = CONTAINER_CREATED;
	log_record(LOG_DEBUG, "sandbox", "container created", "container-id", container->id, NULL);
	if (container->created)
		container->created(container->created_owner, container, NULL);
	/* after the answer, which lies in the same arena as the request */
	if (container->state == CONTAINER_CREATED)
		container_spec_keep(container);
}

/* prestart, createRuntime: init waits for them before it leaves the guest's root. */
static void on_hooks_done(struct container *container, const struct error *failure)
{
	struct error err = ERROR_INIT;

	if (failure)
		err = *failure;
	else if (launch_go_on(&container->init->launch, &err) == 0)
		return;
	error_prefix(&err, "container %s", container->id);
	fail(container, &err);
}

static void run_create_hooks(struct container *container)
{
	struct error err = ERROR_INIT;

	if (container_hooks_run(
		    container, HOOK_PRESTART, HOOK_CREATE_RUNTIME, on_hooks_done, &err) != 0)
		on_hooks_done(container, err.status ? &err : NULL);
}

/* Whether it was the limit that killed init while it was set up, the group's counters know. */
static void blame_limit(struct container *container, struct error *err)
{
	oom_target_check(&container->oom);
	if (container->oom.kills_total > 0)
		error_set(err, STATUS_INTERNAL, 0,
			"memory limit too small to start: init was killed for it during set-up");
}

static void on_init_event(struct process *process, enum launch_event event, const struct error *err)
{
	struct container *container = process->container;
	struct error own = ERROR_INIT;

	/* It may have said so just before the teardown's SIGKILL, or it dies of that. */
	if (container->state != CONTAINER_CREATING)
		return;
	if (event == LAUNCH_HOOKS) {
		run_create_hooks(container);
	} else if (event == LAUNCH_CREATED) {
		if (share_pid_namespace(container, &own) < 0) {
			error_prefix(&own, "container %s", container->id);
			fail(container, &own);
			return;
		}
		finish(container);
	} else if (event == LAUNCH_FAILED) {
		own = *err;
		blame_limit(container, &own);
		error_prefix(&own, "container %s", container->id);
		fail(container, &own);
	}
}

static int launch_init(struct container *container, struct error *err)
{
	_cleanup_fd_ int group = -1;
	struct launch_request request = {
		.cgroup = &container->cgroup, .seccomp_fd = container->seccomp_fd};
	int r = make_plan(container, container->cgroup.path, &container->arena, &request.plan, err);

	if (r < 0)
		return r;
	r = cgroup_open_for_clone(&container->cgroup, &group);
	if (r < 0)
		return error_errno(err, -r, "open the group of container %s", container->id);
	request.cgroup_fd = group;
	container->hooks = launch_plan_hooks(request.plan);
	container->init = process_new(container, container->id);
	if (!container->init)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"make init of container %s", container->id);
	container->init->passed = container->passed;
	passed_streams_init(&container->passed);
	return process_launch(container->init, &request, launch_plan_terminal(request.plan),
		container->sandbox->options.pipe_size, on_init_event, container, err);
}

/* ---- the steps
 * ----------------------------------------------------------------------------------- */

/* 0: the step waits for an event; 1: done, go on; negative: failed. */
static int run_step(struct container *container, struct error *err)
{
	int r;

	switch (container->step) {
	case STEP_STORAGES:
		return container->storage_next < container->storage_count
			       ? acquire_next_storage(container, err)
			       : 1;
	case STEP_SECCOMP:
		return start_seccomp(container, err);
	case STEP_CGROUP:
		r = make_group(container, err);
		return r < 0 ? r : 1;
	default:
		return launch_init(container, err);
	}
}

static void run_steps(struct container *container)
{
	struct error err = ERROR_INIT;
	int r;

	while ((r = run_step(container, &err)) == 1)
		container->step++;
	if (r < 0)
		fail(container, &err);
}

static void on_first_step(struct event_task *task)
{
	run_steps(container_of(task, struct container, task));
}

static struct container *new_container(
	struct sandbox *sandbox, const Grpc__CreateContainerRequest *request)
{
	struct container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	container->id = strdup(request->container_id);
	if (!container->id) {
		free(container);
		return NULL;
	}
	container->sandbox = sandbox;
	container->request = request;
	container->seccomp_fd = -1;
	passed_streams_init(&container->passed);
	cgroup_init(&container->cgroup);
	list_init(&container->processes);
	list_init(&container->updates);
	waiter_list_init(&container->removed);
	list_append(&sandbox->containers, &container->node);
	sandbox->container_count++;
	return container;
}

static int begin(struct sandbox *sandbox, struct arena *arena,
	const Grpc__CreateContainerRequest *request, struct container **ret, struct error *err)
{
	struct container *container;
	int r = check_request(sandbox, request, err);

	if (r < 0)
		return r;
	container = new_container(sandbox, request);
	if (!container)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make container %s",
			request->container_id);
	container->storage_count = request->n_storages;
	container->storages = calloc(request->n_storages + 1, sizeof(*container->storages));
	r = container->storages ? check_plans(container, err)
				: error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
					  "make container %s", request->container_id);
	if (r < 0) {
		container_free(container);
		return error_prefix(err, "container %s", request->container_id);
	}
	*ret = container;
	return 0;
}

int container_create(struct sandbox *sandbox, struct arena *arena,
	const Grpc__CreateContainerRequest *request, container_created_fn created, void *owner,
	struct container **ret, struct error *err)
{
	struct container *container = NULL;
	struct passed_streams passed;
	/* first of all: they end with any failure */
	int r = passfd_claim(sandbox->passfd, request->stdin_port, request->stdout_port,
		request->stderr_port, &passed, err);

	if (r == 0)
		r = begin(sandbox, arena, request, &container, err);
	if (r < 0) {
		passed_streams_close(&passed);
		return r;
	}
	container->passed = passed;
	arena_move(&container->arena, arena);
	container->created = created;
	container->created_owner = owner;
	event_task_defer(sandbox->loop, &container->task, on_first_step);
	*ret = container;
	return 0;
}

void container_create_abandon(struct container *container)
{
	struct error err = ERROR_INIT;

	container->created = NULL;
	container->created_owner = NULL;
	if (container->state != CONTAINER_CREATING)
		return;
	error_set(&err, STATUS_CANCELLED, ECANCELED, "container %s: the caller is gone",
		container->id);
	fail(container, &err);
}
