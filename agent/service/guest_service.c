/*
 * guest_service: calls about the guest as a whole that are answered in full or refused by name:
 * OnlineCPUMem, UpdateEphemeralMounts, SetPolicy. The runtimes send the first two, empty, after
 * every creation: those have to succeed (agent-api-containers.md 1.6).
 */
#include "service/handlers.h"

#include "agent.pb-c.h"

HANDLER(online_cpu_mem)
{
	const Grpc__OnlineCPUMemRequest *request = (void *)call->request;

	if (request->nb_cpus)
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"nb_cpus %u: bringing CPUs online is not supported yet", request->nb_cpus);
	return 0;
}

HANDLER(update_ephemeral_mounts)
{
	const Grpc__UpdateEphemeralMountsRequest *request = (void *)call->request;

	if (request->n_storages)
		return error_set(err, STATUS_UNIMPLEMENTED, 0,
			"storages[0] (driver '%.64s', mount_point '%.128s'): changing ephemeral "
			"mounts is not supported yet",
			request->storages[0]->driver, request->storages[0]->mount_point);
	return 0;
}

/* What an agent built without policy says; the runtime matches code and text (wire.md section 3).
 */
HANDLER(set_policy)
{
	return error_set(err, STATUS_NOT_FOUND, 0, "/grpc.AgentService/SetPolicy is not supported");
}
