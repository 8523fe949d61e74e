/* resident: what is freed goes back, locked or not; what stays is locked. */
#include "base/resident.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "lib/test_main.h"

#define PIECES 4096
#define PIECE  4000
#if defined(__SANITIZE_ADDRESS__) /* keeps what is freed, and makes mlockall() do nothing */
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

static long status_kib(const char *name)
{
	char text[8192], *line;

	assert_true(file_read("/proc/self/status", text, sizeof(text)) > 0);
	line = strstr(text, name);
	assert_non_null(line);
	return strtol(line + strlen(name), NULL, 10);
}

/* 16 MiB in pieces, of which the last stays: the heap cannot shrink from its end. */
static void *fill_and_free(void)
{
	void *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = malloc(PIECE);
		assert_non_null(pieces[i]);
		memset(pieces[i], 1, PIECE);
	}
	for (size_t i = 0; i < PIECES - 1; i++)
		free(pieces[i]);
	return pieces[PIECES - 1];
}

static void a_locked_heap_is_given_back(void **state)
{
	_cleanup_free_ void *last = NULL;
	long before, after;

	assert_int_equal(resident_lock(), 0);
	last = fill_and_free();
	before = status_kib("VmRSS:");
	resident_trim();
	after = status_kib("VmRSS:");
	if (!UNDER_ASAN && after > before - 12 * 1024)
		fail_msg("%ld KiB resident, after the trim %ld", before, after);
	assert_true(UNDER_ASAN || status_kib("VmLck:") > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_locked_heap_is_given_back),
};
TEST_MAIN(tests)
