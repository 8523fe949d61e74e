/* size_print: see the header. Text and JSON come from the same list of lines. */
#include "size/size_print.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define MIB	  (1ull << 20)
#define LINES_MAX 12

struct line {
	const char *sign, *key;
	uint64_t bytes;
	char what[100];
};

struct lines {
	struct line line[LINES_MAX];
	size_t count;
};

__attribute__((format(printf, 5, 6))) static void add(struct lines *lines, const char *sign,
	const char *key, uint64_t bytes, const char *fmt, ...)
{
	struct line *line = &lines->line[lines->count++];
	va_list args;

	line->sign = sign;
	line->key = key;
	line->bytes = bytes;
	va_start(args, fmt);
	vsnprintf(line->what, sizeof(line->what), fmt, args);
	va_end(args);
}

static void list_lines(const struct sizing_plan *p, struct lines *lines)
{
	const struct sizing *vm = &p->vm;
	char align[32];

	add(lines, " ", "workload", p->workload_bytes, "workload: %s",
		p->containers == 1 ? "the container's limit" : "the containers' limits together");
	if (p->hugepage_bytes)
		add(lines, "+", "hugepages", p->hugepage_bytes,
			"workload: huge pages, beside the limits");
	add(lines, "+", "kernel", vm->kernel_bytes, "reserve: the guest's kernel itself");
	add(lines, "+", "tables", vm->memmap_bytes, "reserve: its tables of all memory (1/%u)",
		vm->memmap_share);
	add(lines, "+", "agent", vm->agent_bytes,
		"reserve: the agent, and the kernel's work for it");
	if (p->more_bytes)
		add(lines, "+", "containers", p->more_bytes, "reserve: %zu more container%s",
			p->containers - 1, p->containers == 2 ? "" : "s");
	add(lines, "+", "image", p->initrd_bytes, "reserve: the guest image, unpacked in memory");
	add(lines, "+", "rounding", vm->padding_bytes, "rounding up to a multiple of %s",
		sizing_text(vm->align_bytes, align, sizeof(align)));
	add(lines, "=", "vm", vm->vm_bytes, "the VM");
	add(lines, "+", "qemu", p->qemu_bytes, "host: QEMU and cradle themselves");
	add(lines, "+", "page_tables", p->tables_bytes, "host: page tables for the VM's memory");
	add(lines, "=", "host", p->host_bytes, "what the host's cgroup must allow");
}

void size_print_plan(const struct sizing_plan *p, FILE *to)
{
	struct lines lines = {.count = 0};

	list_lines(p, &lines);
	for (size_t i = 0; i < lines.count; i++)
		fprintf(to, "  %s %9.1f MiB  %s\n", lines.line[i].sign,
			(double)lines.line[i].bytes / (double)MIB, lines.line[i].what);
	fprintf(to, "CPUs: %u in the VM; ", p->vm.vcpus);
	if (p->vm.cpu_quota)
		fprintf(to, "quota of %.2f of them.\n",
			(double)p->vm.cpu_quota / (double)p->vm.cpu_period);
	else
		fprintf(to, "no quota.\n");
	for (unsigned i = 0; i < p->note_count; i++)
		fprintf(to, "Note: %s.\n", p->notes[i]);
}

/* ---- JSON ---- */

static void put_bytes(struct json_object *in, const char *key, uint64_t value)
{
	json_object_object_add(in, key, json_object_new_uint64(value));
}

static void put_text(struct json_object *in, const char *key, const char *value)
{
	json_object_object_add(in, key, json_object_new_string(value));
}

/* %.9g keeps a float's value without its noise. */
static void put_cpus(struct json_object *in, const char *key, double value)
{
	char text[40];

	str_format(text, sizeof(text), "%.7g", value);
	json_object_object_add(in, key, json_object_new_double_s(value, text));
}

/* Gives the tree back. */
static int print_json(struct json_object *top, FILE *to)
{
	const char *text = json_object_to_json_string_ext(
		top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		fprintf(to, "%s\n", text);
	json_object_put(top);
	return text ? 0 : -ENOMEM;
}

static struct json_object *sum_array(const struct sizing_plan *p)
{
	struct json_object *sum = json_object_new_array(), *line;
	struct lines lines = {.count = 0};

	list_lines(p, &lines);
	for (size_t i = 0; sum && i < lines.count; i++) {
		line = json_object_new_object();
		if (!line || json_object_array_add(sum, line) < 0)
			return sum;
		put_text(line, "line", lines.line[i].key);
		put_bytes(line, "bytes", lines.line[i].bytes);
		put_text(line, "what", lines.line[i].what);
	}
	return sum;
}

int size_print_plan_json(const struct sizing_plan *p, const char *arch, FILE *to)
{
	struct json_object *top = json_object_new_object(), *notes = json_object_new_array();

	if (!top || !notes) {
		json_object_put(top);
		json_object_put(notes);
		return -ENOMEM;
	}
	put_text(top, "arch", arch);
	put_bytes(top, "containers", p->containers);
	put_bytes(top, "limit_bytes", p->workload_bytes);
	put_bytes(top, "reserve_bytes", p->vm.reserve_bytes);
	put_bytes(top, "agent_reserve_bytes", sizing_agent_reserve(&p->vm));
	put_bytes(top, "vm_bytes", p->vm.vm_bytes);
	put_bytes(top, "host_bytes", p->host_bytes);
	put_bytes(top, "vcpus", p->vm.vcpus);
	put_cpus(top, "cpus_asked", p->cpus_asked);
	put_bytes(top, "cpu_quota", (uint64_t)p->vm.cpu_quota);
	put_bytes(top, "cpu_period", p->vm.cpu_period);
	json_object_object_add(top, "sum", sum_array(p));
	for (unsigned i = 0; i < p->note_count; i++)
		json_object_array_add(notes, json_object_new_string(p->notes[i]));
	json_object_object_add(top, "notes", notes);
	return print_json(top, to);
}

/* ---- predictions ---- */

static const char *rules_name(enum sizing_rules rules)
{
	return rules == SIZING_RULES_RS ? "runtime-rs" : "go";
}

void size_print_prediction(const struct sizing_prediction *p, enum sizing_rules rules,
	const struct sizing_rules_config *config, FILE *to)
{
	bool asked = p->workload.vcpus > 0 || p->workload.memory_mib > 0;
	bool overhead = rules == SIZING_RULES_RS && asked && !p->grows;

	fprintf(to, "What Kata's %s would make of it (a prediction, %s sizing):\n",
		rules == SIZING_RULES_RS ? "runtime-rs" : "Go runtime",
		p->grows ? "hot-plug" : "static");
	fprintf(to, "  %10.2f CPUs %8llu MiB  the workload, as it reads it\n",
		(double)p->workload.vcpus, (unsigned long long)p->workload.memory_mib);
	fprintf(to, "  %10.2f CPUs %8llu MiB  %s\n",
		(double)(overhead ? config->overhead_vcpus : config->default_vcpus),
		(unsigned long long)(overhead ? config->overhead_memory : config->default_memory),
		overhead ? "overhead_vcpus, overhead_memory" : "default_vcpus, default_memory");
	fprintf(to, "  %10.2f CPUs %8llu MiB  the VM%s: -smp %u -m %lluM\n", (double)p->vcpus,
		(unsigned long long)p->memory_mib, p->grows ? " at its start" : "", p->boot_vcpus,
		(unsigned long long)p->memory_mib);
	if (p->grows)
		fprintf(to, "  %10.2f CPUs %8llu MiB  the VM once all containers are there\n",
			(double)p->grown_vcpus, (unsigned long long)p->grown_mib);
	if (p->note[0])
		fprintf(to, "Note: %s.\n", p->note);
}

int size_print_prediction_json(const struct sizing_prediction *p, enum sizing_rules rules, FILE *to)
{
	struct json_object *top = json_object_new_object();

	if (!top)
		return -ENOMEM;
	put_text(top, "rules", rules_name(rules));
	json_object_object_add(top, "static", json_object_new_boolean(!p->grows));
	put_cpus(top, "workload_vcpus", (double)p->workload.vcpus);
	put_bytes(top, "workload_mib", p->workload.memory_mib);
	put_cpus(top, "vcpus", (double)p->vcpus);
	put_bytes(top, "boot_vcpus", p->boot_vcpus);
	put_bytes(top, "memory_mib", p->memory_mib);
	put_bytes(top, "maxvcpus", p->maxvcpus);
	put_bytes(top, "maxmemory_mib", p->maxmemory_mib);
	if (p->grows) {
		put_cpus(top, "grown_vcpus", (double)p->grown_vcpus);
		put_bytes(top, "grown_mib", p->grown_mib);
	}
	put_text(top, "note", p->note);
	return print_json(top, to);
}
