/* container.c: the state table, printed as documentation, and the pure rules on ids. */
#include "sandbox/container.h"

#include <stdio.h>
#include <string.h>

#include "hard_limits.h"
#include "lib/test_main.h"

static const char *const verbs[] = {
	"start", "exec", "signal", "remove", "pause", "resume", "update"};

static void test_state_table(void **state)
{
	/* what container.h promises, typed again: rows are states, columns verbs */
	static const char *const expected[CONTAINER_STATE_COUNT] = {
		"---r---", "sxgrp-u", "-xgrp-u", "--gr-zu", "--gr---", "--gr---"};

	printf("# %-10s", "state");
	for (size_t v = 0; v < CONTAINER_VERB_COUNT; v++)
		printf(" %-7s", verbs[v]);
	printf("\n");
	for (size_t s = 0; s < CONTAINER_STATE_COUNT; s++) {
		char row[CONTAINER_VERB_COUNT + 1] = "-------";

		printf("# %-10s", container_state_name((enum container_state)s));
		for (size_t v = 0; v < CONTAINER_VERB_COUNT; v++) {
			bool yes =
				container_allows((enum container_state)s, (enum container_verb)v);

			printf(" %-7s", yes ? "yes" : "-");
			if (yes)
				row[v] = "sxgrpzu"[v];
		}
		printf("\n");
		assert_string_equal(row, expected[s]);
	}
	assert_false(container_allows(CONTAINER_STATE_COUNT, CONTAINER_START));
}

static void test_ids(void **state)
{
	char longest[CONTAINER_ID_MAX + 1];

	assert_true(container_id_valid("ab"));
	assert_true(container_id_valid("0a.b-c_d"));
	assert_false(container_id_valid(""));
	assert_false(container_id_valid("a"));
	assert_false(container_id_valid("-a"));
	assert_false(container_id_valid("_a"));
	assert_false(container_id_valid("a/b"));
	assert_false(container_id_valid("a\xc3\xa4"));
	memset(longest, 'a', sizeof(longest));
	longest[CONTAINER_ID_MAX - 1] = '\0';
	assert_true(container_id_valid(longest));
	longest[CONTAINER_ID_MAX - 1] = 'a';
	longest[CONTAINER_ID_MAX] = '\0';
	assert_false(container_id_valid(longest));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_state_table),
	cmocka_unit_test(test_ids),
};
TEST_MAIN(tests)
