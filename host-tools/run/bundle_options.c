/* bundle_options: what options say wins over what a bundle says. */
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "run/container_spec_parts.h"

static bool has_home(const Grpc__Process *process)
{
	for (size_t i = 0; i < process->n_env; i++) {
		if (str_starts(process->env[i], "HOME="))
			return true;
	}
	return false;
}

/* HOME is what runtimes add by the image's passwd. */
static void adopt_env(struct spec_builder *b, Grpc__Process *process)
{
	char **given = process->env;
	size_t count = process->n_env;

	process->env = spec_new(b, count + b->spec->env_count + 1, sizeof(*process->env));
	if (!process->env)
		return;
	if (count)
		memcpy(process->env, given, count * sizeof(*given));
	if (!has_home(process))
		process->env[process->n_env++] =
			spec_print(b, "%s%s", "HOME=", b->spec->user->home);
	if (b->failed)
		return;
	for (size_t i = 0; i < b->spec->env_count; i++)
		spec_put_env(process, b->spec->env[i]);
}

static void adopt_process(struct spec_builder *b, Grpc__Process *process)
{
	adopt_env(b, process);
	if (b->spec->arg_count)
		spec_build_args(b, process);
	if (b->spec->workdir)
		process->cwd = spec_text(b, b->spec->workdir);
	spec_build_terminal(b, process);
	if (!b->spec->keep_user)
		spec_build_user(b, process);
}

static void adopt_limits(struct spec_builder *b, Grpc__LinuxResources *resources)
{
	Grpc__LinuxMemory *memory = resources->memory;
	Grpc__LinuxCPU *cpu = resources->cpu;

	if (!memory) {
		memory = resources->memory = spec_new(b, 1, sizeof(*memory));
		if (!memory)
			return;
		grpc__linux_memory__init(memory);
	}
	memory->limit = (int64_t)b->spec->memory_bytes;
	/* Memory and swap together: less than the limit that an option gave means none. */
	if (memory->swap > 0 && memory->swap < memory->limit)
		memory->swap = memory->limit;
	if (b->spec->cpu_quota <= 0)
		return;
	if (!cpu) {
		cpu = resources->cpu = spec_new(b, 1, sizeof(*cpu));
		if (!cpu)
			return;
		grpc__linux_cpu__init(cpu);
	}
	cpu->quota = b->spec->cpu_quota;
	cpu->period = b->spec->cpu_period;
}

static bool has_namespace(const Grpc__Linux *linux_part, const char *type)
{
	for (size_t i = 0; i < linux_part->n_namespaces; i++) {
		if (str_eq(linux_part->namespaces[i]->type, type))
			return true;
	}
	return false;
}

void spec_adopt_bundle(struct spec_builder *b, Grpc__CreateContainerRequest *request)
{
	Grpc__Spec *oci = b->spec->bundle;

	request->oci = oci;
	adopt_process(b, oci->process);
	adopt_limits(b, oci->linux->resources);
	spec_build_devices(b, oci->linux->resources);
	/* The host's place for it means nothing in the guest. */
	oci->linux->cgroupspath = spec_print(b, "%s%s", "/cradle/", b->spec->id);
	if (!b->spec->keep_hostname && has_namespace(oci->linux, "uts"))
		oci->hostname = spec_text(b, b->spec->id);
}
