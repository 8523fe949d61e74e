/*
 * pressure_service: cradle.Memory/WatchPressure: a call that waits for a trigger of the kernel's
 * PSI. The trigger lives as long as its call; the sandbox's end ends it too.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "memory/control_file.h"
#include "memory/pressure_watch.h"
#include "sandbox/container.h"
#include "sandbox/memory_state.h"
#include "sandbox/sandbox.h"
#include "service/handlers.h"

#include "memory.pb-c.h"

/* One call's; freed with it. */
struct watching {
	struct pressure_watch watch;
	struct rpc_call *call;
	char dir[PATH_MAX]; /* of the file */
	const char *file;
};

static unsigned watchings;

static void release(struct watching *w)
{
	pressure_watch_stop(&w->watch);
	watchings--;
	free(w);
}

static void on_cancelled(struct rpc_call *call, int reason)
{
	release(call->data);
}

static void fail(struct rpc_call *call, enum status_code code, const char *why)
{
	struct error err = ERROR_INIT;

	error_set(&err, code, 0, "%s", why);
	release(call->data);
	rpc_call_fail(call, &err);
}

static void on_sandbox_ended(struct rpc_call *call, int value)
{
	fail(call, STATUS_UNAVAILABLE, "the sandbox has ended");
}

static void on_fired(struct pressure_watch *watch, bool gone)
{
	struct watching *w = container_of(watch, struct watching, watch);
	struct rpc_call *call = w->call;
	Cradle__WatchPressureResponse *response = (void *)call->response;
	struct memory_pressure pressure;
	struct timespec now;
	char text[256];
	struct worker_file file = {.text = text};

	file.errnum = -control_read(w->dir, w->file, text, sizeof(text));
	if (gone || file.errnum) {
		fail(call, STATUS_NOT_FOUND, "the container is gone");
		return;
	}
	memory_pressure_parse(&file, &pressure);
	response->pressure = memory_pressure_to_wire(&call->arena, &pressure);
	clock_gettime(CLOCK_REALTIME, &now);
	response->time_unix_nano = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	release(w);
	rpc_call_reply(call);
}

static int check(const Cradle__WatchPressureRequest *request, struct error *err)
{
	if (request->window_usec < PRESSURE_WINDOW_MIN_US ||
		request->window_usec > PRESSURE_WINDOW_MAX_US)
		return error_invalid(
			err, "window_usec: %u is not in 500000..10000000", request->window_usec);
	if (request->stall_usec < 1 || request->stall_usec > request->window_usec)
		return error_invalid(
			err, "stall_usec: %u is not in 1..window_usec", request->stall_usec);
	if (watchings >= PRESSURE_WATCHES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0,
			"%u calls watch pressure already", watchings);
	return 0;
}

/* Directory and name of the pressure file that is meant. */
static int find_file(struct watching *w, struct sandbox *sandbox, const char *container_id,
	char *path, size_t size, struct error *err)
{
	const struct container *container;

	if (str_empty(container_id)) {
		str_copy(w->dir, sizeof(w->dir), "/proc/pressure");
		w->file = "memory";
	} else {
		container = find_container(sandbox, container_id, STATUS_NOT_FOUND, err);
		if (!container)
			return -ENOENT;
		str_copy(w->dir, sizeof(w->dir), container->cgroup.path);
		w->file = PRESSURE_FILE;
	}
	return path_join(path, size, w->dir, w->file) < 0
		       ? error_errno(err, ENAMETOOLONG, "name the pressure file")
		       : 0;
}

HANDLER(watch_pressure)
{
	const Cradle__WatchPressureRequest *request = (void *)call->request;
	const struct pressure_bound bound = {
		request->full, request->stall_usec, request->window_usec};
	struct sandbox *sandbox = context;
	struct watching *w;
	char path[PATH_MAX];
	int r = check(request, err);

	if (r == 0 && sandbox->ending)
		r = error_set(err, STATUS_UNAVAILABLE, 0, "the sandbox has ended");
	if (r < 0)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "watch memory pressure");
	watchings++;
	w->call = call;
	r = find_file(w, sandbox, request->container_id, path, sizeof(path), err);
	if (r == 0)
		r = pressure_watch_start(sandbox->loop, &w->watch, path, &bound, on_fired, err);
	if (r < 0) {
		release(w);
		return r;
	}
	call->data = w;
	call->cancelled = on_cancelled;
	rpc_call_park(call, &sandbox->ended, on_sandbox_ended);
	return RPC_PENDING;
}
