/* stall_guard: see stall_guard.h. Called by sandbox/container_stall. */
#include "memory/stall_guard.h"

#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/strings.h"

#define WINDOW_US	1000000u
#define NS_PER_US	1000u
#define DEFAULT_PERCENT 80
#define DEFAULT_SECONDS 10
#define SECONDS_MAX	3600

/* "12,rest" or "12": the number, *at behind it and its comma (NULL: that was all). */
static bool next_number(const char **at, uint32_t max, uint32_t *ret)
{
	char word[16];
	size_t len;

	if (!*at)
		return true;
	len = strcspn(*at, ",");
	if (len >= sizeof(word))
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at = (*at)[len] == ',' ? *at + len + 1 : NULL;
	return parse_u32(word, ret) == 0 && *ret >= 1 && *ret <= max;
}

bool stall_options_parse(const char *text, struct stall_options *ret)
{
	static const char *const words[] = {
		[STALL_OFF] = "off", [STALL_REPORT] = "report", [STALL_KILL] = "kill"};
	struct stall_options o = {.percent = DEFAULT_PERCENT, .seconds = DEFAULT_SECONDS};
	const size_t len = strcspn(text, ",");
	const char *at = text[len] == ',' ? text + len + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) != len || strncmp(text, words[i], len) != 0)
			continue;
		o.mode = (enum stall_mode)i;
		if (!next_number(&at, 100, &o.percent) ||
			!next_number(&at, SECONDS_MAX, &o.seconds) || at)
			return false;
		*ret = o;
		return true;
	}
	return false;
}

uint64_t stall_clock_tick(struct stall_clock *clock, uint64_t now_ns)
{
	const uint64_t window = (uint64_t)WINDOW_US * NS_PER_US;

	/* told at most once a window; the kernel looks ten times in it, and may be late */
	if (!clock->last_ns || now_ns - clock->last_ns > 2 * window)
		clock->since_ns = now_ns > window ? now_ns - window : 0;
	clock->last_ns = now_ns;
	return now_ns - clock->since_ns;
}

static void on_pressure(struct pressure_watch *watch, bool gone)
{
	struct stall_guard *guard = container_of(watch, struct stall_guard, watch);

	if (gone) {
		stall_guard_stop(guard);
		return;
	}
	if (stall_clock_tick(&guard->clock, event_loop_now_ns()) <
		guard->options.seconds * 1000000000ull)
		return;
	memset(&guard->clock, 0, sizeof(guard->clock));
	guard->stalled(guard);
}

static void say_why_not(const struct error *err)
{
	static bool said;
	char text[ERROR_RENDER_MAX];

	if (!said)
		log_record(LOG_WARN, "memory", "the stall guard is off", "error",
			error_render(err, text, sizeof(text)), NULL);
	said = true;
}

void stall_guard_start(struct event_loop *loop, struct stall_guard *guard, const char *dir,
	const struct stall_options *options, void (*stalled)(struct stall_guard *guard))
{
	const struct pressure_bound bound = {.full = true,
		.stall_us = WINDOW_US / 100 * options->percent,
		.window_us = WINDOW_US};
	struct error err = ERROR_INIT;
	char path[PATH_MAX];

	memset(guard, 0, sizeof(*guard));
	if (options->mode == STALL_OFF)
		return;
	guard->options = *options;
	guard->stalled = stalled;
	if (path_join(path, sizeof(path), dir, PRESSURE_FILE) < 0)
		return;
	if (pressure_watch_start(loop, &guard->watch, path, &bound, on_pressure, &err) < 0)
		say_why_not(&err);
}

void stall_guard_stop(struct stall_guard *guard)
{
	pressure_watch_stop(&guard->watch);
}
