/* lookup: ids of requests -> objects, with the codes callers match
 * (agent-api-containers.md 1.1, 1.4). */
#include "base/error.h"
#include "base/strings.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

struct container *find_container(
	struct sandbox *sandbox, const char *id, enum status_code status, struct error *err)
{
	struct container *container = sandbox_container(sandbox, id);

	if (!container)
		error_set(err, status, 0, "container '%.128s' does not exist", id);
	return container;
}

struct process *find_process(struct sandbox *sandbox, const char *id, const char *exec_id,
	bool with_collected, struct error *err)
{
	struct container *container = find_container(sandbox, id, STATUS_INVALID_ARGUMENT, err);
	struct process *process;

	if (!container)
		return NULL;
	process = container_process(container, exec_id, with_collected);
	if (!process)
		error_set(err, STATUS_NOT_FOUND, 0, "process '%.128s' not found in container %s",
			str_empty(exec_id) ? id : exec_id, id);
	return process;
}
