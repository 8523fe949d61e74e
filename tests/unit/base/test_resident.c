/* resident: what is freed goes back, locked or not, and so does a deep stack; what stays is locked;
 * what only the start
 * needed of the program goes. */
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

static long proc_kib(const char *path, const char *name)
{
	char text[8192], *line;

	assert_true(file_read(path, text, sizeof(text)) > 0);
	line = strstr(text, name);
	assert_non_null(line);
	return strtol(line + strlen(name), NULL, 10);
}

static long status_kib(const char *name)
{
	return proc_kib("/proc/self/status", name);
}

/* Counted page by page; status has what each CPU has told so far. */
static long mapped_kib(void)
{
	return proc_kib("/proc/self/smaps_rollup", "Rss:");
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

#define DEEP (512 * 1024)

static __attribute__((noinline)) void go_deep(void)
{
	volatile char depth[DEEP];

	for (size_t i = 0; i < sizeof(depth); i += 1024)
		depth[i] = 1;
}

/* Runs with what the test before has locked. */
static void a_deep_stack_is_given_back(void **state)
{
	volatile char here[64] = {1, 2, 3};
	long before, after;

	go_deep();
	before = mapped_kib();
	resident_trim();
	after = mapped_kib();
	if (after > before - DEEP / 1024 + 64)
		fail_msg("%ld KiB mapped, after the trim %ld", before, after);
	assert_true(here[0] == 1 && here[1] == 2 && here[2] == 3);
}

/* Part of the program, in its file. */
static const char constants[1 << 20] = {1, 2, 3};

static unsigned sum_of_constants(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(constants); i++)
		sum += *(const volatile char *)&constants[i];
	return sum;
}

/* Unmapped, and there again when it is used. */
static void the_program_is_forgotten(void **state)
{
	long before, after;

	assert_int_equal(sum_of_constants(), 6);
	before = mapped_kib();
	resident_forget_text();
	after = mapped_kib();
	if (after > before - 800)
		fail_msg("%ld KiB mapped, after it %ld", before, after);
	assert_int_equal(sum_of_constants(), 6);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_program_is_forgotten),
	cmocka_unit_test(a_locked_heap_is_given_back),
	cmocka_unit_test(a_deep_stack_is_given_back),
};
TEST_MAIN(tests)
