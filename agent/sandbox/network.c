/* network: see network.h. The queue and the helpers; what they have read is in network_reply.c. */
#include "sandbox/network.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "sandbox/iptables.h"
#include "sandbox/network_apply.h"
#include "sandbox/network_job.h"
#include "sandbox/sandbox.h"

static void start_next(struct sandbox *sandbox);

static void end_job(struct network_job *job, const struct error *err)
{
	list_remove(&job->node);
	helper_cancel(&job->helper);
	if (job->done)
		job->done(job->owner, job, err);
	close_fd(&job->memfd);
	arena_release(&job->arena);
	free(job);
}

/* In the helper. */
static int run_job(void *arg, struct error *err)
{
	const struct network_job *job = arg;
	int r = 0;

	switch (job->kind) {
	case NETWORK_INTERFACE:
		return network_apply_interface(
			&job->interface, job->sandbox->options.device_timeout_ms, err);
	case NETWORK_NEIGHBORS:
		return network_apply_neighbors(job->neighbors, job->count, err);
	case NETWORK_LIST_INTERFACES:
		return network_read(job->memfd, true, false, err);
	case NETWORK_ROUTES:
		r = network_apply_routes(job->routes, job->count, err);
		break;
	case NETWORK_SAVE_RULES:
		return iptables_save(job->ipv6, job->memfd, err);
	case NETWORK_RESTORE_RULES:
		return iptables_restore(job->ipv6, job->rules, job->count, job->memfd, err);
	case NETWORK_LIST_ROUTES:
		break;
	}
	return r < 0 ? r : network_read(job->memfd, false, true, err);
}

static void on_ran(struct helper *helper, int result, const struct error *err)
{
	struct network_job *job = container_of(helper, struct network_job, helper);
	struct sandbox *sandbox = job->sandbox;

	end_job(job, result < 0 ? err : NULL);
	start_next(sandbox);
}

/* The wait for an interface named by its device is not to be cut short. */
static uint64_t timeout_ms(const struct network_job *job)
{
	return job->kind == NETWORK_INTERFACE
		       ? HELPER_TIMEOUT_MS + job->sandbox->options.device_timeout_ms
		       : HELPER_TIMEOUT_MS;
}

static int start(struct network_job *job, struct error *err)
{
	job->memfd = memfd_create("network", MFD_CLOEXEC);
	if (job->memfd < 0)
		return error_errno(err, errno, "memfd for the network's state");
	job->helper.keep = &job->memfd;
	job->helper.keep_count = 1;
	return helper_run(job->sandbox->loop, &job->helper, run_job, job, timeout_ms(job), on_ran,
		"network", err);
}

/* Those that cannot be started fail; the first that can is the one that runs. */
static void start_next(struct sandbox *sandbox)
{
	while (!list_empty(&sandbox->network_jobs)) {
		struct network_job *job =
			list_entry(sandbox->network_jobs.next, struct network_job, node);
		struct error err = ERROR_INIT;

		if (helper_active(&job->helper) || start(job, &err) == 0)
			return;
		end_job(job, &err);
	}
}

/* ---- the calls --------------------------------------------------------------------------------
 */

static struct network_job *new_job(struct sandbox *sandbox, enum network_kind kind,
	network_done_fn done, void *owner, struct error *err)
{
	struct network_job *job = calloc(1, sizeof(*job));

	if (!job) {
		error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "change the network");
		return NULL;
	}
	job->sandbox = sandbox;
	job->kind = kind;
	job->done = done;
	job->owner = owner;
	job->memfd = -1;
	return job;
}

/* Takes the arena along, unless the job cannot be started at once although its turn has come. */
static int enqueue(
	struct network_job *job, struct arena *arena, struct network_job **ret, struct error *err)
{
	bool idle = list_empty(&job->sandbox->network_jobs);
	int r = idle ? start(job, err) : 0;

	if (r < 0) {
		close_fd(&job->memfd);
		free(job);
		return r;
	}
	arena_move(&job->arena, arena);
	list_append(&job->sandbox->network_jobs, &job->node);
	*ret = job;
	return 0;
}

int network_update_interface(struct sandbox *sandbox, struct arena *arena,
	const Types__Interface *request, network_done_fn done, void *owner,
	struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_INTERFACE, done, owner, err);
	int r = job ? interface_plan_make(request, arena, &job->interface, err) : -ENOMEM;

	if (r < 0)
		free(job);
	return r < 0 ? r : enqueue(job, arena, ret, err);
}

int network_update_routes(struct sandbox *sandbox, struct arena *arena, const Grpc__Routes *request,
	network_done_fn done, void *owner, struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_ROUTES, done, owner, err);
	int r = job ? route_plans_make(request, arena, &job->routes, err) : -ENOMEM;

	if (r < 0) {
		free(job);
		return r;
	}
	job->count = request->n_routes;
	return enqueue(job, arena, ret, err);
}

int network_add_neighbors(struct sandbox *sandbox, struct arena *arena,
	const Grpc__ARPNeighbors *request, network_done_fn done, void *owner,
	struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_NEIGHBORS, done, owner, err);
	int r = job ? neighbor_plans_make(request, arena, &job->neighbors, err) : -ENOMEM;

	if (r < 0) {
		free(job);
		return r;
	}
	job->count = request->n_arpneighbors;
	return enqueue(job, arena, ret, err);
}

int network_list_interfaces(struct sandbox *sandbox, struct arena *arena, network_done_fn done,
	void *owner, struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_LIST_INTERFACES, done, owner, err);

	return job ? enqueue(job, arena, ret, err) : -ENOMEM;
}

int network_list_routes(struct sandbox *sandbox, struct arena *arena, network_done_fn done,
	void *owner, struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_LIST_ROUTES, done, owner, err);

	return job ? enqueue(job, arena, ret, err) : -ENOMEM;
}

int network_save_rules(struct sandbox *sandbox, struct arena *arena, bool ipv6,
	network_done_fn done, void *owner, struct network_job **ret, struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_SAVE_RULES, done, owner, err);

	if (!job)
		return -ENOMEM;
	job->ipv6 = ipv6;
	return enqueue(job, arena, ret, err);
}

int network_restore_rules(struct sandbox *sandbox, struct arena *arena, bool ipv6,
	const void *rules, size_t len, network_done_fn done, void *owner, struct network_job **ret,
	struct error *err)
{
	struct network_job *job = new_job(sandbox, NETWORK_RESTORE_RULES, done, owner, err);

	if (!job)
		return -ENOMEM;
	job->ipv6 = ipv6;
	job->rules = rules;
	job->count = len;
	return enqueue(job, arena, ret, err);
}

void network_job_abandon(struct network_job *job)
{
	job->done = NULL;
	if (!helper_active(&job->helper))
		end_job(job, NULL);
}

void network_release(struct sandbox *sandbox)
{
	while (!list_empty(&sandbox->network_jobs)) {
		struct network_job *job =
			list_entry(sandbox->network_jobs.next, struct network_job, node);

		job->done = NULL;
		end_job(job, NULL);
	}
}
