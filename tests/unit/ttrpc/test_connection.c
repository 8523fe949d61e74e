/* Tests of agent/ttrpc/connection.c: frames in and out of one socket, whatever the pieces. */
#include "lib/test_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "hard_limits.h"
#include "lib/ttrpc_peer.h"
#include "ttrpc/connection.h"

#define SEEN_MAX 64

struct fixture {
	struct event_loop *loop;
	struct connection_budget budget;
	struct ttrpc_connection connection;
	struct ttrpc_peer peer;

	struct frame_header seen[SEEN_MAX];
	uint64_t sums[SEEN_MAX]; /* of the bodies */
	unsigned count, skipped, no_memory, eofs, closes;
	unsigned delivered, undelivered;
	bool release_in_frame;
	struct error end;
};

static struct fixture *fixture_of(struct ttrpc_connection *connection)
{
	return container_of(connection, struct fixture, connection);
}

static uint64_t sum_of(const uint8_t *data, size_t len)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ data[i]) * 1099511628211u;
	return sum;
}

static enum frame_verdict on_begin(
	struct ttrpc_connection *connection, const struct frame_header *header)
{
	return header->type == FRAME_DATA ? FRAME_SKIP : FRAME_TAKE;
}

static void on_frame(
	struct ttrpc_connection *connection, const struct frame_header *header, const uint8_t *body)
{
	struct fixture *fx = fixture_of(connection);

	assert_true(fx->count < SEEN_MAX);
	fx->sums[fx->count] = sum_of(body, header->length);
	fx->seen[fx->count++] = *header;
	if (fx->release_in_frame)
		connection_release(connection);
}

static void on_skipped(
	struct ttrpc_connection *connection, const struct frame_header *header, bool no_memory)
{
	struct fixture *fx = fixture_of(connection);

	fx->skipped++;
	fx->no_memory += no_memory;
}

static void on_eof(struct ttrpc_connection *connection)
{
	fixture_of(connection)->eofs++;
}

static void on_closed(struct ttrpc_connection *connection, const struct error *err)
{
	struct fixture *fx = fixture_of(connection);

	fx->closes++;
	fx->end = *err;
}

static const struct connection_ops ops = {
	.begin = on_begin,
	.frame = on_frame,
	.skipped = on_skipped,
	.eof = on_eof,
	.closed = on_closed,
};

static void step(void *context)
{
	assert_true(event_loop_step(((struct fixture *)context)->loop, 1) >= 0);
}

static void set_up_pair(struct fixture *fx, int type)
{
	int fds[2];

	fx->loop = event_loop_new();
	fx->budget.max = 10u << 20;
	assert_return_code(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), errno);
	assert_int_equal(
		connection_init(&fx->connection, fx->loop, fds[0], &ops, &fx->budget, NULL), 0);
	peer_init(&fx->peer, fds[1], step, fx);
}

static int set_up(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	set_up_pair(fx, SOCK_STREAM);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	connection_release(&fx->connection);
	assert_int_equal(fx->budget.used, 0);
	peer_release(&fx->peer);
	event_loop_free(fx->loop);
	free(fx);
	return 0;
}

static void step_until_quiet(struct fixture *fx)
{
	while (event_loop_step(fx->loop, 0) > 0)
		continue;
}

static void make_frame(struct buffer *out, uint32_t stream_id, size_t len)
{
	struct frame_header header = {(uint32_t)len, stream_id, FRAME_REQUEST, 0};

	buffer_init(out, 0);
	assert_non_null(buffer_reserve(out, FRAME_HEADER_SIZE + len));
	frame_header_encode(&header, out->data);
	for (size_t i = 0; i < len; i++)
		out->data[FRAME_HEADER_SIZE + i] = (uint8_t)(i * 31 + stream_id);
	out->len = FRAME_HEADER_SIZE + len;
}

static void done(void *context, bool delivered)
{
	struct fixture *fx = context;

	if (delivered)
		fx->delivered++;
	else
		fx->undelivered++;
}

/* Three frames around the sizes where reading changes its way, cut at every byte of the borders. */
static void frames_arrive_whatever_the_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 70000, 3};
	struct fixture *fx = *state;
	struct buffer all;

	buffer_init(&all, 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct buffer frame;

		make_frame(&frame, (uint32_t)(2 * i + 1), sizes[i]);
		assert_int_equal(buffer_append(&all, frame.data, frame.len), 0);
		buffer_release(&frame);
	}
	for (unsigned seed = 0; seed < 40; seed++) {
		fx->count = 0;
		if (seed == 0)
			assert_true(peer_write(&fx->peer, all.data, all.len));
		else
			assert_true(peer_write_random(
				&fx->peer, all.data, all.len, seed < 20 ? 9000 : 700, seed));
		step_until_quiet(fx);
		assert_int_equal(fx->count, ARRAY_SIZE(sizes));
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct buffer frame;

			make_frame(&frame, (uint32_t)(2 * i + 1), sizes[i]);
			assert_int_equal(fx->seen[i].length, sizes[i]);
			assert_true(
				fx->sums[i] == sum_of(frame.data + FRAME_HEADER_SIZE, sizes[i]));
			buffer_release(&frame);
		}
		assert_int_equal(fx->budget.used, 0);
	}
	buffer_release(&all);
}

static void a_small_frame_may_come_byte_by_byte(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	make_frame(&frame, 5, 300);
	assert_true(peer_write_split(&fx->peer, frame.data, frame.len, 1));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 1);
	assert_true(fx->sums[0] == sum_of(frame.data + FRAME_HEADER_SIZE, 300));
	buffer_release(&frame);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	assert_true(sizeof(fx->connection) < 1200);
	make_frame(&frame, 1, 1 << 20);
	assert_true(peer_write(&fx->peer, frame.data, frame.len - 1));
	step_until_quiet(fx);
	assert_true(fx->budget.used >= (1 << 20) - 1);
	assert_true(peer_write(&fx->peer, frame.data + frame.len - 1, 1));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 1);
	assert_int_equal(fx->budget.used, 0);
	assert_null(fx->connection.body.data);
	buffer_release(&frame);
}

/* The header alone must not cost what it announces. */
static void memory_follows_the_bytes(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	make_frame(&frame, 1, FRAME_MAX);
	assert_true(peer_write(&fx->peer, frame.data, FRAME_HEADER_SIZE));
	step_until_quiet(fx);
	assert_true(fx->budget.used <= 128 << 10);
	assert_true(peer_write(&fx->peer, frame.data + FRAME_HEADER_SIZE, 100000));
	step_until_quiet(fx);
	assert_true(fx->budget.used <= 512 << 10);
	buffer_release(&frame);
}

static void skipped_frames_cost_nothing(void **state)
{
	struct fixture *fx = *state;
	struct frame_header header = {20u << 20, 4, FRAME_REQUEST, 0}; /* over FRAME_MAX */
	uint8_t bytes[FRAME_HEADER_SIZE];
	uint8_t *body = calloc(1, 1 << 20);

	frame_header_encode(&header, bytes);
	assert_true(peer_write(&fx->peer, bytes, sizeof(bytes)));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(fx->skipped, 0);
		assert_true(peer_write(&fx->peer, body, 1 << 20));
		step_until_quiet(fx);
		assert_int_equal(fx->budget.used, 0);
	}
	assert_int_equal(fx->skipped, 1);
	assert_int_equal(fx->no_memory, 0);
	assert_true(peer_send_frame(&fx->peer, 6, FRAME_DATA, 0, body, 100));
	assert_true(peer_send_frame(&fx->peer, 7, FRAME_REQUEST, 0, body, 100));
	step_until_quiet(fx);
	assert_int_equal(fx->skipped, 2);
	assert_int_equal(fx->count, 1);
	assert_int_equal(fx->seen[0].stream_id, 7);
	free(body);
}

static void without_budget_a_long_frame_is_skipped_a_short_one_taken(void **state)
{
	struct fixture *fx = *state;
	struct buffer big, small;

	fx->budget.max = 300000;
	make_frame(&big, 1, 400000);
	make_frame(&small, 3, 2000);
	assert_true(peer_write(&fx->peer, big.data, big.len - 1));
	step_until_quiet(fx);
	assert_int_equal(fx->budget.used, 0); /* given back before the frame has ended */
	assert_true(peer_write(&fx->peer, big.data + big.len - 1, 1));
	assert_true(peer_write(&fx->peer, small.data, small.len));
	step_until_quiet(fx);
	assert_int_equal(fx->skipped, 1);
	assert_int_equal(fx->no_memory, 1);
	assert_int_equal(fx->count, 1);
	assert_int_equal(fx->seen[0].stream_id, 3);
	assert_int_equal(fx->budget.used, 0);
	buffer_release(&big);
	buffer_release(&small);
}

static void writing_waits_for_the_reader(void **state)
{
	struct fixture *fx = *state;
	struct peer_frame got;
	struct buffer frame;
	size_t sent = 0;

	while (fx->connection.writes.bytes < WRITE_QUEUE_HIGH) {
		make_frame(&frame, (uint32_t)sent, 100000);
		assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
		step_until_quiet(fx);
		sent++;
	}
	/* Now it does not read either. */
	make_frame(&frame, 1, 10);
	assert_true(peer_write(&fx->peer, frame.data, frame.len));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 0);
	assert_true(fx->delivered < sent);
	for (size_t i = 0; i < sent; i++) {
		assert_true(peer_read_frame(&fx->peer, &got));
		assert_int_equal(got.header.stream_id, i);
		assert_int_equal(got.header.length, 100000);
		peer_frame_release(&got);
	}
	step_until_quiet(fx);
	assert_int_equal(fx->delivered, sent);
	assert_int_equal(fx->undelivered, 0);
	assert_int_equal(fx->count, 1);
	buffer_release(&frame);
}

static void the_write_queue_has_a_hard_end(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;
	int r;

	for (;;) {
		make_frame(&frame, 1, 1 << 20);
		r = connection_send(&fx->connection, &frame, false, done, fx);
		if (r < 0)
			break;
		assert_true(fx->connection.writes.bytes <= WRITE_QUEUE_MAX);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(frame.len, FRAME_HEADER_SIZE + (1 << 20)); /* still ours */
	buffer_release(&frame);
	make_frame(&frame, 1, 50);
	assert_int_equal(connection_send(&fx->connection, &frame, true, done, fx), 0);
}

/* done() never runs inside connection_send(), not even for a queue that is pushed out there. */
static void done_runs_from_the_loop_only(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	for (int i = 0; i < 100; i++) {
		make_frame(&frame, 1, 10000);
		assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
		assert_int_equal(fx->delivered, 0);
	}
	step_until_quiet(fx);
	assert_true(fx->delivered > 0);
}

/* A record socket keeps what one send(2) held apart. */
static void sends_are_bounded_and_coalesced(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	static uint8_t record[1 << 20];
	size_t total = 0, records = 0;
	struct buffer frame;
	ssize_t n;

	set_up_pair(fx, SOCK_SEQPACKET);
	fx->connection.send_max = VSOCK_SEND_MAX; /* c60 */
	for (int i = 0; i < 10; i++) {
		make_frame(&frame, 1, 20);
		assert_int_equal(connection_send(&fx->connection, &frame, false, NULL, NULL), 0);
	}
	make_frame(&frame, 1, 50000);
	assert_int_equal(connection_send(&fx->connection, &frame, false, NULL, NULL), 0);
	step_until_quiet(fx);
	while ((n = recv(fx->peer.fd, record, sizeof(record), MSG_DONTWAIT)) > 0) {
		assert_true(n <= VSOCK_SEND_MAX);
		total += (size_t)n;
		records++;
	}
	assert_int_equal(total, 11 * FRAME_HEADER_SIZE + 10 * 20 + 50000);
	assert_int_equal(records, (total + VSOCK_SEND_MAX - 1) / VSOCK_SEND_MAX);
	tear_down((void **)&fx);
}

static void end_of_file_comes_once_with_its_reason(void **state)
{
	struct fixture *fx = *state;

	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->eofs, 1);
	assert_int_equal(fx->closes, 1);
	assert_int_equal(fx->end.status, STATUS_UNAVAILABLE);
	assert_string_equal(fx->end.text, "the peer closed the connection");
}

static void a_cut_frame_is_named(void **state)
{
	struct fixture *fx = *state;

	assert_true(peer_write(&fx->peer, "\0\0\1\0\0\0\0\1\1\0half", 14));
	step_until_quiet(fx);
	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->count, 0);
	assert_int_equal(fx->closes, 1);
	assert_string_equal(fx->end.text, "the peer closed in the middle of a frame");
}

/* What was queued when the peer shut down its side still reaches it, then comes the end. */
static void half_close(struct fixture *fx, unsigned frames, size_t len, bool seen_at_once)
{
	struct peer_frame got;
	struct buffer frame;

	for (unsigned i = 0; i < frames; i++) {
		make_frame(&frame, 1, len);
		assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
	}
	shutdown(fx->peer.fd, SHUT_WR);
	step_until_quiet(fx);
	assert_int_equal(fx->eofs, seen_at_once);
	assert_int_equal(event_timer_running(&fx->connection.timer), seen_at_once);
	assert_int_equal(fx->closes, 0);
	for (unsigned i = 0; i < frames; i++) {
		assert_true(peer_read_frame(&fx->peer, &got));
		assert_int_equal(got.header.length, len);
		peer_frame_release(&got);
	}
	step_until_quiet(fx);
	assert_int_equal(fx->delivered, frames);
	assert_int_equal(fx->eofs, 1);
	assert_int_equal(fx->closes, 1);
}

static void a_half_closed_peer_gets_what_was_queued(void **state)
{
	half_close(*state, 8, 100000, true);
}

/* With a long queue it is not read from: the end of file is seen when the queue has room again. */
static void a_half_closed_peer_with_a_long_queue_too(void **state)
{
	half_close(*state, 8, 500000, false);
}

/* Half closed and not reading: that has an end. */
static void the_last_flush_is_bounded(void **state)
{
	struct fixture *fx = *state;
	struct event_timer *timer = &fx->connection.timer;
	struct buffer frame;

	make_frame(&frame, 1, 900000);
	assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
	assert_true(peer_write(&fx->peer, "\0\0\1\0\0\0\0\5\1\0half", 14));
	step_until_quiet(fx);
	shutdown(fx->peer.fd, SHUT_WR);
	step_until_quiet(fx);
	assert_true(timer->due_ns < event_loop_now_ns() + CLOSE_FLUSH_MS * 1000000ull);
	event_timer_stop(timer);
	timer->callback(timer);
	step_until_quiet(fx);
	assert_int_equal(fx->undelivered, 1);
	assert_int_equal(fx->closes, 1);
	assert_string_equal(fx->end.text, "the peer closed and took no answers for 5000 ms");
}

static void a_reset_peer_loses_what_was_queued(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	for (int i = 0; i < 8; i++) {
		make_frame(&frame, 1, 500000);
		assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
	}
	step_until_quiet(fx);
	close_fd(&fx->peer.fd);
	step_until_quiet(fx);
	assert_int_equal(fx->closes, 1);
	assert_int_equal(fx->delivered + fx->undelivered, 8);
	assert_true(fx->undelivered > 0);
	/* And a late answer is lost without harm. */
	make_frame(&frame, 1, 50);
	assert_int_equal(connection_send(&fx->connection, &frame, false, done, fx), 0);
	connection_release(&fx->connection);
	assert_int_equal(fx->delivered + fx->undelivered, 9);
}

/* The timer is fired by hand: nobody wants to wait a minute. */
static void a_stalled_frame_ends_the_connection(void **state)
{
	struct fixture *fx = *state;
	struct event_timer *timer = &fx->connection.timer;

	step_until_quiet(fx);
	assert_false(event_timer_running(timer));
	assert_true(peer_write(&fx->peer, "\0\0\1\0\0\0\0\5\1\0half", 14));
	step_until_quiet(fx);
	assert_true(event_timer_running(timer));
	assert_true(timer->due_ns > event_loop_now_ns() + (FRAME_STALL_MS - 5000) * 1000000ull);
	event_timer_stop(timer);
	timer->callback(timer);
	step_until_quiet(fx);
	assert_int_equal(fx->closes, 1);
	assert_string_equal(fx->end.text,
		"the peer stopped in the middle of a frame (stream 5, 252 bytes missing)");
}

static void a_complete_frame_stops_the_stall_timer(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	make_frame(&frame, 1, 100);
	assert_true(peer_write(&fx->peer, frame.data, 50));
	step_until_quiet(fx);
	assert_true(event_timer_running(&fx->connection.timer));
	assert_true(peer_write(&fx->peer, frame.data + 50, frame.len - 50));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 1);
	assert_false(event_timer_running(&fx->connection.timer));
	buffer_release(&frame);
}

static void a_held_connection_reads_nothing(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	make_frame(&frame, 1, 100);
	connection_hold(&fx->connection, true);
	assert_true(peer_write(&fx->peer, frame.data, frame.len));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 0);
	connection_hold(&fx->connection, false);
	step_until_quiet(fx);
	assert_int_equal(fx->count, 1);
	buffer_release(&frame);
}

static void it_may_be_released_inside_a_callback(void **state)
{
	struct fixture *fx = *state;
	struct buffer frame;

	fx->release_in_frame = true;
	make_frame(&frame, 1, 100);
	assert_true(peer_write(&fx->peer, frame.data, frame.len));
	assert_true(peer_write(&fx->peer, frame.data, frame.len));
	step_until_quiet(fx);
	assert_int_equal(fx->count, 1);
	assert_int_equal(fx->closes, 0);
	buffer_release(&frame);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	TEST(frames_arrive_whatever_the_pieces),
	TEST(a_small_frame_may_come_byte_by_byte),
	TEST(an_idle_connection_holds_no_buffer),
	TEST(memory_follows_the_bytes),
	TEST(skipped_frames_cost_nothing),
	TEST(without_budget_a_long_frame_is_skipped_a_short_one_taken),
	TEST(writing_waits_for_the_reader),
	TEST(the_write_queue_has_a_hard_end),
	TEST(done_runs_from_the_loop_only),
	cmocka_unit_test(sends_are_bounded_and_coalesced),
	TEST(end_of_file_comes_once_with_its_reason),
	TEST(a_cut_frame_is_named),
	TEST(a_half_closed_peer_gets_what_was_queued),
	TEST(a_half_closed_peer_with_a_long_queue_too),
	TEST(the_last_flush_is_bounded),
	TEST(a_reset_peer_loses_what_was_queued),
	TEST(a_stalled_frame_ends_the_connection),
	TEST(a_complete_frame_stops_the_stall_timer),
	TEST(a_held_connection_reads_nothing),
	TEST(it_may_be_released_inside_a_callback),
};
TEST_MAIN(tests)
