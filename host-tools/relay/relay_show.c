/* relay_show: a trace of relay_trace.c as a table for people. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "call/json_text.h"
#include "relay/relay_trace.h"
#include "ttrpc/status.h"

static const char *text_of(struct json_object *line, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(line, key, &value) ||
		!json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

/* -1 when it is not there. */
static int64_t number_of(struct json_object *line, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(line, key, &value) ||
		!json_object_is_type(value, json_type_int))
		return -1;
	return json_object_get_int64(value);
}

static void print_time(struct json_object *line, FILE *to)
{
	struct json_object *value;
	double seconds =
		json_object_object_get_ex(line, "time", &value) ? json_object_get_double(value) : 0;
	struct tm tm;
	time_t whole;

	/* Years that localtime knows; anything else is no time of ours. */
	if (!(seconds >= 0 && seconds < 1e11))
		seconds = 0;
	whole = (time_t)seconds;
	localtime_r(&whole, &tm);
	fprintf(to, "%02d:%02d:%02d.%06d  ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(int)((seconds - (double)whole) * 1e6));
}

/* A file may come from anywhere: nothing of it reaches the terminal but what can be seen. */
static void print_method(const char *method, FILE *to)
{
	for (; *method; method++)
		fputc(*method >= ' ' && *method <= '~' ? *method : '?', to);
}

static void print_line(struct json_object *line, FILE *to)
{
	int64_t latency = number_of(line, "latency_us"), status = number_of(line, "status");
	bool response = str_eq(text_of(line, "kind"), "response");

	print_time(line, to);
	fprintf(to, "%4lld %6lld %s %8lld  ", (long long)number_of(line, "connection"),
		(long long)number_of(line, "stream"),
		str_eq(text_of(line, "direction"), "to-agent") ? "->" : "<-",
		(long long)number_of(line, "bytes"));
	if (latency >= 0)
		fprintf(to, "%10.3f ms  ", (double)latency / 1000);
	else
		fprintf(to, "%10s     ", "");
	fprintf(to, "%-17s  ",
		response ? status == -1 ? "?" : status_name((int)status) : text_of(line, "kind"));
	print_method(text_of(line, "method"), to);
	fputc('\n', to);
}

int relay_show(FILE *trace, FILE *to, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	unsigned long number = 0;
	size_t room = 0;
	ssize_t len;

	fprintf(to, "%-15s  %4s %6s    %8s  %13s  %-17s  %s\n", "TIME", "CONN", "STREAM", "BYTES",
		"LATENCY", "STATUS", "METHOD");
	while ((len = getline(&text, &room, trace)) >= 0) {
		struct json_object *line;

		number++;
		line = len <= 4096 ? json_text_parse(text, (size_t)len, err) : NULL;
		if (!line) {
			if (len > 4096)
				error_invalid(err, "longer than any line of a trace");
			return error_prefix(err, "line %lu: ", number);
		}
		print_line(line, to);
		json_object_put(line);
	}
	return ferror(trace) ? error_errno(err, EIO, "read the trace") : 0;
}
