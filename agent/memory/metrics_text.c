/* metrics_text: see metrics_text.h. Called by sandbox/metrics_read. */
#include "memory/metrics_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "kernel/net_dev.h"
#include "hard_limits.h"

/* The first failure sticks; nothing is printed after it. */
struct printer {
	const struct metrics_input *in;
	struct buffer *out;
	int failed;
};

#define PRINT(p, ...)                                                                              \
	do {                                                                                       \
		if ((p)->failed == 0)                                                              \
			(p)->failed = buffer_printf((p)->out, __VA_ARGS__);                        \
	} while (0)

static void family(struct printer *p, const char *name, const char *type, const char *help)
{
	PRINT(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static const char *escape(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text && n + 3 < size; text++) {
		if (strchr("\\\"\n", *text))
			out[n++] = '\\';
		out[n++] = *text == '\n' ? 'n' : *text;
	}
	out[n] = '\0';
	return out;
}

static void sample(struct printer *p, const char *name, const char *item, uint64_t value)
{
	PRINT(p, "%s{item=\"%s\"} %" PRIu64 "\n", name, item, value);
}

/* With another label before the item. */
static void sample2(struct printer *p, const char *name, const char *label, const char *text,
	const char *item, uint64_t value)
{
	char escaped[272];

	PRINT(p, "%s{%s=\"%s\",item=\"%s\"} %" PRIu64 "\n", name, label,
		escape(text, escaped, sizeof(escaped)), item, value);
}

static const char *text_of(const struct printer *p, size_t file)
{
	return p->in->files[file].errnum ? "" : p->in->files[file].text;
}

/* "Name:  123" at a line's start. */
static bool colon_value(const char *text, const char *name, uint64_t *ret)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return sscanf(line + len + 1, "%" SCNu64, ret) == 1;
	}
	return false;
}

/* ---- ours ---------------------------------------------------------------------------------------
 */

/* Every field *_bytes of a message: "usage_bytes" is item "usage". */
static void byte_fields(struct printer *p, const char *name, const ProtobufCMessage *message,
	const char *label, const char *text)
{
	const ProtobufCMessageDescriptor *desc = message->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		const void *slot = (const char *)message + field->offset;
		char item[64];

		if (!str_ends(field->name, "_bytes"))
			continue;
		str_copy(item, sizeof(item), field->name);
		item[strlen(item) - strlen("_bytes")] = '\0';
		if (label)
			sample2(p, name, label, text, item, *(const uint64_t *)slot);
		else if (field->type == PROTOBUF_C_TYPE_INT64)
			PRINT(p, "%s{item=\"%s\"} %" PRId64 "\n", name, item,
				*(const int64_t *)slot);
		else
			sample(p, name, item, *(const uint64_t *)slot);
	}
}

/* Is it the latest of its container? */
static bool is_latest(const struct metrics_input *in, size_t index)
{
	for (size_t i = index + 1; i < in->record_count; i++)
		if (str_eq(in->records[i]->container_id, in->records[index]->container_id))
			return false;
	return true;
}

static void last_kills(struct printer *p)
{
	for (size_t i = 0; i < p->in->record_count; i++) {
		const struct oom_record *r = p->in->records[i];
		const struct {
			const char *item;
			uint64_t value;
		} items[] = {{"limit", r->limit}, {"usage", r->usage}, {"peak", r->peak},
			{"anon", r->anon}, {"file", r->file}, {"shmem", r->shmem},
			{"victim_anon", r->victim_anon}, {"victim_file", r->victim_file},
			{"victim_shmem", r->victim_shmem}};

		for (size_t k = 0; k < ARRAY_SIZE(items) && is_latest(p->in, i); k++)
			if (r->sized || !str_starts(items[k].item, "victim"))
				sample2(p, "cradle_oom_last_bytes", "container_id", r->container_id,
					items[k].item, items[k].value);
	}
}

static void oom_families(struct printer *p)
{
	family(p, "cradle_oom_kills_total", "counter", "Processes killed for memory, by cause.");
	for (int cause = OOM_CAUSE_CONTAINER_LIMIT; cause < OOM_CAUSES; cause++)
		PRINT(p, "cradle_oom_kills_total{cause=\"%s\"} %" PRIu64 "\n",
			oom_cause_name((enum oom_cause)cause),
			p->in->oom_kills ? p->in->oom_kills[cause] : 0);
	family(p, "cradle_oom_last_bytes", "gauge",
		"Figures of a container's latest OOM kill; limit 0 is none.");
	last_kills(p);
	family(p, "cradle_oom_last_time_seconds", "gauge",
		"When a container's latest OOM kill was, in seconds of the epoch.");
	for (size_t i = 0; i < p->in->record_count; i++)
		if (is_latest(p->in, i))
			PRINT(p,
				"cradle_oom_last_time_seconds{container_id=\"%s\"} %" PRIu64
				".%03" PRIu64 "\n",
				p->in->records[i]->container_id,
				p->in->records[i]->time_unix_ns / 1000000000,
				p->in->records[i]->time_unix_ns / 1000000 % 1000);
}

static void boot_family(struct printer *p)
{
	const struct metrics_boot *boot = &p->in->boot;

	if (!boot->kernel_us)
		return;
	family(p, "cradle_boot_microseconds", "gauge",
		"The guest's way to an agent that listens: kernel, then modules and agent.");
	sample(p, "cradle_boot_microseconds", "agent", boot->agent_us);
	sample(p, "cradle_boot_microseconds", "kernel", boot->kernel_us);
	sample(p, "cradle_boot_microseconds", "modules", boot->modules_us);
}

static void own_families(struct printer *p)
{
	const Cradle__MemoryState *m = p->in->memory;
	size_t shown = m->n_containers;

	if (shown > METRICS_CONTAINERS_MAX)
		shown = METRICS_CONTAINERS_MAX;
	boot_family(p);
	family(p, "cradle_container_memory_bytes", "gauge",
		"Memory of a container; a limit of 18446744073709551615 is none.");
	for (size_t i = 0; i < shown; i++)
		if (m->containers[i]->limit_bytes)
			byte_fields(p, "cradle_container_memory_bytes", &m->containers[i]->base,
				"container_id", m->containers[i]->container_id);
	family(p, "cradle_container_oom_kills_total", "counter",
		"Processes of a container killed for memory.");
	for (size_t i = 0; i < shown; i++)
		PRINT(p, "cradle_container_oom_kills_total{container_id=\"%s\"} %" PRIu64 "\n",
			m->containers[i]->container_id, m->containers[i]->oom_kills);
	family(p, "cradle_containers", "gauge", "Containers there are.");
	PRINT(p, "cradle_containers %zu\n", m->n_containers);
	family(p, "cradle_guest_memory_bytes", "gauge",
		"Who holds the guest's memory; adds up to item vm.");
	if (m->guest)
		byte_fields(p, "cradle_guest_memory_bytes", &m->guest->base, NULL, NULL);
	family(p, "cradle_oom_events_dropped_total", "counter",
		"OOM events nobody asked for in time.");
	PRINT(p, "cradle_oom_events_dropped_total %" PRIu64 "\n", p->in->oom_events_dropped);
	oom_families(p);
}

/* ---- kata_agent_* -------------------------------------------------------------------------------
 */

static void agent_io(struct printer *p)
{
	static const char *const items[] = {"rchar", "wchar", "syscr", "syscw", "read_bytes",
		"write_bytes", "cancelled_write_bytes"};
	uint64_t value;

	family(p, "kata_agent_io_stat", "gauge", "Input and output of the agent.");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		if (colon_value(text_of(p, METRICS_AGENT_IO), items[i], &value))
			sample(p, "kata_agent_io_stat", items[i], value);
}

/* Numbers of /proc/PID/stat, from the third field on (proc(5)); 0 where there are fewer. */
static void stat_fields(const char *text, uint64_t *fields, size_t count)
{
	const char *at = strrchr(text, ')');

	memset(fields, 0, count * sizeof(*fields));
	for (size_t i = 0; at && i < count; i++) {
		at = strchr(at, ' ');
		if (at)
			fields[i] = strtoull(++at, NULL, 10);
	}
}

#define FIELD(fields, number_in_proc_5) ((fields)[(number_in_proc_5)-3])

static void agent_status(struct printer *p)
{
	static const char *const names[] = {"VmPeak", "VmSize", "VmLck", "VmPin", "VmHWM", "VmRSS",
		"RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE",
		"VmSwap", "HugetlbPages", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"};
	char item[32];
	uint64_t value;

	family(p, "kata_agent_proc_status", "gauge", "Memory (KiB) and switches of the agent.");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!colon_value(text_of(p, METRICS_AGENT_STATUS), names[i], &value))
			continue;
		str_copy(item, sizeof(item), names[i]);
		for (char *c = item; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		sample(p, "kata_agent_proc_status", item, value);
	}
}

static void agent_families(struct printer *p)
{
	const uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t f[22], time;

	stat_fields(text_of(p, METRICS_AGENT_STAT), f, ARRAY_SIZE(f));
	time = (FIELD(f, 14) + FIELD(f, 15)) * 100 / ticks;
	agent_io(p);
	family(p, "kata_agent_proc_stat", "gauge", "Time of the agent in ticks.");
	sample(p, "kata_agent_proc_stat", "utime", FIELD(f, 14));
	sample(p, "kata_agent_proc_stat", "stime", FIELD(f, 15));
	sample(p, "kata_agent_proc_stat", "cutime", FIELD(f, 16));
	sample(p, "kata_agent_proc_stat", "cstime", FIELD(f, 17));
	agent_status(p);
	family(p, "kata_agent_scrape_count", "counter", "How often this was asked for.");
	PRINT(p, "kata_agent_scrape_count %" PRIu64 "\n", p->in->scrapes);
	family(p, "kata_agent_threads", "gauge", "Threads of the agent.");
	PRINT(p, "kata_agent_threads %" PRIu64 "\n", FIELD(f, 20));
	family(p, "kata_agent_total_rss", "gauge", "Resident memory of the agent in bytes.");
	PRINT(p, "kata_agent_total_rss %" PRIu64 "\n",
		FIELD(f, 24) * (uint64_t)sysconf(_SC_PAGESIZE));
	family(p, "kata_agent_total_time", "gauge", "Processor time of the agent in seconds.");
	PRINT(p, "kata_agent_total_time %" PRIu64 ".%02" PRIu64 "\n", time / 100, time % 100);
	family(p, "kata_agent_total_vm", "gauge", "Address space of the agent in bytes.");
	PRINT(p, "kata_agent_total_vm %" PRIu64 "\n", FIELD(f, 23));
}

/* ---- kata_guest_* -------------------------------------------------------------------------------
 */

static void cpu_time(struct printer *p)
{
	static const char *const items[] = {"user", "nice", "system", "idle", "iowait", "irq",
		"softirq", "steal", "guest", "guest_nice"};
	const uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	const char *line = text_of(p, METRICS_STAT);

	family(p, "kata_guest_cpu_time", "gauge", "Time of the CPUs in milliseconds.");
	for (; line && str_starts(line, "cpu"); line = strchr(line, '\n'), line += line != NULL) {
		char cpu[16];
		char *at;

		if (sscanf(line, "cpu%15s", cpu) != 1)
			continue;
		at = strchr(line, ' ');
		for (size_t i = 0; at && *at == ' ' && i < ARRAY_SIZE(items); i++)
			sample2(p, "kata_guest_cpu_time", "cpu", line[3] == ' ' ? "total" : cpu,
				items[i], strtoull(at, &at, 10) * 1000 / ticks);
	}
}

static void diskstat(struct printer *p)
{
	static const char *const items[] = {"reads", "merged", "sectors_read", "time_reading",
		"writes", "writes_merged", "sectors_written", "time_writing", "in_progress",
		"time_in_progress", "weighted_time_in_progress", "discards", "discards_merged",
		"sectors_discarded", "time_discarding", "flushes", "time_flushing"};
	const char *line = text_of(p, METRICS_DISKSTATS);

	family(p, "kata_guest_diskstat", "gauge", "Counters of the guest's disks.");
	for (; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char disk[64];
		int used = 0;
		char *at;

		if (sscanf(line, "%*u %*u %63s%n", disk, &used) != 1)
			continue;
		at = (char *)line + used;
		for (size_t i = 0; *at == ' ' && i < ARRAY_SIZE(items); i++)
			sample2(p, "kata_guest_diskstat", "disk", disk, items[i],
				strtoull(at, &at, 10));
	}
}

static void filesystems(struct printer *p, const char *name, const char *help, bool bytes)
{
	static const char *const items[] = {"total", "used", "available"};
	char mount[272], device[144];

	family(p, name, "gauge", help);
	for (size_t i = 0; i < p->in->filesystem_count; i++) {
		const struct filesystem_use *fs = &p->in->filesystems[i];

		for (size_t k = 0; k < ARRAY_SIZE(items); k++)
			PRINT(p, "%s{mount=\"%s\",device=\"%s\",item=\"%s\"} %" PRIu64 "\n", name,
				escape(fs->mount, mount, sizeof(mount)),
				escape(fs->device, device, sizeof(device)), items[k],
				bytes ? fs->bytes[k] : fs->inodes[k]);
	}
}

static void load(struct printer *p)
{
	char load[3][16];

	family(p, "kata_guest_load", "gauge", "Load average of the guest.");
	if (sscanf(text_of(p, METRICS_LOADAVG), "%15[0-9.] %15[0-9.] %15[0-9.]", load[0], load[1],
		    load[2]) == 3)
		PRINT(p,
			"kata_guest_load{item=\"load1\"} %s\nkata_guest_load{item=\"load5\"} %s\n"
			"kata_guest_load{item=\"load15\"} %s\n",
			load[0], load[1], load[2]);
}

static void meminfo(struct printer *p)
{
	/* item: name in /proc/meminfo; a count of pages, not KiB, when it starts with HugePages_ */
	static const struct {
		const char *item, *name;
	} rows[] = {{"mem_total", "MemTotal"}, {"mem_free", "MemFree"},
		{"mem_available", "MemAvailable"}, {"buffers", "Buffers"}, {"cached", "Cached"},
		{"swap_cached", "SwapCached"}, {"active", "Active"}, {"inactive", "Inactive"},
		{"active_anon", "Active(anon)"}, {"inactive_anon", "Inactive(anon)"},
		{"active_file", "Active(file)"}, {"inactive_file", "Inactive(file)"},
		{"unevictable", "Unevictable"}, {"mlocked", "Mlocked"}, {"high_total", "HighTotal"},
		{"high_free", "HighFree"}, {"low_total", "LowTotal"}, {"low_free", "LowFree"},
		{"mmap_copy", "MmapCopy"}, {"swap_total", "SwapTotal"}, {"swap_free", "SwapFree"},
		{"dirty", "Dirty"}, {"writeback", "Writeback"}, {"anon_pages", "AnonPages"},
		{"mapped", "Mapped"}, {"shmem", "Shmem"}, {"slab", "Slab"},
		{"s_reclaimable", "SReclaimable"}, {"s_unreclaim", "SUnreclaim"},
		{"kernel_stack", "KernelStack"}, {"page_tables", "PageTables"},
		{"quicklists", "Quicklists"}, {"nfs_unstable", "NFS_Unstable"},
		{"bounce", "Bounce"}, {"writeback_tmp", "WritebackTmp"},
		{"commit_limit", "CommitLimit"}, {"committed_as", "Committed_AS"},
		{"vmalloc_total", "VmallocTotal"}, {"vmalloc_used", "VmallocUsed"},
		{"vmalloc_chunk", "VmallocChunk"}, {"hardware_corrupted", "HardwareCorrupted"},
		{"anon_hugepages", "AnonHugePages"}, {"shmem_hugepages", "ShmemHugePages"},
		{"shmem_pmd_mapped", "ShmemPmdMapped"}, {"cma_total", "CmaTotal"},
		{"cma_free", "CmaFree"}, {"hugepages_total", "HugePages_Total"},
		{"hugepages_free", "HugePages_Free"}, {"hugepages_rsvd", "HugePages_Rsvd"},
		{"hugepages_surp", "HugePages_Surp"}, {"hugepagesize", "Hugepagesize"},
		{"direct_map_4k", "DirectMap4k"}, {"direct_map_4M", "DirectMap4M"},
		{"direct_map_2M", "DirectMap2M"}, {"direct_map_1G", "DirectMap1G"},
		{"hugetlb", "Hugetlb"}, {"per_cpu", "Percpu"}, {"k_reclaimable", "KReclaimable"}};

	family(p, "kata_guest_meminfo", "gauge", "The guest's memory in bytes.");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 0;

		colon_value(text_of(p, METRICS_MEMINFO), rows[i].name, &value);
		if (!str_starts(rows[i].name, "HugePages_"))
			value *= 1024;
		sample(p, "kata_guest_meminfo", rows[i].item, value);
	}
}

static void netdev(struct printer *p)
{
	static const char *const items[NET_COUNTERS] = {"recv_bytes", "recv_packets", "recv_errs",
		"recv_drop", "recv_fifo", "recv_frame", "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs", "sent_drop", "sent_fifo", "sent_colls",
		"sent_carrier", "sent_compressed"};
	const char *at = text_of(p, METRICS_NET_DEV);
	struct net_dev dev;

	family(p, "kata_guest_netdev_stat", "gauge", "Counters of the guest's interfaces.");
	while (net_dev_next(&at, &dev))
		for (size_t i = 0; i < NET_COUNTERS; i++)
			sample2(p, "kata_guest_netdev_stat", "interface", dev.name, items[i],
				dev.counter[i]);
}

static void tasks(struct printer *p)
{
	uint64_t current, all;

	family(p, "kata_guest_tasks", "gauge", "Tasks of the guest, running and all.");
	if (sscanf(text_of(p, METRICS_LOADAVG), "%*s %*s %*s %" SCNu64 "/%" SCNu64, &current,
		    &all) == 2) {
		sample(p, "kata_guest_tasks", "cur", current);
		sample(p, "kata_guest_tasks", "max", all);
	}
}

static void vmstat(struct printer *p)
{
	const char *line = text_of(p, METRICS_VMSTAT);

	family(p, "kata_guest_vm_stat", "gauge", "The guest's /proc/vmstat.");
	for (; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char name[64];
		uint64_t value;

		if (sscanf(line, "%63[a-zA-Z0-9_] %" SCNu64, name, &value) == 2)
			sample(p, "kata_guest_vm_stat", name, value);
	}
}

int metrics_text(const struct metrics_input *in, struct buffer *out)
{
	struct printer p = {.in = in, .out = out};

	own_families(&p);
	agent_families(&p);
	cpu_time(&p);
	diskstat(&p);
	filesystems(&p, "kata_guest_filesystem_bytes", "Bytes of mounted file systems.", true);
	filesystems(&p, "kata_guest_filesystem_inodes", "Inodes of mounted file systems.", false);
	load(&p);
	meminfo(&p);
	netdev(&p);
	tasks(&p);
	vmstat(&p);
	return p.failed;
}
