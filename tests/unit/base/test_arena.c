/* Tests agent/base/arena.c. */
#include "base/arena.h"

#include <string.h>

#include "lib/test_main.h"

static void test_alignment_and_content(void **state)
{
	struct arena arena;
	char *previous = NULL;

	arena_init(&arena, 1 << 20);
	for (size_t size = 0; size < 200; size++) {
		char *p = arena_alloc(&arena, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_ptr_not_equal(p, previous);
		memset(p, 0xaa, size);
		previous = p;
	}
	assert_string_equal(arena_strdup(&arena, "text"), "text");
	assert_string_equal(arena_strndup(&arena, "text", 2), "te");
	assert_string_equal(arena_strndup(&arena, "text", 20), "text");
	assert_string_equal(arena_printf(&arena, "%s-%d", "a", 7), "a-7");
	assert_memory_equal(arena_memdup(&arena, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_memdup(&arena, NULL, 0));
	arena_release(&arena);
}

static void test_calloc_checked(void **state)
{
	struct arena arena;
	unsigned char *p;

	arena_init(&arena, 1 << 20);
	memset(arena_alloc(&arena, 512), 0xff, 512);
	p = arena_calloc(&arena, 10, 100);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_null(arena_calloc(&arena, SIZE_MAX, 1));
	arena_release(&arena);
}

static void test_budget(void **state)
{
	struct arena arena;
	size_t got = 0;

	arena_init(&arena, 64 * 1024);
	while (arena_alloc(&arena, 1000))
		got += 1000;
	assert_true(arena.used <= arena.budget);
	/* Headers and rounding take little of it. */
	assert_true(got > 60 * 1000);
	assert_null(arena_alloc(&arena, 64 * 1024));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 16));
	arena_release(&arena);
	assert_int_equal(arena.used, 0);
	assert_non_null(arena_alloc(&arena, 1000));
	arena_release(&arena);
}

/* Large and small ones mixed: the room of the chunk in use is not lost to each large one. */
static void test_large_keeps_small_room(void **state)
{
	struct arena arena;

	arena_init(&arena, 10 * 1024 * 1024);
	for (int i = 0; i < 100; i++) {
		size_t before;

		assert_non_null(arena_alloc(&arena, 64 * 1024));
		before = arena.used;
		assert_non_null(arena_alloc(&arena, 16));
		assert_true(arena.used - before <= 32 * 1024);
	}
	assert_true(arena.used < 100 * 64 * 1024 + 128 * 1024);
	arena_release(&arena);
}

static void test_tiny_budget(void **state)
{
	struct arena arena;

	arena_init(&arena, 10);
	assert_null(arena_alloc(&arena, 1));
	arena_init(&arena, 0);
	assert_null(arena_alloc(&arena, 0));
	arena_release(&arena);
}

static void test_move(void **state)
{
	struct arena a, b = {0};
	char *text;

	arena_init(&a, 4096);
	text = arena_strdup(&a, "stays");
	arena_move(&b, &a);
	assert_null(a.chunks);
	assert_int_equal(a.used, 0);
	arena_release(&a);
	assert_string_equal(text, "stays");
	assert_int_equal(b.budget, 4096);
	arena_release(&b);
	b = (struct arena){0};
	arena_release(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_alignment_and_content),
	cmocka_unit_test(test_calloc_checked),
	cmocka_unit_test(test_budget),
	cmocka_unit_test(test_large_keeps_small_room),
	cmocka_unit_test(test_tiny_budget),
	cmocka_unit_test(test_move),
};
TEST_MAIN(tests)
