/* container_stats: see container_stats.h. Called by service/container_service. */
#include "sandbox/container_stats.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "memory/memory_stats.h"
#include "memory/memory_stats_v1.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"

struct container_stats {
	struct worker_request request;
	struct arena *arena;
	Grpc__StatsContainerResponse *response;
	bool v1; /* memory is a v1 hierarchy's */
	container_stats_fn done;
	void *owner;
};

static void on_read(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct container_stats *read = container_of(request, struct container_stats, request);
	struct error err = ERROR_INIT;

	if (result < 0)
		error_errno(&err, -result, "read statistics");
	else
		result = (read->v1 ? memory_stats_v1_fill : memory_stats_fill)(
			files, count, read->arena, read->response, &err);
	read->done(read->owner, result < 0 ? &err : NULL);
	free(read);
}

int container_stats_read(struct container *container, struct arena *arena,
	Grpc__StatsContainerResponse *response, container_stats_fn done, void *owner,
	struct container_stats **ret, struct error *err)
{
	const char *const *names = memory_stats_files;
	size_t count = memory_stats_file_count;
	struct container_stats *read;
	int r;

	if (!cgroup_exists(&container->cgroup))
		return error_set(err, STATUS_INTERNAL, 0, "container %s has no cgroup: it is %s",
			container->id, container_state_name(container->state));
	read = calloc(1, sizeof(*read));
	if (!read)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read statistics");
	read->arena = arena;
	read->response = response;
	read->done = done;
	read->owner = owner;
	read->v1 = container->cgroup.root->v1_only ||
		   cgroup_root_v1_has(container->cgroup.root, "memory");
	r = read->v1 ? memory_stats_v1_names(&container->cgroup, arena, &names, &count) : 0;
	if (r == 0)
		r = worker_read(container->sandbox->worker, &read->request, container->cgroup.path,
			names, count, on_read);
	if (r < 0) {
		free(read);
		return error_errno(err, -r, "ask the worker for the statistics of container %s",
			container->id);
	}
	*ret = read;
	return 0;
}

void container_stats_cancel(struct container_stats *read)
{
	worker_cancel(&read->request);
	free(read);
}
