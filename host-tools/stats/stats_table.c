/* stats_table: see the header. */
#include "stats/stats_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "stats/agent_connection.h"
#include "vm/sizing.h"

/* Above this the guest means "no limit" (the page counter's maximum, linux mm/page_counter). */
#define NO_LIMIT (1ull << 60)
#define CELL	 24
#define COLUMNS	 8

struct row {
	char cell[COLUMNS][128];
};

static const char *const headings[COLUMNS] = {
	"CONTAINER", "STATE", "USAGE", "WORKING SET", "LIMIT", "PEAK", "PRESSURE", "OOM KILLS"};

static void size_cell(uint64_t bytes, bool known, char *out)
{
	if (!known)
		str_copy(out, CELL, "-");
	else if (bytes >= NO_LIMIT)
		str_copy(out, CELL, "none");
	else
		sizing_text(bytes, out, CELL);
}

static void fill_row(const Cradle__ContainerMemory *c, bool plain, struct row *row)
{
	bool known = c->limit_bytes != 0;

	agent_word(c->container_id, row->cell[0], sizeof(row->cell[0]));
	agent_word(str_empty(c->state) ? "-" : c->state, row->cell[1], sizeof(row->cell[1]));
	size_cell(c->usage_bytes, known, row->cell[2]);
	size_cell(c->working_set_bytes, known, row->cell[3]);
	size_cell(c->limit_bytes, known, row->cell[4]);
	size_cell(c->peak_bytes, c->peak_bytes != 0, row->cell[5]);
	str_copy(row->cell[6], CELL, "-");
	if (c->pressure)
		str_format(row->cell[6], CELL, "%u.%02u %%",
			c->pressure->some_avg10_permyriad / 100,
			c->pressure->some_avg10_permyriad % 100);
	str_copy(row->cell[7], CELL, "-");
	if (!plain)
		str_format(row->cell[7], CELL, "%" PRIu64, c->oom_kills);
}

static void widen(unsigned width[COLUMNS], const struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (strlen(row->cell[i]) > width[i])
			width[i] = (unsigned)strlen(row->cell[i]);
}

/* The two words to the left, figures to the right. */
static int print_row(const unsigned width[COLUMNS], const struct row *row, struct buffer *out)
{
	int r = buffer_printf(
		out, "%-*s  %-*s", (int)width[0], row->cell[0], (int)width[1], row->cell[1]);

	for (size_t i = 2; r == 0 && i < COLUMNS; i++)
		r = buffer_printf(out, "  %*s", (int)width[i], row->cell[i]);
	return r < 0 ? r : buffer_append(out, "\n", 1);
}

static int print_containers(const Cradle__MemoryState *state, bool plain, struct buffer *out)
{
	unsigned width[COLUMNS] = {0};
	struct row head = {{""}}, row = {{""}};
	int r;

	for (size_t i = 0; i < COLUMNS; i++)
		str_copy(head.cell[i], sizeof(head.cell[i]), headings[i]);
	widen(width, &head);
	for (size_t i = 0; i < state->n_containers; i++) {
		fill_row(state->containers[i], plain, &row);
		widen(width, &row);
	}
	r = print_row(width, &head, out);
	for (size_t i = 0; r == 0 && i < state->n_containers; i++) {
		fill_row(state->containers[i], plain, &row);
		r = print_row(width, &row, out);
	}
	return r;
}

static int print_line(struct buffer *out, uint64_t bytes, const char *what)
{
	char size[CELL];

	return buffer_printf(out, "  %10s  %s\n", sizing_text(bytes, size, sizeof(size)), what);
}

static int print_rest(struct buffer *out, int64_t bytes)
{
	return bytes < 0 ? print_line(out, (uint64_t)-bytes, "less: counted twice")
			 : print_line(out, (uint64_t)bytes, "no line explains");
}

static int print_guest(const Cradle__GuestMemory *g, bool plain, struct buffer *out)
{
	const struct {
		uint64_t bytes;
		const char *what;
	} lines[] = {
		{g->kernel_reserved_bytes, "kernel: image, tables of all memory, firmware"},
		{g->kernel_slab_bytes, "kernel: slab"},
		{g->kernel_stack_bytes, "kernel: stacks"},
		{g->kernel_page_table_bytes, "kernel: page tables"},
		{g->kernel_percpu_bytes, "kernel: per CPU"},
		{g->kernel_vmalloc_bytes, "kernel: vmalloc"},
		{g->agent_bytes, "agent"},
		{g->other_process_bytes,
			plain ? "processes, containers included" : "other processes"},
		{g->page_cache_bytes, plain ? "page cache" : "page cache of no container"},
		{g->container_bytes, "containers"},
		{g->huge_page_bytes, "huge pages"},
		{g->balloon_bytes, "lent to the host (balloon)"},
		{g->free_bytes, "free"},
	};
	int r = buffer_printf(out, "\nGUEST\n");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lines); i++)
		if (lines[i].bytes)
			r = print_line(out, lines[i].bytes, lines[i].what);
	if (r == 0 && !plain)
		r = print_rest(out, g->unexplained_bytes);
	if (r == 0)
		r = print_line(out, g->vm_bytes ? g->vm_bytes : g->total_bytes,
			g->vm_bytes ? "in all: the VM" : "MemTotal");
	if (r == 0 && g->containers_limit_bytes < NO_LIMIT)
		r = print_line(
			out, g->containers_limit_bytes, "is the limit of all containers together");
	return r;
}

/* Only when it is news: the three numbers differ, or blocks wait to be used. */
static int print_size(const Cradle__GuestMemory *g, struct buffer *out)
{
	const struct {
		bool told;
		uint64_t bytes;
		const char *what;
	} lines[] = {
		{g->requested_bytes && g->requested_bytes != g->vm_bytes, g->requested_bytes,
			"is asked for by the hypervisor"},
		{g->online_bytes != g->vm_bytes, g->online_bytes, "of the VM are online"},
		{g->available_bytes != g->containers_limit_bytes, g->available_bytes,
			"may be promised to containers"},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lines); i++)
		if (lines[i].told)
			r = print_line(out, lines[i].bytes, lines[i].what);
	if (r == 0 && g->blocks_offline)
		r = buffer_printf(out, "  %10u  of %u memory blocks are offline\n",
			g->blocks_offline, g->blocks_online + g->blocks_offline);
	return r;
}

int stats_table(const Cradle__MemoryState *state, bool plain, struct buffer *out)
{
	int r = print_containers(state, plain, out);

	if (r == 0 && state->guest)
		r = print_guest(state->guest, plain, out);
	/* none: an agent of before, a plain one, or one that is not PID 1 */
	return r == 0 && state->guest && state->guest->available_bytes
		       ? print_size(state->guest, out)
		       : r;
}
