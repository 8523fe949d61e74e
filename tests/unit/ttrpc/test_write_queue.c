/* Tests of agent/ttrpc/write_queue.c: order, pieces, fates, the budget. */
#include "lib/test_main.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "ttrpc/write_queue.h"

static struct connection_budget budget;
static struct write_queue queue;
static char fates[64];
static bool gone;

/* Notes "1+" for a delivered frame 1, "1-" for a lost one. */
static void note(void *context, bool delivered)
{
	size_t len = strlen(fates);

	fates[len] = *(const char *)context;
	fates[len + 1] = delivered ? '+' : '-';
}

static void note_and_go(void *context, bool delivered)
{
	note(context, delivered);
	gone = true;
}

static void note_and_add(void *context, bool delivered)
{
	struct buffer frame;

	note(context, delivered);
	buffer_init(&frame, 0);
	assert_int_equal(buffer_append(&frame, "late", 4), 0);
	assert_int_equal(write_queue_add(&queue, &frame, note, (void *)"L"), 0);
	write_queue_advance(&queue, 4);
}

static void add(const char *text, connection_sent_fn done, const char *name)
{
	struct buffer frame;

	buffer_init(&frame, 0);
	assert_int_equal(buffer_append(&frame, text, strlen(text)), 0);
	assert_int_equal(write_queue_add(&queue, &frame, done, (void *)name), 0);
	assert_null(frame.data);
}

static int set_up(void **state)
{
	budget = (struct connection_budget){.max = 100};
	memset(fates, 0, sizeof(fates));
	gone = false;
	write_queue_init(&queue, &budget);
	return 0;
}

static int tear_down(void **state)
{
	gone = false;
	write_queue_abandon(&queue);
	while (!write_queue_empty(&queue))
		write_queue_tell(&queue, &gone);
	assert_int_equal(budget.used, 0);
	assert_int_equal(queue.bytes, 0);
	return 0;
}

/* What the socket would get, in the pieces it takes. */
static void bytes_leave_in_order_whatever_the_pieces(void **state)
{
	for (size_t max = 1; max <= 12; max++)
		for (size_t n = 1; n <= 4; n++) {
			char out[32] = "";

			add("abc", NULL, NULL);
			add("d", NULL, NULL);
			add("efghij", NULL, NULL);
			while (queue.bytes > 0) {
				struct iovec iov[4];
				size_t count = write_queue_gather(&queue, iov, n, max), sent = 0;

				assert_true(count >= 1 && count <= n);
				for (size_t i = 0; i < count; i++) {
					strncat(out, iov[i].iov_base, iov[i].iov_len);
					sent += iov[i].iov_len;
				}
				assert_true(sent <= max);
				write_queue_advance(&queue, sent);
			}
			assert_string_equal(out, "abcdefghij");
			assert_int_equal(budget.used, 0);
		}
}

static void a_frame_is_delivered_with_its_last_byte(void **state)
{
	add("abc", note, "1");
	add("de", note, "2");
	add("f", note, "3");
	assert_int_equal(budget.used, 6);
	write_queue_advance(&queue, 2);
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "");
	write_queue_advance(&queue, 2);
	assert_string_equal(fates, "");
	assert_false(write_queue_empty(&queue));
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "1+");
	write_queue_abandon(&queue);
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "1+2-3-");
	assert_true(write_queue_empty(&queue));
}

static void telling_stops_when_the_queue_is_gone(void **state)
{
	add("a", note, "1");
	add("b", note_and_go, "2");
	add("c", note, "3");
	write_queue_advance(&queue, 3);
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "1+2+");
}

static void what_is_queued_while_telling_is_told_later(void **state)
{
	add("a", note_and_add, "1");
	write_queue_advance(&queue, 1);
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "1+");
	write_queue_tell(&queue, &gone);
	assert_string_equal(fates, "1+L+");
}

static void the_budget_is_exact(void **state)
{
	assert_true(budget_has(&budget, 100));
	assert_false(budget_has(&budget, 101));
	budget.used = 60;
	assert_true(budget_has(&budget, 40));
	assert_false(budget_has(&budget, 41));
	assert_false(budget_has(&budget, SIZE_MAX));
	budget.used = 140; /* by answers that are due whatever it says */
	assert_false(budget_has(&budget, 0));
	budget.used = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(bytes_leave_in_order_whatever_the_pieces),
	TEST(a_frame_is_delivered_with_its_last_byte),
	TEST(telling_stops_when_the_queue_is_gone),
	TEST(what_is_queued_while_telling_is_told_later),
	TEST(the_budget_is_exact),
};
TEST_MAIN(tests)
