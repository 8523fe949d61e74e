/* container_spec: see container_spec.h. Called by container_create, container, container_update and
 * diagnostic. */
#include "sandbox/container_spec.h"

#include <errno.h>
#include <stdlib.h>

#include "launch/hooks.h"
#include "sandbox/container.h"

static bool has_hooks(const struct container *container)
{
	for (int kind = 0; kind < HOOK_KIND_COUNT; kind++)
		if (hooks_wanted(container->hooks, (enum hook_kind)kind))
			return true;
	return false;
}

/* The filter is compiled, the program runs: neither is asked for again. */
static void strip(Grpc__Spec *spec)
{
	if (spec->linux && spec->linux->seccomp)
		spec->linux->seccomp->n_syscalls = 0;
	if (spec->process)
		spec->process->n_args = spec->process->n_env = 0;
}

void container_spec_keep(struct container *container)
{
	Grpc__Spec *spec = container->request->oci;
	uint8_t *packed;

	if (has_hooks(container))
		return;
	strip(spec);
	packed = malloc(grpc__spec__get_packed_size(spec) + 1);
	if (!packed)
		return;
	container->packed_len = grpc__spec__pack(spec, packed);
	container->packed_spec = packed;
	container->request = NULL;
	container->hooks = NULL;
	arena_release(&container->arena);
}

static void *from_arena(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void leave(void *arena, void *memory)
{
}

const Grpc__Spec *container_spec(
	const struct container *container, struct arena *arena, struct error *err)
{
	ProtobufCAllocator allocator = {
		.alloc = from_arena, .free = leave, .allocator_data = arena};
	const Grpc__Spec *spec;

	if (container->request)
		return container->request->oci;
	spec = grpc__spec__unpack(&allocator, container->packed_len, container->packed_spec);
	if (!spec)
		error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "the spec of container %s",
			container->id);
	return spec;
}
