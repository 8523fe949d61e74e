/* memory_state: see memory_state.h. Called by service/memory_service. */
#include "sandbox/memory_state.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "base/worker_process.h"
#include "memory/memory_breakdown.h"
#include "memory/memory_group.h"
#include "sandbox/container.h"
#include "sandbox/sandbox.h"

#define STATE_FILES (MEMORY_GROUP_FILES + MEMORY_GUEST_FILES)

struct memory_state {
	struct worker_request request;
	struct sandbox *sandbox;
	struct arena *arena;
	Cradle__MemoryState *response;
	memory_state_fn done;
	void *owner;
	bool v1;	     /* their memory is in v1's hierarchy */
	const char **groups; /* their directories, in the order of response->containers */
	size_t group_count, next;
	struct memory_group sum; /* of the containers read so far */
	const char *names[STATE_FILES];
	char agent_file[32];
};

static void end(struct memory_state *read, const struct error *err)
{
	read->done(read->owner, err);
	free(read);
}

static void end_failed(struct memory_state *read, int errnum)
{
	struct error err = ERROR_INIT;

	error_errno(&err, errnum, "read the memory state");
	end(read, &err);
}

/* ---- to the wire --------------------------------------------------------------------------------
 */

Cradle__MemoryPressure *memory_pressure_to_wire(
	struct arena *arena, const struct memory_pressure *pressure)
{
	Cradle__MemoryPressure *out;

	if (!pressure->known || !(out = arena_alloc(arena, sizeof(*out))))
		return NULL;
	cradle__memory_pressure__init(out);
	out->some_avg10_permyriad = pressure->some_permyriad;
	out->full_avg10_permyriad = pressure->full_permyriad;
	out->some_total_usec = pressure->some_usec;
	out->full_total_usec = pressure->full_usec;
	return out;
}

static void wire_group(
	struct arena *arena, const struct memory_group *group, Cradle__ContainerMemory *out)
{
	out->usage_bytes = group->current;
	out->working_set_bytes = memory_group_working_set(group);
	out->limit_bytes = group->limit;
	out->peak_bytes = group->peak;
	out->anon_bytes = group->anon;
	out->file_bytes = group->file;
	out->shmem_bytes = group->shmem;
	out->kernel_bytes = group->kernel;
	out->sock_bytes = group->sock;
	out->swap_bytes = group->swap;
	out->pressure = memory_pressure_to_wire(arena, &group->pressure);
}

static void wire_size(
	const struct sandbox *sandbox, const struct guest_size *size, Cradle__GuestMemory *out)
{
	const struct memory_blocks *blocks = &sandbox->guest_memory.hints.blocks;

	out->requested_bytes = size->requested;
	out->online_bytes = size->online;
	out->balloon_bytes = size->balloon;
	out->block_bytes = blocks->block_bytes;
	out->blocks_online = blocks->online;
	out->blocks_offline = blocks->offline;
	if (sandbox->options.init)
		out->available_bytes = guest_memory_room(sandbox, size->promised);
}

static Cradle__GuestMemory *wire_guest(
	struct memory_state *read, const struct memory_breakdown *b, const struct memory_group *all)
{
	Cradle__GuestMemory *out = arena_alloc(read->arena, sizeof(*out));
	uint64_t held = memory_group_held(&read->sum);

	if (!out)
		return NULL;
	cradle__guest_memory__init(out);
	out->vm_bytes = b->vm;
	out->total_bytes = b->total;
	out->kernel_reserved_bytes = b->reserved;
	out->kernel_slab_bytes = b->slab;
	out->kernel_stack_bytes = b->stack;
	out->kernel_page_table_bytes = b->page_tables;
	out->kernel_percpu_bytes = b->percpu;
	out->kernel_vmalloc_bytes = b->vmalloc;
	out->agent_bytes = b->agent;
	out->other_process_bytes = b->other_processes;
	out->page_cache_bytes = b->page_cache;
	out->container_bytes = b->containers;
	out->huge_page_bytes = b->huge_pages;
	out->free_bytes = b->free;
	out->unexplained_bytes = b->unexplained;
	out->removed_container_bytes = b->containers > held ? b->containers - held : 0;
	out->containers_limit_bytes = all->limit;
	wire_size(read->sandbox, &b->size, out);
	out->pressure = memory_pressure_to_wire(read->arena, &b->pressure);
	return out;
}

/* ---- one group after another, then the guest ---------------------------------------------------
 */

static void read_next(struct memory_state *read);

static void on_group(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct memory_state *read = container_of(request, struct memory_state, request);
	Cradle__ContainerMemory *memory = read->response->containers[read->next];
	struct memory_group group;

	if (result < 0) {
		end_failed(read, -result);
		return;
	}
	if ((read->v1 ? memory_group_parse_v1 : memory_group_parse)(files, &group)) {
		wire_group(read->arena, &group, memory);
		memory_group_add(&read->sum, &group);
	}
	read->next++;
	read_next(read);
}

static void on_guest(
	struct worker_request *request, int result, const struct worker_file *files, size_t count)
{
	struct memory_state *read = container_of(request, struct memory_state, request);
	struct memory_breakdown breakdown;
	struct memory_group all;

	if (result == 0) {
		if (!read->sandbox->options.init || !memory_group_parse(files, &all)) {
			all = read->sum;
			all.limit = UINT64_MAX;
		}
		result = memory_breakdown_of(files + MEMORY_GROUP_FILES, &all,
			&read->sandbox->guest_memory.hints, &breakdown);
	}
	if (result == 0) {
		read->response->guest = wire_guest(read, &breakdown, &all);
		result = read->response->guest ? 0 : -ENOMEM;
	}
	if (result < 0)
		end_failed(read, -result);
	else
		end(read, NULL);
}

static void read_next(struct memory_state *read)
{
	int r;

	if (read->next < read->group_count)
		r = worker_read(read->sandbox->worker, &read->request, read->groups[read->next],
			read->v1 ? memory_group_v1_files : memory_group_files, MEMORY_GROUP_FILES,
			on_group);
	else
		r = worker_read(read->sandbox->worker, &read->request,
			read->sandbox->cgroup_root.base, read->names, STATE_FILES, on_guest);
	if (r < 0)
		end_failed(read, -r);
}

/* Who is there now: containers with a group. The figures come later. */
static int list_containers(struct memory_state *read)
{
	const size_t room = read->sandbox->container_count + 1;
	Cradle__ContainerMemory **list = arena_calloc(read->arena, room, sizeof(*list));

	read->groups = arena_calloc(read->arena, room, sizeof(*read->groups));
	if (!list || !read->groups)
		return -ENOMEM;
	read->response->containers = list;
	list_for_each (node, &read->sandbox->containers) {
		const struct container *c = list_entry(node, struct container, node);
		Cradle__ContainerMemory *memory;
		char dir[PATH_MAX];

		if (!cgroup_exists(&c->cgroup) || read->group_count + 1 >= room)
			continue;
		memory = arena_alloc(read->arena, sizeof(*memory));
		if (!memory)
			return -ENOMEM;
		cradle__container_memory__init(memory);
		memory->container_id = arena_strdup(read->arena, c->id);
		memory->state = (char *)container_state_name(c->state);
		memory->oom_kills = c->oom.kills_total;
		if (cgroup_dir(&c->cgroup, "memory", dir, sizeof(dir)) < 0)
			str_copy(dir, sizeof(dir), c->cgroup.path);
		read->groups[read->group_count] = arena_strdup(read->arena, dir);
		if (!memory->container_id || !read->groups[read->group_count])
			return -ENOMEM;
		list[read->group_count++] = memory;
	}
	read->response->n_containers = read->group_count;
	return 0;
}

static void name_files(struct memory_state *read)
{
	for (size_t i = 0; i < MEMORY_GROUP_FILES; i++)
		read->names[i] = memory_group_files[i];
	memory_guest_files(read->names + MEMORY_GROUP_FILES, read->agent_file,
		sizeof(read->agent_file), getpid());
}

int memory_state_read(struct sandbox *sandbox, struct arena *arena, Cradle__MemoryState *response,
	memory_state_fn done, void *owner, struct memory_state **ret, struct error *err)
{
	struct memory_state *read = calloc(1, sizeof(*read));
	struct timespec now;
	int r;

	if (!read)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "read the memory state");
	read->sandbox = sandbox;
	read->arena = arena;
	read->response = response;
	read->done = done;
	read->owner = owner;
	read->v1 = cgroup_root_v1_has(&sandbox->cgroup_root, "memory");
	name_files(read);
	clock_gettime(CLOCK_REALTIME, &now);
	response->time_unix_nano = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	r = list_containers(read);
	if (r == 0 && read->group_count > 0)
		r = worker_read(sandbox->worker, &read->request, read->groups[0],
			read->v1 ? memory_group_v1_files : memory_group_files, MEMORY_GROUP_FILES,
			on_group);
	else if (r == 0)
		r = worker_read(sandbox->worker, &read->request, sandbox->cgroup_root.base,
			read->names, STATE_FILES, on_guest);
	if (r < 0) {
		free(read);
		return error_set(err, r == -ENOMEM ? STATUS_RESOURCE_EXHAUSTED : STATUS_INTERNAL,
			-r, "read the memory state");
	}
	*ret = read;
	return 0;
}

void memory_state_cancel(struct memory_state *read)
{
	worker_cancel(&read->request);
	free(read);
}
