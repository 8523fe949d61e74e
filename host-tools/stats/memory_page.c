/* memory_page: see the header. */
#include "stats/memory_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "stats/memory_layers.h"
#include "stats/page_style.h"
#include "vm/sizing.h"

/* Above this the guest means "no limit" (the page counter's maximum, linux mm/page_counter). */
#define NO_LIMIT (1ull << 60)
/* The drawing's own units: the browser scales them. */
#define LEFT   84.0
#define RIGHT  940.0
#define TOP    22.0
#define BOTTOM 300.0
#define WIDTH  960
#define HEIGHT 330

static const char style[] =
	PAGE_STYLE ".limit{stroke:#dc2626;stroke-width:1.5;stroke-dasharray:6 4;fill:none}"
		   ".set{stroke:#f97316;stroke-width:1.5;fill:none}"
		   ".kill{stroke:#dc2626;stroke-width:1.5}i{display:inline-block;width:.8em;"
		   "height:.8em;margin-right:.5em}";

struct page {
	const struct memory_history *history;
	struct buffer *out;
	int r; /* the first failure: nothing is written after it */
};

/* One picture's scales: from..to over the width, 0..top over the height. */
struct plot {
	uint64_t from, to, top;
};

static void put_text(struct page *page, const char *text)
{
	if (page->r == 0)
		page->r = buffer_append(page->out, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put(struct page *page, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (page->r < 0)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put_text(page, text);
}

static void put_escaped(struct page *page, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			put(page, "&#%u;", c < 0x20 ? '?' : c);
		else
			put(page, "%c", c);
	}
}

static void put_size(struct page *page, uint64_t bytes)
{
	char text[32];

	put(page, "%s", bytes >= NO_LIMIT ? "none" : sizing_text(bytes, text, sizeof(text)));
}

static void put_clock(struct page *page, uint64_t nano)
{
	time_t seconds = (time_t)(nano / 1000000000u);
	struct tm local;
	char text[32] = "?";

	if (localtime_r(&seconds, &local))
		strftime(text, sizeof(text), "%F %T", &local);
	put(page, "%s", text);
}

/* ---- scales ---- */

static const struct history_sample *first(const struct page *page)
{
	return &page->history->samples[0];
}

static const struct history_sample *last(const struct page *page)
{
	return &page->history->samples[page->history->count - 1];
}

static double x_of(const struct plot *plot, uint64_t nano)
{
	if (nano <= plot->from)
		return LEFT;
	if (nano >= plot->to)
		return RIGHT;
	return LEFT +
	       (RIGHT - LEFT) * (double)(nano - plot->from) / (double)(plot->to - plot->from);
}

static double y_of(const struct plot *plot, uint64_t bytes)
{
	return BOTTOM - (BOTTOM - TOP) * (double)bytes / (double)plot->top;
}

/* A single sample is drawn over the whole width: as it was, for a second. */
static struct plot plot_for(const struct page *page, uint64_t highest)
{
	struct plot plot = {.from = first(page)->time_nano, .to = last(page)->time_nano};
	uint64_t step = 1 << 20;

	/* a guest may say anything; the sums below must not wrap */
	if (highest > NO_LIMIT)
		highest = NO_LIMIT;
	if (plot.to <= plot.from)
		plot.to = plot.from + 1000000000u;
	while (highest / step >= 8)
		step *= 2;
	plot.top = (highest / step + 1) * step;
	return plot;
}

static void put_axes(struct page *page, const struct plot *plot)
{
	uint64_t step = 1 << 20;
	double seconds = (double)(plot->to - plot->from) / 1e9;

	while (plot->top / step > 8)
		step *= 2;
	for (uint64_t at = 0; at <= plot->top; at += step) {
		put(page, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			LEFT, RIGHT, y_of(plot, at), y_of(plot, at));
		put(page, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6,
			y_of(plot, at) + 4);
		put_size(page, at);
		put(page, "</text>");
	}
	for (int i = 0; i <= 5; i++)
		put(page, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%.*f s</text>",
			LEFT + (RIGHT - LEFT) * i / 5, BOTTOM + 18, i == 5 ? "end" : "middle",
			seconds < 10 ? 1 : 0, seconds * i / 5);
}

static void open_picture(struct page *page, const char *what)
{
	put(page, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	put_escaped(page, what);
	put(page, "\">");
}

/* ---- what is drawn ---- */

static void put_layer(
	struct page *page, const struct plot *plot, const struct memory_layer *layers, size_t which)
{
	const struct memory_history *history = page->history;
	size_t points = history->count > 1 ? history->count : 2;

	put(page, "<polygon fill=\"%s\" points=\"", memory_layer_colour(&layers[which]));
	for (size_t i = 0; i < 2 * points; i++) {
		bool back = i >= points; /* along the lower edge */
		size_t n = back ? 2 * points - 1 - i : i;
		const struct history_sample *sample =
			&history->samples[n < history->count ? n : history->count - 1];
		uint64_t at = n < history->count ? sample->time_nano : plot->to;

		put(page, "%.1f,%.1f ", x_of(plot, at),
			y_of(plot, memory_layers_bytes(page->history, layers,
					   back ? which : which + 1, sample)));
	}
	put(page, "\"><title>");
	put_escaped(page, memory_layer_name(page->history, &layers[which]));
	put(page, "</title></polygon>");
}

static void put_limit(struct page *page, const struct plot *plot, uint64_t limit, const char *what)
{
	if (limit == 0 || limit > plot->top)
		return;
	put(page, "<line class=\"limit\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
		RIGHT, y_of(plot, limit), y_of(plot, limit));
	put(page, "<text x=\"%.0f\" y=\"%.1f\">%s: ", LEFT + 6, y_of(plot, limit) - 4, what);
	put_size(page, limit);
	put(page, "</text>");
}

/* Numbered as in the list below; id NULL: of all containers. */
static void put_kills(struct page *page, const struct plot *plot, const char *id)
{
	for (size_t i = 0; i < page->history->kill_count; i++) {
		const struct history_kill *kill = &page->history->kills[i];
		double x = x_of(plot, kill->time_nano);

		if ((id && !str_eq(id, kill->id)) || kill->time_nano < plot->from)
			continue;
		put(page,
			"<g><line class=\"kill\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>"
			"<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">OOM %zu</text><title>",
			x, x, TOP, BOTTOM, x, TOP - 6, i + 1);
		put_escaped(page, kill->sentence);
		put(page, "</title></g>");
	}
}

/* ---- the parts of the page ---- */

static void put_legend(struct page *page, const struct memory_layer *layers, size_t count)
{
	put(page, "<table><tr><th>owner</th><th>at the end</th><th>highest</th></tr>");
	for (size_t i = count; i-- > 0;) {
		put(page, "<tr><td><i style=\"background:%s\"></i>",
			memory_layer_colour(&layers[i]));
		put_escaped(page, memory_layer_name(page->history, &layers[i]));
		put(page, "</td><td>");
		put_size(page, memory_layer_bytes(&layers[i], page->history, last(page)));
		put(page, "</td><td>");
		put_size(page, memory_layer_highest(page->history, &layers[i]));
		put(page, "</td></tr>");
	}
	put(page, "</table>");
}

static void put_guest(struct page *page)
{
	struct memory_layer layers[MEMORY_LAYERS_MAX];
	size_t count = memory_layers(page->history, layers);
	uint64_t highest = last(page)->vm;
	struct plot plot;

	if (count == 0)
		return;
	for (size_t i = 0; i < page->history->count; i++) {
		uint64_t bytes = memory_layers_bytes(
			page->history, layers, count, &page->history->samples[i]);

		if (bytes > highest)
			highest = bytes;
	}
	plot = plot_for(page, highest);
	put(page, "<h2>The guest, by owner</h2>");
	open_picture(page, "The guest's memory by owner over time");
	for (size_t i = 0; i < count; i++)
		put_layer(page, &plot, layers, i);
	put_axes(page, &plot);
	put_limit(page, &plot, last(page)->vm, "the VM");
	put_limit(page, &plot, last(page)->containers_limit, "all containers together, limit");
	put_kills(page, &plot, NULL);
	put(page, "</svg>");
	put_legend(page, layers, count);
}

static uint64_t figure(const struct history_container *c, bool working_set)
{
	return working_set ? c->working_set : c->usage;
}

/* A line through the samples in which the container was there; a gap where it was not. */
static void put_line(struct page *page, const struct plot *plot, size_t which, bool working_set,
	const char *attributes)
{
	bool down = false;

	put(page, "<path %s d=\"", attributes);
	for (size_t i = 0; i < page->history->count; i++) {
		const struct history_sample *sample = &page->history->samples[i];
		const struct history_container *c = &sample->container[which];

		if (c->there)
			put(page, "%c%.1f %.1f", down ? 'L' : 'M', x_of(plot, sample->time_nano),
				y_of(plot, figure(c, working_set)));
		/* a lone sample lasts to the end of the picture */
		if (c->there && page->history->count == 1)
			put(page, "H%.0f", RIGHT);
		down = c->there;
	}
	put(page, "\"/>");
}

static void put_container(struct page *page, size_t which)
{
	const char *id = page->history->ids[which];
	uint64_t highest = 0, limit = UINT64_MAX;
	char line[80];
	struct plot plot;

	for (size_t i = 0; i < page->history->count; i++) {
		const struct history_container *c = &page->history->samples[i].container[which];

		if (c->there)
			limit = c->limit;
		if (c->usage > highest)
			highest = c->usage;
	}
	if (limit < NO_LIMIT && limit > highest)
		highest = limit;
	plot = plot_for(page, highest);
	put(page, "<h2>");
	put_escaped(page, id);
	put(page, "</h2>");
	open_picture(page, id);
	put_axes(page, &plot);
	str_format(line, sizeof(line), "fill=\"none\" stroke-width=\"2\" stroke=\"%s\"",
		memory_container_colour(which));
	put_line(page, &plot, which, false, line);
	put_line(page, &plot, which, true, "class=\"set\"");
	put_limit(page, &plot, limit < NO_LIMIT ? limit : 0, "limit");
	put_kills(page, &plot, id);
	put(page,
		"</svg><p><i style=\"background:%s\"></i>usage, page cache included "
		"<i style=\"background:#f97316\"></i>working set</p>",
		memory_container_colour(which));
}

static void put_kill_list(struct page *page)
{
	const struct memory_history *history = page->history;

	put(page, "<h2>OOM kills</h2>");
	if (history->kill_count == 0)
		put(page, "<p>None that the agent knows of.</p>");
	put(page, "<table>");
	for (size_t i = 0; i < history->kill_count; i++) {
		put(page, "<tr><td>%zu</td><td class=\"w\">", i + 1);
		put_clock(page, history->kills[i].time_nano);
		put(page, "</td><td class=\"w\">");
		put_escaped(page, history->kills[i].sentence);
		if (history->kills[i].kills > 1)
			put(page, "; %" PRIu64 " processes at once", history->kills[i].kills);
		put(page, "</td></tr>");
	}
	put(page, "</table>");
	if (history->kills_dropped)
		put(page, "<p>%" PRIu64 " more are not shown.</p>", history->kills_dropped);
}

int memory_page(const struct memory_history *history, const char *address, struct buffer *out)
{
	struct page page = {.history = history, .out = out};

	if (history->count == 0)
		return -ENODATA;
	put(&page, "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Memory of ");
	put_escaped(&page, address);
	put(&page, "</title><style>");
	put_text(&page, style);
	put(&page, "</style><h1>Memory of ");
	put_escaped(&page, address);
	put(&page, "</h1><p>");
	put_clock(&page, first(&page)->time_nano);
	put(&page, " to ");
	put_clock(&page, last(&page)->time_nano);
	put(&page, ", %zu looks at it.</p>\n", history->count);
	put_guest(&page);
	for (size_t i = 0; i < history->containers; i++)
		put_container(&page, i);
	put_kill_list(&page);
	put(&page, "</html>\n");
	return page.r;
}
