/*
 * guest_memory: watches how much memory the guest has and keeps memory.max of the parent of all
 * containers at what is there, less the reserve (PID 1 only). News are uevents of memory blocks
 * and, with a balloon or virtio-mem, a look a second. One per sandbox, embedded in it. /proc is
 * read by the worker; a limit is lowered by a helper, since the kernel reclaims before that write
 * ends.
 */
#ifndef SANDBOX_GUEST_MEMORY_H
#define SANDBOX_GUEST_MEMORY_H

#include "base/error.h"
#include "base/event_loop.h"
#include "base/helper_process.h"
#include "base/worker_process.h"
#include "memory/guest_size.h"

struct sandbox;

struct guest_memory {
	struct sandbox *sandbox;
	struct guest_hints hints;
	struct event_source uevents; /* owns its descriptor; not added: not watched */
	int kmsg;		     /* for what virtio-mem says; -1 until there is such a device */
	struct {
		uint32_t id;
		uint64_t bytes;
	} said[GUEST_MEMORY_DEVICES_MAX]; /* requested sizes */
	unsigned said_count;
	struct event_timer timer;
	struct worker_request request;
	bool reading;
	bool again;	 /* news came while it was being read */
	bool soon;	 /* the timer is for news */
	uint64_t limit;	 /* as we set it last: of all containers together */
	uint64_t wanted; /* what it is to be */
	uint64_t lowering_to;
	struct helper helper;
};

/* Of so many bytes of the guest, what containers may have: less the reserve, whole pages; 0 = none.
 */
uint64_t guest_memory_room(const struct sandbox *sandbox, uint64_t bytes);
/* The first limit, before there are containers: inline. 0, or negative with err. */
int guest_memory_limit(struct sandbox *sandbox, struct error *err);
/* From now on it follows. What cannot be watched is logged. */
void guest_memory_watch(struct sandbox *sandbox);
void guest_memory_release(struct guest_memory *memory);

#endif
