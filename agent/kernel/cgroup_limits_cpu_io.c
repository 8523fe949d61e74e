/* cgroup_limits_cpu_io: cpu, cpuset and block I/O, v1 and v2. Part of cgroup_limits.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/strings.h"
#include "kernel/cgroup_limits_plan.h"

/* ---- cpu ---- */

void limits_read_cpu(const struct cgroup *cgroup, struct group_now *ret)
{
	char text[64];

	if (cgroup_root_v1_has(cgroup->root, "cpu") ||
		cgroup_read(cgroup, "cpu", "cpu.max", text, sizeof(text)) <= 0)
		return;
	if (sscanf(text, "%23s %" SCNu64, ret->quota, &ret->period) != 2) {
		str_copy(ret->quota, sizeof(ret->quota), "max");
		ret->period = 100000;
	}
}

/* 2 to 262144, as in the kernel; outside values are clamped (c18). */
static uint64_t clamp_shares(uint64_t shares)
{
	return shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
}

static void plan_cpu_v2(struct limits_planner *p, const Grpc__LinuxCPU *cpu)
{
	uint64_t period = cpu->period ? cpu->period : p->now->period;

	if (cpu->realtimeruntime > 0 || cpu->realtimeperiod)
		log_printf(
			LOG_WARN, "cgroup", "CPU.Realtime* does not exist on cgroup v2: ignored");
	/* shares onto weight 1 to 10000, as runc and crun do */
	if (cpu->shares)
		limits_add(p, "cpu", "cpu.weight",
			limits_number(
				p, "%" PRIu64, 1 + (clamp_shares(cpu->shares) - 2) * 9999 / 262142),
			0);
	if (cpu->quota > 0)
		limits_add(p, "cpu", "cpu.max",
			arena_printf(p->arena, "%" PRId64 " %" PRIu64, cpu->quota, period), 0);
	else if (cpu->quota < 0 || cpu->period)
		limits_add(p, "cpu", "cpu.max",
			arena_printf(p->arena, "%s %" PRIu64,
				cpu->quota < 0 ? "max" : p->now->quota, period),
			0);
}

static void plan_cpu_v1(struct limits_planner *p, const Grpc__LinuxCPU *cpu)
{
	if (cpu->shares)
		limits_add(p, "cpu", "cpu.shares",
			limits_number(p, "%" PRIu64, clamp_shares(cpu->shares)), 0);
	if (cpu->quota)
		limits_add(p, "cpu", "cpu.cfs_quota_us",
			limits_number(p, "%" PRId64, cpu->quota < 0 ? -1 : cpu->quota), 0);
	if (cpu->period)
		limits_add(p, "cpu", "cpu.cfs_period_us", limits_number(p, "%" PRIu64, cpu->period),
			0);
	if (cpu->realtimeperiod)
		limits_add(p, "cpu", "cpu.rt_period_us",
			limits_number(p, "%" PRIu64, cpu->realtimeperiod), 0);
	if (cpu->realtimeruntime)
		limits_add(p, "cpu", "cpu.rt_runtime_us",
			limits_number(p, "%" PRId64, cpu->realtimeruntime), 0);
}

/* v1: CPUs that are still to come are no failure (10.2). */
void limits_plan_cpu(struct limits_planner *p, const Grpc__LinuxCPU *cpu)
{
	if (cgroup_root_v1_has(p->root, "cpu"))
		plan_cpu_v1(p, cpu);
	else
		plan_cpu_v2(p, cpu);
	if (!str_empty(cpu->cpus))
		limits_add(p, "cpuset", "cpuset.cpus", arena_strdup(p->arena, cpu->cpus),
			cgroup_root_v1_has(p->root, "cpuset") ? CGROUP_WRITE_OPTIONAL : 0);
	if (!str_empty(cpu->mems))
		limits_add(p, "cpuset", "cpuset.mems", arena_strdup(p->arena, cpu->mems), 0);
}

/* ---- block I/O ---- */

/*
 * Throttles are limits and must be set. Weights say who comes first where an I/O scheduler looks at
 * them: without one (no such file) there is nobody to tell, which is logged.
 */
struct throttle {
	Grpc__LinuxThrottleDevice *const *list;
	size_t count;
	const char *v2_key, *v1_file;
};

static void plan_throttle(struct limits_planner *p, const struct throttle *throttle, bool v1)
{
	for (size_t i = 0; i < throttle->count; i++) {
		const Grpc__LinuxThrottleDevice *d = throttle->list[i];
		const char *value;

		if (v1)
			value = arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major,
				d->minor, d->rate);
		else if (d->rate)
			value = arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
				d->major, d->minor, throttle->v2_key, d->rate);
		else
			value = arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %s=max", d->major,
				d->minor, throttle->v2_key);
		if (v1)
			limits_add(p, "blkio", throttle->v1_file, value, 0);
		else
			limits_add(p, "io", "io.max", value, 0);
	}
}

static void plan_throttles(struct limits_planner *p, const Grpc__LinuxBlockIO *io, bool v1)
{
	const struct throttle all[] = {
		{io->throttlereadbpsdevice, io->n_throttlereadbpsdevice, "rbps",
			"blkio.throttle.read_bps_device"},
		{io->throttlewritebpsdevice, io->n_throttlewritebpsdevice, "wbps",
			"blkio.throttle.write_bps_device"},
		{io->throttlereadiopsdevice, io->n_throttlereadiopsdevice, "riops",
			"blkio.throttle.read_iops_device"},
		{io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice, "wiops",
			"blkio.throttle.write_iops_device"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		plan_throttle(p, &all[i], v1);
}

/* Of two files that do the same the kernel has one. */
static void add_either(struct limits_planner *p, const char *controller, const char *file,
	const char *value, const char *other, const char *other_value)
{
	limits_add(p, controller, file, value, CGROUP_WRITE_OR_NEXT | CGROUP_WRITE_OPTIONAL);
	limits_add(p, controller, other, other_value, CGROUP_WRITE_OPTIONAL);
}

/* blkio's 10 to 1000 onto io.weight's 1 to 10000, as runc does; bfq takes it as it is. */
static uint64_t io_weight(uint32_t weight)
{
	return weight < 10 ? 1 : 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

/* Per device it is the device's weight, not the group's (c21). */
static void plan_weights_v2(struct limits_planner *p, const Grpc__LinuxBlockIO *io)
{
	if (io->weight)
		add_either(p, "io", "io.bfq.weight", limits_number(p, "%" PRIu32, io->weight),
			"io.weight", limits_number(p, "default %" PRIu64, io_weight(io->weight)));
	for (size_t i = 0; i < io->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *d = io->weightdevice[i];

		if (d->weight)
			add_either(p, "io", "io.bfq.weight",
				arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %" PRIu32, d->major,
					d->minor, d->weight),
				"io.weight",
				arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major,
					d->minor, io_weight(d->weight)));
	}
}

static void plan_weight_device_v1(struct limits_planner *p, const Grpc__LinuxWeightDevice *d)
{
	const char *value = arena_printf(
		p->arena, "%" PRId64 ":%" PRId64 " %" PRIu32, d->major, d->minor, d->weight);

	if (d->weight)
		add_either(
			p, "blkio", "blkio.weight_device", value, "blkio.bfq.weight_device", value);
	if (d->leafweight)
		limits_add(p, "blkio", "blkio.leaf_weight_device",
			arena_printf(p->arena, "%" PRId64 ":%" PRId64 " %" PRIu32, d->major,
				d->minor, d->leafweight),
			CGROUP_WRITE_OPTIONAL);
}

static void plan_weights_v1(struct limits_planner *p, const Grpc__LinuxBlockIO *io)
{
	const char *weight = limits_number(p, "%" PRIu32, io->weight);

	if (io->weight)
		add_either(p, "blkio", "blkio.weight", weight, "blkio.bfq.weight", weight);
	if (io->leafweight)
		limits_add(p, "blkio", "blkio.leaf_weight",
			limits_number(p, "%" PRIu32, io->leafweight), CGROUP_WRITE_OPTIONAL);
	for (size_t i = 0; i < io->n_weightdevice; i++)
		plan_weight_device_v1(p, io->weightdevice[i]);
}

void limits_plan_io(struct limits_planner *p, const Grpc__LinuxBlockIO *io)
{
	bool v1 = cgroup_root_v1_has(p->root, "blkio");

	if (v1)
		plan_weights_v1(p, io);
	else
		plan_weights_v2(p, io);
	plan_throttles(p, io, v1);
}

size_t limits_count_io(const Grpc__LinuxBlockIO *io)
{
	return io->n_throttlereadbpsdevice + io->n_throttlewritebpsdevice +
	       io->n_throttlereadiopsdevice + io->n_throttlewriteiopsdevice +
	       3 * io->n_weightdevice;
}
