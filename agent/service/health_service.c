/*
 * health_service: grpc.Health. Answers at all times: nothing here waits for anything
 * (agent-api-containers.md 1.2). Version numbers: kata-containers src/agent/VERSION and
 * src/agent/Makefile (API).
 */
#include "service/handlers.h"
#include "service/versions.h"

#include "health.pb-c.h"

HANDLER(health_check)
{
	Grpc__HealthCheckResponse *response = (Grpc__HealthCheckResponse *)call->response;

	response->status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	return 0;
}

HANDLER(health_version)
{
	Grpc__VersionCheckResponse *response = (Grpc__VersionCheckResponse *)call->response;

	response->grpc_version = (char *)API_VERSION;
	response->agent_version = (char *)AGENT_VERSION;
	return 0;
}
