/*
 * sandbox_create: CreateSandbox's steps: the run directory (helper), shared namespaces,
 * resolv.conf, storages. What fails is undone, so that the call may be repeated.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/helper_process.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "sandbox/container.h"
#include "sandbox/kernel_modules.h"
#include "sandbox/sandbox.h"

struct sandbox_setup {
	struct sandbox *sandbox;
	struct arena arena;
	const Grpc__CreateSandboxRequest *request;
	struct helper helper;
	size_t next;	 /* storage to acquire */
	char *hook_path; /* the sandbox's once it has begun */
	struct error failure;
	sandbox_created_fn done;
	void *owner;
};

#define RESOLV_CONF "/etc/resolv.conf"

static int check(
	const struct sandbox *sandbox, const Grpc__CreateSandboxRequest *request, struct error *err)
{
	if (sandbox->ending)
		return error_set(err, STATUS_INTERNAL, 0, "the sandbox is being destroyed");
	if (sandbox->created || sandbox->setup)
		return error_set(err, STATUS_ALREADY_EXISTS, 0,
			"CreateSandbox was called before (sandbox '%s')", sandbox->id);
	if (strlen(request->sandbox_id) >= sizeof(sandbox->id))
		return error_invalid(
			err, "sandbox_id is longer than %zu bytes", sizeof(sandbox->id) - 1);
	if (strlen(request->hostname) > 64)
		return error_invalid(err, "hostname is longer than 64 bytes");
	if (!str_empty(request->guest_hook_path) && !path_is_absolute(request->guest_hook_path))
		return error_invalid(
			err, "guest_hook_path '%.200s' is not absolute", request->guest_hook_path);
	return kernel_modules_check(request->kernel_modules, request->n_kernel_modules, err);
}

/* In a helper: modules sleep, and the old tree may hold mounts, which are not crossed (c57, g15).
 */
static int prepare_guest(void *arg, struct error *err)
{
	const struct sandbox_setup *setup = arg;
	const char *dir = setup->sandbox->options.run_directory;
	int r = path_remove_tree(dir);

	if (r < 0 && r != -EBUSY && r != -EXDEV)
		return error_errno(err, -r, "clear %s", dir);
	r = path_mkdirs(dir, 0755);
	if (r < 0)
		return error_errno(err, -r, "make %s", dir);
	return kernel_modules_load(
		setup->request->kernel_modules, setup->request->n_kernel_modules, err);
}

/*
 * One thread: it can step into new namespaces, name the host, pin them and step back. Every
 * failure on the way back would leave the agent in the wrong namespace, so that one is fatal to
 * the call and reported loudly.
 */
static int make_namespaces(struct sandbox *sandbox, const char *hostname, struct error *err)
{
	_cleanup_fd_ int own_ipc = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int own_uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (own_ipc < 0 || own_uts < 0)
		return error_errno(err, errno, "open the agent's own namespaces");
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_errno(err, errno, "make the sandbox's ipc and uts namespaces");
	if (!str_empty(hostname) && sethostname(hostname, strlen(hostname)) < 0)
		r = error_errno(err, errno, "set the sandbox's hostname to '%s'", hostname);
	sandbox->ipc_fd = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	sandbox->uts_fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (r == 0 && (sandbox->ipc_fd < 0 || sandbox->uts_fd < 0))
		r = error_errno(err, errno, "pin the sandbox's namespaces");
	if (setns(own_ipc, CLONE_NEWIPC) < 0 || setns(own_uts, CLONE_NEWUTS) < 0)
		r = error_errno(err, errno, "return to the agent's own namespaces");
	return r;
}

/* Trimmed; lines are joined, so the last has no newline. */
static int add_dns_line(struct buffer *text, const char *line)
{
	static const char blanks[] = " \t\r\n\v\f";
	size_t len;

	line += strspn(line, blanks);
	len = strlen(line);
	while (len && strchr(blanks, line[len - 1]))
		len--;
	return buffer_printf(text, "%s%.*s", text->len ? "\n" : "", (int)len, line);
}

/* dns lines -> <run>/sandbox/resolv.conf, bound on /etc/resolv.conf when that file exists. */
static int write_resolv_conf(const struct sandbox_setup *setup, struct error *err)
{
	const Grpc__CreateSandboxRequest *request = setup->request;
	char path[PATH_MAX];
	struct buffer text;
	struct stat st;
	int r = 0;

	if (!request->n_dns || stat(RESOLV_CONF, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return error_errno(err, EISDIR, "set up " RESOLV_CONF);
	buffer_init(&text, CALL_ARENA_MAX);
	for (size_t i = 0; i < request->n_dns && r == 0; i++)
		r = add_dns_line(&text, request->dns[i]);
	path_join(path, sizeof(path), setup->sandbox->options.run_directory, "sandbox/resolv.conf");
	if (r == 0)
		r = path_mkdir_parents(path, 0755);
	if (r == 0)
		r = file_replace(path, text.data, text.len, 0644);
	buffer_release(&text);
	if (r < 0)
		return error_errno(err, -r, "write %s", path);
	r = mount_bind(path, RESOLV_CONF, false, 0, err);
	setup->sandbox->resolv_bound = r == 0;
	return r;
}

/* ---- end, good or bad
 * ----------------------------------------------------------------------------- */

static void tell(struct sandbox_setup *setup, const struct error *err)
{
	struct sandbox *sandbox = setup->sandbox;

	sandbox->created = !err;
	sandbox->setup = NULL;
	if (!err)
		log_record(LOG_INFO, "sandbox", "sandbox created", "sandbox-id", sandbox->id, NULL);
	if (setup->done)
		setup->done(setup->owner, err);
	arena_release(&setup->arena);
	free(setup);
	sandbox_progress(sandbox);
}

void sandbox_unbind_resolv_conf(struct sandbox *sandbox)
{
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	if (sandbox->resolv_bound && mount_unmount(RESOLV_CONF, MNT_DETACH, &err) < 0)
		log_record(LOG_ERROR, "sandbox", "a file of ours stays on " RESOLV_CONF, "error",
			error_render(&err, text, sizeof(text)), NULL);
	sandbox->resolv_bound = false;
}

static void undo_next(struct sandbox_setup *setup);

static void on_undone(struct storage_user *user)
{
	undo_next(container_of(user, struct container_storage, user)->sandbox->setup);
}

static void undo_next(struct sandbox_setup *setup)
{
	struct sandbox *sandbox = setup->sandbox;

	while (setup->next > 0) {
		struct container_storage *storage = &sandbox->shared[--setup->next];

		if (!storage->acquired)
			continue;
		storage->acquired = false;
		storage_release(&sandbox->storages, &storage->user, true, on_undone);
		return;
	}
	free(sandbox->shared);
	sandbox->shared = NULL;
	sandbox->shared_count = 0;
	close_fd(&sandbox->ipc_fd);
	close_fd(&sandbox->uts_fd);
	sandbox_unbind_resolv_conf(sandbox);
	sandbox->id[0] = '\0';
	sandbox->shared_pids = false;
	free(sandbox->guest_hook_path);
	sandbox->guest_hook_path = NULL;
	tell(setup, &setup->failure);
}

static void fail(struct sandbox_setup *setup, const struct error *err)
{
	setup->failure = *err;
	undo_next(setup);
}

/* ---- steps
 * ---------------------------------------------------------------------------------------- */

static void acquire_next(struct sandbox_setup *setup);

static void on_storage(struct storage_user *user, int result, const struct error *err)
{
	struct container_storage *storage = container_of(user, struct container_storage, user);
	struct sandbox_setup *setup = storage->sandbox->setup;
	struct error own;

	if (result < 0) {
		own = *err;
		storage->acquired = false;
		error_prefix(&own, "storages[%zu]", (size_t)(storage - storage->sandbox->shared));
		fail(setup, &own);
		return;
	}
	acquire_next(setup);
}

static void acquire_next(struct sandbox_setup *setup)
{
	struct sandbox *sandbox = setup->sandbox;
	struct container_storage *storage = &sandbox->shared[setup->next];
	struct storage_request request;
	struct error err = ERROR_INIT;

	if (sandbox->ending) {
		error_set(&err, STATUS_ABORTED, 0, "the sandbox is being destroyed");
		fail(setup, &err);
		return;
	}
	if (setup->next == setup->request->n_storages) {
		sandbox->shared_count = setup->next;
		tell(setup, NULL);
		return;
	}
	storage_request_from(&request, setup->request->storages[setup->next], NULL);
	storage->sandbox = sandbox;
	storage->user.done = on_storage;
	if (storage_acquire(&sandbox->storages, &request, &storage->user, &err) < 0) {
		error_prefix(&err, "storages[%zu]", setup->next);
		fail(setup, &err);
		return;
	}
	storage->acquired = true;
	setup->next++;
}

static void on_cleared(struct helper *helper, int result, const struct error *err)
{
	struct sandbox_setup *setup = container_of(helper, struct sandbox_setup, helper);
	struct sandbox *sandbox = setup->sandbox;
	struct error own = ERROR_INIT;

	if (result < 0)
		own = *err;
	else
		result = make_namespaces(sandbox, setup->request->hostname, &own);
	if (result == 0)
		result = write_resolv_conf(setup, &own);
	if (result == 0) {
		sandbox->shared = calloc(setup->request->n_storages + 1, sizeof(*sandbox->shared));
		if (!sandbox->shared)
			result = error_set(
				&own, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make the sandbox");
	}
	if (result < 0)
		fail(setup, &own);
	else
		acquire_next(setup);
}

int sandbox_create(struct sandbox *sandbox, struct arena *arena,
	const Grpc__CreateSandboxRequest *request, sandbox_created_fn done, void *owner,
	struct error *err)
{
	struct sandbox_setup *setup;
	int r = check(sandbox, request, err);

	if (r < 0)
		return r;
	setup = calloc(1, sizeof(*setup));
	if (!setup)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make the sandbox");
	*setup = (struct sandbox_setup){
		.sandbox = sandbox, .request = request, .done = done, .owner = owner};
	if (!str_empty(request->guest_hook_path)) {
		setup->hook_path = strdup(request->guest_hook_path);
		if (!setup->hook_path) {
			free(setup);
			return error_set(
				err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "make the sandbox");
		}
	}
	r = helper_run(sandbox->loop, &setup->helper, prepare_guest, setup, HELPER_TIMEOUT_MS,
		on_cleared, "prepare the guest", err);
	if (r < 0) {
		free(setup->hook_path);
		free(setup);
		return r;
	}
	arena_move(&setup->arena, arena);
	str_copy(sandbox->id, sizeof(sandbox->id), request->sandbox_id);
	sandbox->shared_pids = request->sandbox_pidns;
	sandbox->guest_hook_path = setup->hook_path;
	sandbox->setup = setup;
	return 0;
}

void sandbox_create_abandon(struct sandbox *sandbox)
{
	if (sandbox->setup)
		sandbox->setup->done = NULL;
}
