/* size: the subcommand. How large a VM would be, why, and what Kata's runtimes would make of it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "command_table.h"
#include "size/size_options.h"
#include "size/size_print.h"
#include "vm/guest_files.h"
#include "vm/host_room.h"

static const char help[] =
	"Usage: cradle size [--arch ARCH] [--json] [--memory SIZE] [--cpus N] [--bundle DIR]...\n"
	"                   [--annotation KEY=VALUE]... [--rules RUNTIME [--config KEY=VALUE]...]\n"
	"\n"
	"Says how large the VM for these containers would be, line by line: workload, reserve,\n"
	"rounding, VM, and what the host's cgroup must allow. Starts nothing. Fails when this "
	"host,\n"
	"or the cgroup cradle runs in, has less.\n"
	"\n"
	"  --memory SIZE   a container's limit: 64M, 1G. A container without one gets 256M\n"
	"  --cpus N        its CPUs: 1.5 becomes two CPUs at boot and a quota\n"
	"  --bundle DIR    a container of the pod: linux.resources of DIR/config.json. Several "
	"make\n"
	"                  a pod of several containers. A sandbox's bundle gives its annotations\n"
	"  --annotation KEY=VALUE\n"
	"                  the pod's, as containerd writes them: "
	"io.kubernetes.cri.sandbox-memory,\n"
	"                  -cpu-quota, -cpu-period, -cpu-shares\n"
	"  --arch ARCH     of the guest: x86_64, aarch64, ppc64le, s390x (default: this "
	"machine's)\n"
	"  --initrd FILE   the guest image to count ($CRADLE_INITRD; default: what the build "
	"made)\n"
	"  --json          the same as JSON, in bytes\n"
	"\n"
	"  --rules RUNTIME predict what Kata's runtime-rs or go would make of it instead\n"
	"  --config KEY=VALUE\n"
	"                  a key of Kata's configuration: default_vcpus, default_memory,\n"
	"                  default_maxvcpus, default_maxmemory, overhead_vcpus, overhead_memory,\n"
	"                  static_sandbox_resource_mgmt. Default: what Kata ships for QEMU. Also\n"
	"                  --annotation io.katacontainers.config.hypervisor.default_memory=...\n"
	"\n"
	"Examples:\n"
	"  cradle size --memory 600M --cpus 1.2\n"
	"  cradle size --arch ppc64le --bundle web --bundle sidecar\n"
	"  cradle size --cpus 1 --rules runtime-rs\n"
	"\n"
	"Exit code: 0; 1 refused (too small, too large for cradle, the host or the runtime); 125\n"
	"wrong arguments.\n";

static int size_main(int argc, char **argv);

const struct command size_command = {
	.name = "size",
	.summary = "how large a VM would be, and why",
	.help = help,
	.main = size_main,
};

#define EXIT_REFUSED 1

static int refuse(const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle size: %s\n", error_render(err, text, sizeof(text)));
	return EXIT_REFUSED;
}

static int finish(int r)
{
	if (r == 0 && fflush(stdout) == 0)
		return 0;
	perror("cradle size: write to standard output");
	return EXIT_CRADLE_FAILED;
}

/* An image that is named must be there; the build's may not have been made yet. */
static int count_initrd(const struct size_options *o, uint64_t *ret)
{
	char path[PATH_MAX];
	struct stat st;

	if (o->initrd && stat(o->initrd, &st) < 0)
		return command_usage_error(
			&size_command, "--initrd %s: %s", o->initrd, errno_text(errno));
	if (!o->initrd && guest_file_default(o->arch, "initrd.img", path, sizeof(path)) < 0)
		path[0] = '\0';
	*ret = guest_unpacked_bytes(o->initrd ? o->initrd : path);
	if (*ret == 0)
		fprintf(stderr,
			"cradle size: no guest image for %s: it is not counted ('make ARCH=%s "
			"initrd' builds it)\n",
			o->arch, o->arch);
	return 0;
}

static int show_plan(const struct size_options *o, const struct host_room *room)
{
	struct sizing_plan_request request = {
		.arch = o->arch,
		.containers = o->containers,
		.count = o->count,
		.pod = o->has_pod ? &o->pod : NULL,
		.host = room,
	};
	struct error err = ERROR_INIT;
	struct sizing_plan plan;
	int r = count_initrd(o, &request.initrd_bytes);

	if (r)
		return r;
	if (sizing_plan(&request, &plan, &err) < 0)
		return refuse(&err);
	if (o->json)
		return finish(size_print_plan_json(&plan, o->arch, stdout));
	size_print_plan(&plan, stdout);
	return finish(0);
}

/* Microseconds of SIZING_CPU_PERIOD_US; 0 = no limit. */
static int64_t quota_of(const struct sizing_ask *c)
{
	double cpus;

	if (c->cpu_quota <= 0 || c->cpu_period == 0)
		return 0;
	cpus = (double)c->cpu_quota / (double)c->cpu_period;
	return (int64_t)((cpus < 1e6 ? cpus : 1e6) * SIZING_CPU_PERIOD_US + 0.5);
}

/* What kubelet would put into the sandbox's annotations: limits that all of its containers have. */
static struct sizing_ask pod_of(const struct size_options *o)
{
	struct sizing_ask pod = {.cpu_period = SIZING_CPU_PERIOD_US};
	bool all_memory = true, all_cpus = true;

	for (size_t i = 0; i < o->count; i++) {
		const struct sizing_ask *c = &o->containers[i];

		all_memory = all_memory && c->memory_bytes > 0 &&
			     !__builtin_add_overflow(
				     pod.memory_bytes, c->memory_bytes, &pod.memory_bytes);
		all_cpus = all_cpus && quota_of(c) > 0;
		pod.cpu_quota += quota_of(c);
	}
	if (!all_memory)
		pod.memory_bytes = 0;
	if (!all_cpus)
		pod.cpu_quota = 0;
	return pod;
}

static void note_alignment(const struct size_options *o, struct sizing_prediction *p)
{
	if (str_eq(o->arch, "ppc64le") && p->memory_mib % 256)
		str_format(p->note, sizeof(p->note),
			"QEMU refuses -m %lluM on pseries: not a multiple of 256 MiB",
			(unsigned long long)p->memory_mib);
}

static int show_prediction(const struct size_options *o, const struct host_room *room)
{
	struct sizing_rules_host host = {
		.arch = o->arch, .cpus = room->cpus, .memory_mib = room->memory_bytes >> 20};
	bool sandbox = o->has_pod || o->count > 1;
	struct sizing_ask ask = o->has_pod ? o->pod : o->count > 1 ? pod_of(o) : o->containers[0];
	struct sizing_workload workload = sizing_rules_workload(o->rules, &ask, sandbox);
	struct sizing_rules_config config = o->config;
	struct sizing_prediction p;
	struct error err = ERROR_INIT;

	if (sizing_rules_load(o->rules, &host, &config, &err) < 0 ||
		sizing_rules_predict(
			o->rules, &config, &workload, o->containers, o->count, &p, &err) < 0)
		return refuse(&err);
	note_alignment(o, &p);
	if (o->json)
		return finish(size_print_prediction_json(&p, o->rules, stdout));
	size_print_prediction(&p, o->rules, &config, stdout);
	return finish(0);
}

static int size_main(int argc, char **argv)
{
	static struct size_options options; /* too large for a small stack */
	static struct host_room room;
	int r = size_options_parse(argc, argv, &options);

	if (r)
		return r;
	if (options.help) {
		command_print_help(&size_command);
		return 0;
	}
	host_room_read("", &room);
	return options.predict ? show_prediction(&options, &room) : show_plan(&options, &room);
}
