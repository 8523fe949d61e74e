/* bench_page: see bench_page.h. The look is stats/page_style.h's. */
#include "bench/bench_page.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "bench/bench_rows.h"
#include "stats/page_style.h"

/* The drawing's own units: the browser scales them. */
#define WIDTH	960
#define LEFT	430.0
#define RIGHT	860.0
#define ROW	24.0
#define TOP	8.0
#define FOOT	26.0
#define LINES	6
#define DOTS	160    /* of a row's samples, at most */
#define LOWEST	0.0625 /* of the ratios' scale, which is logarithmic */
#define HIGHEST 32.0

static const char *const titles[BENCH_GROUPS] = {
	[GROUP_CONTAINER] = "A container that runs true, from create to removal",
	[GROUP_STEPS] = "Where the agent's time for it goes",
	[GROUP_EXEC] = "Exec to exit",
	[GROUP_STATS] = "StatsContainer beside bare reads of the same files",
	[GROUP_TRIPS] = "Round trips",
	[GROUP_OOM] = "From an OOM kill to those who are told",
	[GROUP_TRANSFER] = "Bulk output of 64 MiB",
	[GROUP_BOOT] = "Boot and end of the VM",
	[GROUP_COUNTS] = "Counts",
	[GROUP_MEMORY] = "What the agent weighs",
};

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++)
		if (strchr("&<>\"", *text))
			fprintf(out, "&#%d;", *text);
		else
			fputc(*text, out);
}

static void put_label(FILE *out, double y, const char *text, bool ours)
{
	fprintf(out, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\"%s>", LEFT - 10, y + 4,
		ours ? " style=\"font-weight:bold\"" : "");
	put_escaped(out, text);
	fprintf(out, "</text>");
}

static void open_picture(FILE *out, size_t rows, const char *what)
{
	fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", WIDTH,
		TOP + ROW * (double)rows + FOOT);
	put_escaped(out, what);
	fprintf(out, "\">");
}

static void put_upright(FILE *out, const char *class, double x, double from, double to)
{
	fprintf(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", class,
		x, x, from, to);
}

/* ---- ratios ---------------------------------------------------------------------------------- */

static double ratio_x(double value)
{
	if (value < LOWEST)
		value = LOWEST;
	if (value > HIGHEST)
		value = HIGHEST;
	return LEFT + (RIGHT - LEFT) * log2(value / LOWEST) / log2(HIGHEST / LOWEST);
}

static bool met(const struct row_ratio *r)
{
	return r->more ? r->value >= r->aim : r->value <= r->aim;
}

static void put_ratio(FILE *out, const struct row_ratio *r, double y)
{
	const char *class = r->aim <= 0 ? "plain" : met(r) ? "met" : "missed";
	double x = ratio_x(r->value), one = ratio_x(1);

	put_label(out, y, r->what, r->aim > 0);
	fprintf(out, "<g><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"12\"/>",
		class, x < one ? x : one, y - 6, fabs(x - one));
	if (r->aim > 0)
		put_upright(out, "aim", ratio_x(r->aim), y - 9, y + 9);
	fprintf(out, "<text x=\"%.0f\" y=\"%.1f\">%.2f", RIGHT + 8, y + 4, r->value);
	if (r->aim > 0)
		fprintf(out, " (%s %.1f)", r->more ? "&#8805;" : "&#8804;", r->aim);
	fprintf(out, "</text></g>\n");
}

static void put_ratios(FILE *out)
{
	struct row_ratio ratio;
	size_t count = 0, shown = 0;
	double end;

	for (size_t i = 0; i < row_ratios(); i++)
		count += row_ratio(i, &ratio);
	if (count == 0)
		return;
	end = TOP + ROW * (double)count;
	fprintf(out, "<h2>Ratios of medians</h2><p>Ours over the other's, each doubling the same "
		     "way; the mark is the aim, green where it is met.</p>");
	open_picture(out, count, "Ratios of medians");
	for (double at = LOWEST; at <= HIGHEST; at *= 2) {
		put_upright(out, "grid", ratio_x(at), TOP, end);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>",
			ratio_x(at), end + 16, at);
	}
	for (size_t i = 0; i < row_ratios(); i++)
		if (row_ratio(i, &ratio))
			put_ratio(out, &ratio, TOP + ROW * ((double)shown++ + 0.5));
	fprintf(out, "</svg>\n");
}

/* ---- figures --------------------------------------------------------------------------------- */

/* A step of 1, 2 or 5 times a power of ten, so that about LINES of them reach top. */
static double step_for(double top)
{
	static const double steps[] = {2, 5, 10};
	double step = pow(10, floor(log10(top / LINES)));
	double first = step;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && top / step > LINES; i++)
		step = first * steps[i];
	return step;
}

static double figure_x(double value, double top)
{
	return LEFT + (RIGHT - LEFT) * (value < top ? value / top : 1);
}

static void put_dots(FILE *out, const struct row_figure *f, double y, double top)
{
	size_t each = f->count / DOTS + 1;

	for (size_t i = 0; i < f->count; i += each)
		fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"1.6\"/>",
			figure_x(f->samples[i] / f->scale, top), y + (double)(i % 5) - 2);
}

/* Bar to the median, thick line from the tenth to the ninetieth hundredth, a dot a sample. */
static void put_figure(FILE *out, const struct row_figure *f, double y, double top)
{
	put_label(out, y, f->what, f->aim > 0);
	fprintf(out,
		"<g><title>%zu samples, %.2f to %.2f %s</title><rect class=\"plain\" x=\"%.0f\" "
		"y=\"%.1f\" width=\"%.1f\" height=\"12\"/>",
		f->count, f->low, f->high, f->unit, LEFT, y - 6, figure_x(f->median, top) - LEFT);
	put_dots(out, f, y, top);
	if (f->count > 1)
		fprintf(out,
			"<line class=\"spread\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			figure_x(f->p10, top), figure_x(f->p90, top), y, y);
	if (f->aim > 0 && f->aim <= top)
		put_upright(out, "aim", figure_x(f->aim, top), y - 9, y + 9);
	fprintf(out, "<text x=\"%.0f\" y=\"%.1f\">%.2f %s</text></g>\n", RIGHT + 8, y + 4,
		f->median, f->unit);
}

/* Rows of one group that have one unit; how many. *top: the highest value that matters. */
static size_t count_rows(enum bench_group group, const char *unit, double *top)
{
	struct row_figure f;
	size_t count = 0;

	*top = 0;
	for (int i = 0; i < BENCH_ROWS; i++) {
		if (!row_figure((enum bench_row)i, &f) || f.group != group || !str_eq(f.unit, unit))
			continue;
		*top = fmax(*top, fmax(f.p90, f.median) * 1.05);
		count++;
	}
	return count;
}

static void put_group(FILE *out, enum bench_group group, const char *unit)
{
	struct row_figure f;
	size_t count, shown = 0;
	double top, end, step;

	count = count_rows(group, unit, &top);
	if (count == 0 || top <= 0)
		return;
	end = TOP + ROW * (double)count;
	step = step_for(top);
	fprintf(out, "<h2>%s</h2>", titles[group]);
	open_picture(out, count, titles[group]);
	for (double at = 0; at <= top; at += step) {
		put_upright(out, "grid", figure_x(at, top), TOP, end);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g %s</text>",
			figure_x(at, top), end + 16, at, unit);
	}
	for (int i = 0; i < BENCH_ROWS; i++)
		if (row_figure((enum bench_row)i, &f) && f.group == group && str_eq(f.unit, unit))
			put_figure(out, &f, TOP + ROW * ((double)shown++ + 0.5), top);
	fprintf(out, "</svg>\n");
}

static void put_table(FILE *out)
{
	struct row_figure f;

	fprintf(out, "<h2>All figures</h2><table><tr><th></th><th>median</th><th>10 %%</th><th>90 "
		     "%%</th><th>samples</th></tr>\n");
	for (int i = 0; i < BENCH_ROWS; i++) {
		if (!row_figure((enum bench_row)i, &f))
			continue;
		fprintf(out, "<tr><td>");
		put_escaped(out, f.what);
		fprintf(out, "</td><td>%.2f %s</td><td>%.2f</td><td>%.2f</td><td>%zu</td></tr>\n",
			f.median, f.unit, f.p10, f.p90, f.count);
	}
	fprintf(out, "</table>\n");
}

void bench_page(FILE *out, const char *machine)
{
	static const char *const units[] = {"ms", "MiB/s", "", "KiB"};
	time_t now = time(NULL);
	char date[32] = "";
	struct tm local;

	if (localtime_r(&now, &local))
		strftime(date, sizeof(date), "%F %H:%M", &local);
	fputs("<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cradle's "
	      "bench</title>"
	      "<style>" PAGE_STYLE ".plain{fill:#60a5fa}.met{fill:#22c55e}.missed{fill:#f59e0b}"
	      ".aim{stroke:#dc2626;stroke-width:2}.spread{stroke:#1d4ed8;stroke-width:3}"
	      "circle{fill:currentColor;fill-opacity:.45}</style><h1>Cradle's bench</h1><p>",
		out);
	put_escaped(out, machine);
	fprintf(out,
		"; %s. One guest, one run: compare by ratios. Bars end at the median, the line on "
		"them goes from 10 %% to 90 %% of the samples, a dot is a sample, a red mark an "
		"aim.</p>\n",
		date);
	put_ratios(out);
	for (int group = 0; group < BENCH_GROUPS; group++)
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			put_group(out, (enum bench_group)group, units[i]);
	put_table(out);
	fprintf(out, "</html>\n");
}
