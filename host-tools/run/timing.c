/* timing: a line a stage. */
#include "run/timing.h"

static const char *const names[STAGE_COUNT] = {
	[STAGE_IMAGE_READY] = "image ready",
	[STAGE_VM_STARTED] = "VM started",
	[STAGE_KERNEL_HANDED_OVER] = "kernel handed over",
	[STAGE_AGENT_ANSWERED] = "agent answered",
	[STAGE_CONTAINER_CREATED] = "container created",
	[STAGE_CONTAINER_STARTED] = "container started",
	[STAGE_CONTAINER_EXITED] = "container exited",
	[STAGE_VM_GONE] = "VM gone",
};

const char *timing_stage_name(enum run_stage stage)
{
	return names[stage];
}

void timing_init(struct timing *timing, FILE *to, bool json, uint64_t now_ns)
{
	*timing = (struct timing){.to = to, .json = json, .start_ns = now_ns, .last_ns = now_ns};
}

void timing_mark(struct timing *timing, enum run_stage stage, uint64_t now_ns)
{
	double at_ms, took_ms;

	if (!timing->to || timing->reached & 1u << stage)
		return;
	timing->reached |= 1u << stage;
	at_ms = (double)(now_ns - timing->start_ns) / 1e6;
	took_ms = (double)(now_ns - timing->last_ns) / 1e6;
	timing->last_ns = now_ns;
	if (timing->json)
		fprintf(timing->to, "{\"stage\":\"%s\",\"at_ms\":%.3f,\"took_ms\":%.3f}\n",
			names[stage], at_ms, took_ms);
	else
		fprintf(timing->to, "cradle: timing: %9.1f ms  %+9.1f ms  %s\n", at_ms, took_ms,
			names[stage]);
	fflush(timing->to);
}
