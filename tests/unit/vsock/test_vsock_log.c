/* vsock_log: some records a minute, and how many were left out. */
#include <stdio.h>
#include <string.h>

#include "lib/test_main.h"
#include "vsock/vsock_log.h"

static unsigned records;
static char last[LOG_RECORD_MAX + 1];

static void keep(const char *record, size_t len, void *context)
{
	records++;
	memcpy(last, record, len);
	last[len] = '\0';
}

static void a_minute_later(struct vsock_log *log)
{
	log->since_ns -= 61000000000ull;
}

static void some_of_a_minute(void **state)
{
	struct vsock_log log = {0};

	records = 0;
	log_set_sink(keep, NULL);
	for (unsigned i = 0; i < VSOCK_LOG_PER_MINUTE; i++)
		vsock_log_say(&log, LOG_ERROR, "it complains");
	assert_int_equal(records, VSOCK_LOG_PER_MINUTE);
	assert_null(strstr(last, "left-out"));
	for (unsigned i = 0; i < 1000; i++)
		vsock_log_say(&log, LOG_ERROR, "it complains");
	assert_int_equal(records, VSOCK_LOG_PER_MINUTE);
	a_minute_later(&log);
	vsock_log_say(&log, LOG_ERROR, "again");
	assert_int_equal(records, VSOCK_LOG_PER_MINUTE + 1);
	assert_non_null(strstr(last, "\"again\""));
	assert_non_null(strstr(last, "\"left-out\":\"1000\""));
	/* told once */
	vsock_log_say(&log, LOG_ERROR, "and again");
	assert_null(strstr(last, "left-out"));
	vsock_log_end(&log);
	assert_int_equal(records, VSOCK_LOG_PER_MINUTE + 2);
	log_set_sink(NULL, NULL);
}

/* Nobody complains any more, and the number is told all the same. */
static void the_end_tells(void **state)
{
	struct vsock_log log = {0};

	records = 0;
	log_set_sink(keep, NULL);
	for (unsigned i = 0; i < VSOCK_LOG_PER_MINUTE + 7; i++)
		vsock_log_say(&log, LOG_WARN, "it complains");
	vsock_log_end(&log);
	assert_int_equal(records, VSOCK_LOG_PER_MINUTE + 1);
	assert_non_null(strstr(last, "\"left-out\":\"7\""));
	log_set_sink(NULL, NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(some_of_a_minute),
	cmocka_unit_test(the_end_tells),
};

TEST_MAIN(tests)
