/*
 * oom_record: what is known about each kill for memory, the latest OOM_RECORDS_MAX of them. Figures
 * come from the container's control files when the kill is seen; name, pid and size of the victim
 * from the kernel's log, whose lines may come a moment later, or (rate limit) never: a record is
 * told (logged, its watchers woken) once it is complete, or after OOM_NAME_MS. Used by oom_monitor.
 */
#ifndef MEMORY_OOM_RECORD_H
#define MEMORY_OOM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event_loop.h"
#include "base/waiter.h"
#include "hard_limits.h"
#include "kernel/kmsg.h"
#include "memory/memory_group.h"
#include "memory/oom_cause.h"

/* Strings end in NUL; 0 = unknown or none. Sizes in bytes. */
struct oom_record {
	char container_id[CONTAINER_ID_MAX];
	uint64_t sequence; /* counts up from 1 in this agent's life */
	uint64_t time_unix_ns;
	enum oom_cause cause;
	uint64_t kills, kills_total; /* by this event; of the container so far */
	uint64_t limit;		     /* that was hit; the container's where that is not known */
	/* the container's, at the look after the kill */
	uint64_t usage, peak, anon, file, shmem;
	struct memory_pressure pressure; /* average of the 10 s before */
	/* of the victim (of the first, when there were more) */
	uint32_t pid;
	char comm[16];
	bool sized; /* the next three are known */
	uint64_t victim_anon, victim_file, victim_shmem;
	/* for oom_record.c */
	uint64_t made_ns;  /* monotonic */
	uint64_t named;	   /* lines of the log about victims of this record so far */
	uint64_t expected; /* at most so many come */
};

/* A line of the log whose record is not there yet. */
struct oom_victim {
	uint64_t seen_ns; /* 0 = none */
	char container_id[CONTAINER_ID_MAX];
	struct kmsg_oom line;
};

/* Whose container is this group ("/cradle/abc/below")? NULL = nobody's. */
typedef const char *(*oom_owner_fn)(void *owner, const char *task_memcg);

struct oom_records {
	struct oom_record ring[OOM_RECORDS_MAX];
	uint64_t made;		    /* ever; the ring holds the last of them */
	uint64_t told;		    /* the first so many */
	uint64_t kills[OOM_CAUSES]; /* ever, by cause */
	struct oom_victim victims[OOM_RECORDS_MAX];
	size_t next_victim;
	struct event_loop *loop;
	struct event_timer timer; /* runs while a record is not told */
	struct waiter_list watchers;
	int kmsg; /* owned; negative = there is no log */
	oom_owner_fn owner_of;
	void *owner;
};

/* kmsg as by kmsg_open(), taken over; may be negative. */
void oom_records_init(struct oom_records *records, struct event_loop *loop, int kmsg,
	oom_owner_fn owner_of, void *owner);
void oom_records_release(struct oom_records *records);
/* A record of this container, of now, without figures; and its figures as they are now. */
void oom_record_begin(struct oom_record *record, const char *container_id);
void oom_record_read(struct oom_record *record, const char *group);
/* Takes a copy and numbers it; its sequence number. lines: how many of its victims the log names.
 */
uint64_t oom_records_add(
	struct oom_records *records, const struct oom_record *record, uint64_t lines);
/* The figures of those that were added without, from first on: one look, as it is now. */
void oom_records_fill(struct oom_records *records, uint64_t first, const char *group);
/* After adding: reads the log, tells what is complete, and sees to the rest. */
void oom_records_tell(struct oom_records *records);
/* The same once the loop has done what is due: events are on their way by then. */
void oom_records_tell_soon(struct oom_records *records);
/*
 * The latest, oldest first, valid until the next event; all, or those that are told. Count; *lost
 * of those before are forgotten.
 */
size_t oom_records_list(struct oom_records *records, bool told_only, const struct oom_record **ret,
	size_t room, uint64_t *lost);

#endif
