/* Tests agent/base/log.c, with a small JSON reader of its own as the judge. */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/strings.h"
#include "lib/test_main.h"

static char last[2 * LOG_RECORD_MAX];
static size_t last_len;
static int records;

static void keep(const char *record, size_t len, void *context)
{
	assert_ptr_equal(context, &records);
	assert_true(len <= LOG_RECORD_MAX);
	memcpy(last, record, len);
	last[len] = '\0';
	last_len = len;
	records++;
}

static int setup(void **state)
{
	records = 0;
	log_set_sink(keep, &records);
	log_set_level(LOG_INFO);
	log_set_name("kata-agent", "agent");
	return 0;
}

/* Reads a JSON string at *at into out; fails the test when it is not one. */
static void read_string(const char **at, char *out)
{
	const char *p = *at;

	assert_int_equal(*p++, '"');
	while (*p != '"') {
		assert_true((unsigned char)*p >= 0x20);
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		p++;
		if (*p == 'u') {
			char hex[5] = {p[1], p[2], p[3], p[4]};
			long code = strtol(hex, NULL, 16);

			assert_true(code < 0x80);
			*out++ = (char)code;
			p += 5;
			continue;
		}
		assert_non_null(memchr("\"\\/bfnrt", *p, 8));
		switch (*p) {
		case 'n':
			*out++ = '\n';
			break;
		case 't':
			*out++ = '\t';
			break;
		case 'r':
			*out++ = '\r';
			break;
		case 'b':
			*out++ = '\b';
			break;
		case 'f':
			*out++ = '\f';
			break;
		default:
			*out++ = *p;
		}
		p++;
	}
	*out = '\0';
	*at = p + 1;
}

/* Checks the whole record; the value of key in value, or "(none)". */
static const char *field(const char *key, char *value)
{
	static char name[LOG_RECORD_MAX], text[LOG_RECORD_MAX];
	const char *at = last;

	strcpy(value, "(none)");
	assert_true(utf8_valid(last, last_len));
	assert_int_equal(*at++, '{');
	for (;;) {
		read_string(&at, name);
		assert_int_equal(*at++, ':');
		read_string(&at, text);
		if (strcmp(name, key) == 0)
			strcpy(value, text);
		if (*at == '}')
			break;
		assert_int_equal(*at++, ',');
	}
	assert_string_equal(at, "}\n");
	return value;
}

static char value[LOG_RECORD_MAX];

static void test_fields(void **state)
{
	char pid[16];

	log_record(LOG_INFO, "sandbox", "container started", "container-id", "c1", "empty", NULL,
		NULL);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_string_equal(field("msg", value), "container started");
	assert_string_equal(field("level", value), "INFO");
	assert_string_equal(field("subsystem", value), "sandbox");
	assert_string_equal(field("version", value), CRADLE_VERSION);
	assert_string_equal(field("pid", value), pid);
	assert_string_equal(field("name", value), "kata-agent");
	assert_string_equal(field("source", value), "agent");
	assert_string_equal(field("container-id", value), "c1");
	assert_string_equal(field("empty", value), "");
}

/* Year, month and day against the C library's own calendar. */
static void test_time(void **state)
{
	char expect[32];
	time_t before = time(NULL);
	struct tm tm = {0};

	log_printf(LOG_INFO, "x", "y");
	field("ts", value);
	assert_int_equal(strlen(value), strlen("2026-11-24T11:26:18.123456789Z"));
	assert_int_equal(value[29], 'Z');
	if (time(NULL) / 60 != before / 60)
		before = time(NULL);
	gmtime_r(&before, &tm);
	strftime(expect, sizeof(expect), "%Y-%m-%dT%H:%M:", &tm);
	assert_memory_equal(value, expect, strlen(expect));
}

static void test_escapes(void **state)
{
	log_record(LOG_INFO, "x", "q\" b\\ n\n t\t e\x1b d\x7f", "k\"\n", "v\x01", NULL);
	assert_string_equal(field("msg", value), "q\" b\\ n\n t\t e\x1b d\x7f");
	assert_string_equal(field("k\"\n", value), "v\x01");
	assert_null(memchr(last, '\n', last_len - 1));
}

static void test_invalid_utf8(void **state)
{
	log_record(LOG_INFO, "\xff",
		"a\xc0\xaf"
		"b\xed\xa0\x80"
		"c\xe2\x82",
		NULL);
	assert_string_equal(field("msg", value), "a\xef\xbf\xbd\xef\xbf\xbd"
						 "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
						 "c\xef\xbf\xbd"
						 "\xef\xbf\xbd");
}

/* Whatever is cut where: every length of message and value gives a valid record. */
static void test_cut_stays_valid(void **state)
{
	static const char *const units[] = {
		"x", "\n", "\x01", "\xe2\x82\xac", "\xff", "\"", "\xf0\x90\x80\x80"};
	static char text[3 * LOG_RECORD_MAX];

	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		size_t unit = strlen(units[u]);

		for (size_t len = 1000; len < 4300; len += len < 2200 ? 37 : 1) {
			text[0] = '\0';
			for (size_t i = 0; i < len / unit; i++)
				memcpy(text + i * unit, units[u], unit + 1);
			log_record(LOG_INFO, "x", text, NULL);
			field("source", value);
			assert_string_equal(value, "agent");
			log_record(LOG_INFO, "x", "m", "key", text, "after", "a", NULL);
			field("key", value);
		}
	}
}

static void test_cut_is_marked(void **state)
{
	static char text[2 * LOG_RECORD_MAX];

	memset(text, 'x', sizeof(text) - 1);
	log_record(LOG_INFO, "x", text, "key", "still here", NULL);
	field("msg", value);
	assert_true(str_ends(value, "x\xe2\x80\xa6"));
	assert_string_equal(field("key", value), "still here");
	log_record(LOG_INFO, "x", "m", text, "v", "k", "v", NULL);
	assert_string_equal(field("level", value), "INFO");
	log_record(LOG_INFO, text, "m", NULL);
	assert_string_equal(field("source", value), "agent");
}

static void test_levels(void **state)
{
	log_printf(LOG_DEBUG, "x", "not wanted");
	assert_int_equal(records, 0);
	log_set_level(LOG_DEBUG);
	log_printf(LOG_DEBUG, "x", "wanted %d", 1);
	assert_int_equal(records, 1);
	assert_string_equal(field("msg", value), "wanted 1");
	assert_string_equal(field("level", value), "DEBG");
	assert_int_equal(log_level_parse("fatal"), LOG_CRIT);
	assert_int_equal(log_level_parse("critical"), LOG_CRIT);
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("warning"), LOG_WARN);
	assert_int_equal(log_level_parse("trace"), LOG_TRACE);
	assert_int_equal(log_level_parse("loud"), -EINVAL);
	assert_int_equal(log_level_parse(NULL), -EINVAL);
}

static void test_errno_survives(void **state)
{
	errno = EXDEV;
	log_printf(LOG_INFO, "x", "y");
	assert_int_equal(errno, EXDEV);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_fields, setup),
	cmocka_unit_test_setup(test_time, setup),
	cmocka_unit_test_setup(test_escapes, setup),
	cmocka_unit_test_setup(test_invalid_utf8, setup),
	cmocka_unit_test_setup(test_cut_stays_valid, setup),
	cmocka_unit_test_setup(test_cut_is_marked, setup),
	cmocka_unit_test_setup(test_levels, setup),
	cmocka_unit_test_setup(test_errno_survives, setup),
};
TEST_MAIN(tests)
