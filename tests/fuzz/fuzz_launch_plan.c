/*
 * Fuzz target: an OCI spec (protobuf) made into a launch plan (agent/launch/launch_plan.c and its
 * parts). A failure must say why.
 */
#include "launch/launch_plan.h"

#include "fuzz/fuzz.h"
#include "ttrpc/message.h"

#define BUDGET (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct launch_config config = {.container_id = "fuzz",
		.rootfs = "/run/fuzz/rootfs",
		.cgroup_path = "/sys/fs/cgroup/fuzz",
		.bundle = "/run/fuzz",
		.guest_hook_path = "",
		.ipc_fd = -1,
		.uts_fd = -1,
		.pid_fd = -1};
	const struct launch_plan *plan = NULL, *exec = NULL;
	struct error err = ERROR_INIT;
	ProtobufCMessage *msg;
	struct arena arena;

	arena_init(&arena, BUDGET);
	if (message_decode(&grpc__spec__descriptor, &arena, data, size, &msg, &err) == 0) {
		const Grpc__Spec *spec = (const Grpc__Spec *)msg;

		if (launch_plan_container(spec, &config, &arena, &plan, &err) < 0) {
			FUZZ_CHECK(err.status != 0 && err.text[0] && !plan);
		} else {
			FUZZ_CHECK(plan);
			launch_plan_terminal(plan);
		}
		err = (struct error)ERROR_INIT;
		if (spec->process &&
			launch_plan_exec(spec->process, spec, &config, &arena, &exec, &err) < 0)
			FUZZ_CHECK(err.status != 0 && err.text[0] && !exec);
	}
	arena_release(&arena);
	return 0;
}
