/* oom_record: see oom_record.h. Called by oom_monitor. */
#include "memory/oom_record.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strings.h"
#include "memory/control_file.h"

/* A record without its line is looked at again; a line without its record waits so long. */
#define RETRY_MS     10
#define SOON_MS	     2
#define MATCH_MAX_NS 5000000000ull

/* ---- figures ------------------------------------------------------------------------------------
 */

static void read_pressure(struct oom_record *record, const char *group)
{
	char text[256];
	struct worker_file file = {.text = text};

	file.errnum = -control_read(group, "memory.pressure", text, sizeof(text));
	memory_pressure_parse(&file, &record->pressure);
}

/* v2's file, or v1's, whose "no limit" is the largest multiple of a page there is. */
static uint64_t either_number(const char *group, const char *v2, const char *v1)
{
	uint64_t value = control_number(group, v2);

	if (value)
		return value;
	value = control_number(group, v1);
	return value > INT64_MAX / 2 ? 0 : value;
}

static uint64_t either_keyed(const char *stat, const char *v2, const char *v1)
{
	uint64_t value = control_keyed(stat, v2);

	return value ? value : control_keyed(stat, v1);
}

void oom_record_begin(struct oom_record *record, const char *container_id)
{
	struct timespec now;

	memset(record, 0, sizeof(*record));
	str_copy(record->container_id, sizeof(record->container_id), container_id);
	clock_gettime(CLOCK_REALTIME, &now);
	record->time_unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	record->made_ns = event_loop_now_ns();
}

void oom_record_read(struct oom_record *record, const char *group)
{
	char stat[8192];

	if (record->limit == 0) /* else it is known already, and not the container's */
		record->limit = either_number(group, "memory.max", "memory.limit_in_bytes");
	record->usage = either_number(group, "memory.current", "memory.usage_in_bytes");
	record->peak = either_number(group, "memory.peak", "memory.max_usage_in_bytes");
	if (control_read(group, "memory.stat", stat, sizeof(stat)) == 0) {
		record->anon = either_keyed(stat, "anon", "total_rss");
		record->file = either_keyed(stat, "file", "total_cache");
		record->shmem = either_keyed(stat, "shmem", "total_shmem");
	}
	read_pressure(record, group);
}

/* ---- names from the kernel's log ----------------------------------------------------------------
 */

static uint64_t oldest(const struct oom_records *records)
{
	return records->made > OOM_RECORDS_MAX ? records->made - OOM_RECORDS_MAX : 0;
}

static struct oom_record *at(struct oom_records *records, uint64_t number)
{
	return &records->ring[number % OOM_RECORDS_MAX];
}

static void set_sizes(struct oom_record *record, const struct kmsg_oom *line)
{
	record->sized = true;
	record->victim_anon = line->anon;
	record->victim_file = line->file;
	record->victim_shmem = line->shmem;
}

/* The oldest record of the container that still has a victim without a line; none when too old. */
static struct oom_record *record_for(
	struct oom_records *records, const char *container_id, uint64_t now)
{
	for (uint64_t i = oldest(records); i < records->made; i++) {
		struct oom_record *r = at(records, i);

		if (r->named < r->expected && now - r->made_ns < MATCH_MAX_NS &&
			str_eq(r->container_id, container_id))
			return r;
	}
	return NULL;
}

/* False: no record wants it (yet). */
static bool give_name(struct oom_records *records, const struct oom_victim *victim, uint64_t now)
{
	struct oom_record *r = record_for(records, victim->container_id, now);

	if (!r)
		return false;
	if (r->named++ > 0) /* of several victims the first is told of */
		return true;
	r->pid = victim->line.pid;
	str_copy(r->comm, sizeof(r->comm), victim->line.comm);
	if (victim->line.sized)
		set_sizes(r, &victim->line);
	return true;
}

static void keep_victim(struct oom_records *records, const struct kmsg_oom *line, uint64_t now)
{
	const char *container_id = records->owner_of(records->owner, line->task_memcg);
	struct oom_victim *v = &records->victims[records->next_victim];

	if (!container_id)
		return;
	records->next_victim = (records->next_victim + 1) % OOM_RECORDS_MAX;
	v->seen_ns = now;
	v->line = *line;
	str_copy(v->container_id, sizeof(v->container_id), container_id);
}

/* The line with the sizes has a pid only: of a record, or of a victim that waits for one. */
static void keep_sizes(struct oom_records *records, const struct kmsg_oom *line)
{
	for (uint64_t i = records->made; i-- > oldest(records);) {
		struct oom_record *r = at(records, i);

		if (r->pid == line->pid && !r->sized) {
			set_sizes(r, line);
			return;
		}
	}
	for (size_t i = 0; i < OOM_RECORDS_MAX; i++) {
		struct kmsg_oom *kept = &records->victims[i].line;

		if (records->victims[i].seen_ns && kept->pid == line->pid && !kept->sized) {
			kept->sized = true;
			kept->anon = line->anon;
			kept->file = line->file;
			kept->shmem = line->shmem;
		}
	}
}

static void match_victims(struct oom_records *records, uint64_t now)
{
	for (size_t i = 0; i < OOM_RECORDS_MAX; i++) {
		struct oom_victim *v =
			&records->victims[(records->next_victim + i) % OOM_RECORDS_MAX];

		if (v->seen_ns && (give_name(records, v, now) || now - v->seen_ns > MATCH_MAX_NS))
			v->seen_ns = 0;
	}
}

static void read_log(struct oom_records *records)
{
	const uint64_t now = event_loop_now_ns();
	struct kmsg_oom line;

	if (records->kmsg < 0)
		return;
	while (kmsg_next_oom(records->kmsg, &line)) {
		if (line.sized) {
			keep_sizes(records, &line);
			continue;
		}
		keep_victim(records, &line, now);
		match_victims(records, now);
	}
	match_victims(records, now);
}

/* ---- telling ------------------------------------------------------------------------------------
 */

static void log_kill(const struct oom_record *r)
{
	char numbers[11][24], pressure[32] = "unknown";
	const uint64_t values[] = {r->limit, r->usage, r->peak, r->anon, r->file, r->kills,
		r->kills_total, r->pid, r->victim_anon, r->victim_file, r->victim_shmem};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		str_format(numbers[i], sizeof(numbers[i]), "%" PRIu64, values[i]);
	if (r->pressure.known)
		str_format(pressure, sizeof(pressure), "some %u.%02u full %u.%02u",
			r->pressure.some_permyriad / 100, r->pressure.some_permyriad % 100,
			r->pressure.full_permyriad / 100, r->pressure.full_permyriad % 100);
	log_record(LOG_WARN, "oom",
		r->cause == OOM_CAUSE_STALL ? "container stalled on memory"
					    : "container had an OOM kill",
		"container-id", r->container_id, "cause", oom_cause_name(r->cause), "limit",
		numbers[0], "usage", numbers[1], "peak", numbers[2], "anon", numbers[3], "file",
		numbers[4], "pressure-10s", pressure, "kills", numbers[5], "kills-total",
		numbers[6], "victim-pid", numbers[7], "victim", r->comm, "victim-anon",
		r->sized ? numbers[8] : "unknown", "victim-file", r->sized ? numbers[9] : "unknown",
		"victim-shmem", r->sized ? numbers[10] : "unknown", NULL);
}

static bool complete(const struct oom_records *records, const struct oom_record *r)
{
	return records->kmsg < 0 || r->expected == 0 || (r->pid && r->sized) ||
	       event_loop_now_ns() - r->made_ns >= OOM_NAME_MS * 1000000ull;
}

void oom_records_fill(struct oom_records *records, uint64_t first, const char *group)
{
	struct oom_record figures = {0};

	oom_record_read(&figures, group);
	for (uint64_t i = first > oldest(records) ? first - 1 : oldest(records); i < records->made;
		i++) {
		struct oom_record *r = at(records, i);

		r->limit = r->limit ? r->limit : figures.limit;
		r->usage = figures.usage;
		r->peak = figures.peak;
		r->anon = figures.anon;
		r->file = figures.file;
		r->shmem = figures.shmem;
		r->pressure = figures.pressure;
	}
}

static void on_retry(struct event_timer *timer)
{
	oom_records_tell(container_of(timer, struct oom_records, timer));
}

void oom_records_tell(struct oom_records *records)
{
	const uint64_t told = records->told;

	read_log(records);
	if (records->told < oldest(records))
		records->told = oldest(records);
	while (records->told < records->made && complete(records, at(records, records->told)))
		log_kill(at(records, records->told++));
	if (records->told < records->made)
		event_timer_start(records->loop, &records->timer, RETRY_MS, on_retry, "oom name");
	else
		event_timer_stop(&records->timer);
	if (records->told > told)
		waiter_wake_all(&records->watchers, 0);
}

/* ---- interface ----------------------------------------------------------------------------------
 */

void oom_records_init(struct oom_records *records, struct event_loop *loop, int kmsg,
	oom_owner_fn owner_of, void *owner)
{
	memset(records, 0, sizeof(*records));
	records->loop = loop;
	records->kmsg = kmsg;
	records->owner_of = owner_of;
	records->owner = owner;
	waiter_list_init(&records->watchers);
}

void oom_records_release(struct oom_records *records)
{
	event_timer_stop(&records->timer);
	close_fd(&records->kmsg);
}

uint64_t oom_records_add(
	struct oom_records *records, const struct oom_record *record, uint64_t lines)
{
	struct oom_record *r = at(records, records->made);

	*r = *record;
	r->expected = lines;
	records->kills[r->cause] += r->kills;
	r->sequence = ++records->made;
	return r->sequence;
}

void oom_records_tell_soon(struct oom_records *records)
{
	event_timer_start(records->loop, &records->timer, SOON_MS, on_retry, "oom name");
}

size_t oom_records_list(struct oom_records *records, bool told_only, const struct oom_record **ret,
	size_t room, uint64_t *lost)
{
	const uint64_t end = told_only ? records->told : records->made;
	size_t n = 0;

	read_log(records);
	*lost = oldest(records);
	for (uint64_t i = oldest(records); i < end && n < room; i++)
		ret[n++] = at(records, i);
	return n;
}
