/*
 * Tests host-tools/vsock/vsock_connection.c: its state table cell by cell, typed again from
 * vsock-device.md section 4, then a connection with a real owner's socket and no ring at all.
 */
#include "vsock/vsock_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/test_main.h"

/* ---- the table ---- */

/* A cell as text: the next state's first letters, then what is done. "." = stays, does nothing. */
static const char *const expected[VSOCK_STATES][VSOCK_EVENTS] = {
	/* RESPONSE RST data closed both-ended owner-gone broken deadline cancel RST-sent no-device
	 */
	[VSOCK_REQUESTED] = {"open opened", "gone refused", "resetting rst refused",
		"resetting rst refused", ".", ".", "resetting rst refused", "resetting rst timeout",
		"resetting rst", ".", "gone lost"},
	[VSOCK_OPEN] = {"resetting rst", "gone", ".", "resetting rst", "closing shutdown",
		"closing shutdown", "resetting rst", "resetting rst", "resetting rst", ".", "gone"},
	[VSOCK_CLOSING] = {"resetting rst", "gone", ".", "resetting rst", ".", ".", "resetting rst",
		"resetting rst", "resetting rst", ".", "gone"},
	[VSOCK_RESETTING] = {".", "gone", ".", ".", ".", ".", ".", ".", ".", "gone", "gone"},
	[VSOCK_GONE] = {".", ".", ".", ".", ".", ".", ".", ".", ".", ".", "."},
};

static const struct {
	unsigned action;
	const char *name;
} actions[] = {{VSOCK_DO_OPENED, "opened"}, {VSOCK_DO_RST, "rst"}, {VSOCK_DO_SHUTDOWN, "shutdown"},
	{VSOCK_DO_REFUSED, "refused"}, {VSOCK_DO_TIMEOUT, "timeout"}, {VSOCK_DO_LOST, "lost"}};

static void describe(char *out, size_t size, enum vsock_state state, struct vsock_transition t)
{
	size_t len = snprintf(out, size, "%s", vsock_state_name(t.next));

	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (t.actions & actions[i].action)
			len += snprintf(out + len, size - len, " %s", actions[i].name);
	if (t.next == state && !t.actions)
		snprintf(out, size, ".");
}

static void test_table(void **state)
{
	for (unsigned s = 0; s < VSOCK_STATES; s++)
		for (unsigned e = 0; e < VSOCK_EVENTS; e++) {
			char cell[64];

			describe(cell, sizeof(cell), s, vsock_transition(s, e));
			if (strcmp(cell, ".") != 0)
				printf("# %-10s %-13s -> %s\n", vsock_state_name(s),
					vsock_event_name(e), cell);
			if (strcmp(cell, expected[s][e]) != 0)
				fail_msg("%s, %s: %s, not %s", vsock_state_name(s),
					vsock_event_name(e), cell, expected[s][e]);
		}
}

/* ---- a connection ---- */

static struct event_loop *loop;
static struct vsock_connection *conn;
static int peer = -1, dialled_result, dialled_count;

static void on_changed(struct vsock_connection *c)
{
}

static int on_dialled(struct vsock_connection *c, int result)
{
	int pair[2];

	dialled_result = result;
	dialled_count++;
	if (result < 0)
		return result;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer = pair[1];
	return pair[0];
}

static const struct vsock_connection_ops ops = {.changed = on_changed, .dialled = on_dialled};

static int set_up(void **state)
{
	dialled_count = 0;
	loop = event_loop_new();
	conn = vsock_connection_dial(loop, &ops, NULL, 1024, 5, 1000);
	return loop && conn ? 0 : -1;
}

static int tear_down(void **state)
{
	if (peer >= 0)
		close(peer);
	peer = -1;
	vsock_connection_free(conn);
	event_loop_free(loop);
	return 0;
}

static void steps(void)
{
	for (int i = 0; i < 5; i++)
		event_loop_step(loop, 0);
}

/* Sends what is next, without payload; its op. */
static enum vsock_op sent(struct vsock_packet *p)
{
	enum vsock_op op = vsock_connection_next(conn);

	if (op != VSOCK_OP_NONE && op != VSOCK_OP_RW)
		vsock_connection_send(conn, op, 0, p);
	return op;
}

#define BUFFER 262144

static void receive_full(uint16_t op, const void *data, uint32_t len, size_t available,
	uint32_t flags, uint32_t forwarded)
{
	struct vsock_packet p = {.op = op,
		.type = 1,
		.len = len,
		.flags = flags,
		.buffer = BUFFER,
		.forwarded = forwarded};
	struct iovec iov = {(void *)data, available};

	vsock_connection_receive(conn, &p, &iov, available > 0, available);
}

static void receive(uint16_t op)
{
	receive_full(op, NULL, 0, 0, 0, 0);
}

static void receive_data(const void *data, size_t len)
{
	receive_full(VSOCK_OP_RW, data, len, len, 0, 0);
}

static void open_it(void)
{
	struct vsock_packet p;

	assert_int_equal(sent(&p), VSOCK_OP_REQUEST);
	assert_int_equal(p.from_port, 5);
	assert_int_equal(p.to_port, 1024);
	assert_int_equal(p.buffer, VSOCK_WINDOW);
	receive(VSOCK_OP_RESPONSE);
	assert_int_equal(conn->state, VSOCK_OPEN);
	assert_int_equal(dialled_count, 1);
	assert_int_equal(dialled_result, 0);
}

/* Reads from the owner and "sends" it; the length. */
static ssize_t send_turn(void)
{
	static uint8_t data[VSOCK_TURN_MAX];
	size_t turn;
	struct iovec iov = {data, sizeof(data)};
	struct vsock_packet p;
	ssize_t n;

	assert_int_equal(vsock_connection_next(conn), VSOCK_OP_RW);
	turn = vsock_connection_turn(conn);
	if (iov.iov_len > turn)
		iov.iov_len = turn;
	n = vsock_connection_read(conn, &iov, 1);
	if (n > 0) {
		vsock_connection_send(conn, VSOCK_OP_RW, n, &p);
		assert_int_equal(p.len, n);
	}
	vsock_connection_watch(conn); /* as the device does after a turn */
	return n;
}

static void expect_owner(const char *text)
{
	char in[100] = "";
	ssize_t n = recv(peer, in, sizeof(in) - 1, MSG_DONTWAIT);

	assert_int_equal(n, strlen(text));
	assert_string_equal(in, text);
}

static void test_refused(void **state)
{
	struct vsock_packet p;

	sent(&p);
	receive(VSOCK_OP_RST);
	assert_int_equal(dialled_result, -ECONNREFUSED);
	assert_true(vsock_connection_finished(conn));
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
}

/* An answer before the question was even sent. */
static void test_answer_unasked(void **state)
{
	receive(VSOCK_OP_RESPONSE);
	receive(VSOCK_OP_RST);
	assert_int_equal(conn->state, VSOCK_REQUESTED);
	assert_int_equal(dialled_count, 0);
}

static void test_data_before_response(void **state)
{
	struct vsock_packet p;

	sent(&p);
	receive_data("x", 1);
	assert_int_equal(dialled_result, -ECONNREFUSED);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
	assert_true(vsock_connection_finished(conn));
}

static void test_shutdown_before_response(void **state)
{
	struct vsock_packet p;

	sent(&p);
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, 2, 0);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
}

static void test_deliver(void **state)
{
	open_it();
	receive_data("hello", 5);
	expect_owner("hello");
	assert_int_equal(conn->credit.forwarded, 5);
}

/* SHUTDOWN with SEND: end of file after the bytes; our direction goes on. */
static void test_guest_half_close(void **state)
{
	struct vsock_packet p;

	open_it();
	receive_data("bye", 3);
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_SEND, 0);
	expect_owner("bye");
	assert_int_equal(recv(peer, &p, 1, MSG_DONTWAIT), 0);
	assert_int_equal(conn->state, VSOCK_OPEN);
	assert_int_equal(send(peer, "more", 4, 0), 4);
	steps();
	assert_int_equal(send_turn(), 4);
	/* Our end of file now ends both: SHUTDOWN both at once, RST after the deadline. */
	shutdown(peer, SHUT_WR);
	steps();
	assert_int_equal(send_turn(), 0);
	assert_int_equal(conn->state, VSOCK_CLOSING);
	assert_int_equal(sent(&p), VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.flags, VSOCK_SHUTDOWN_BOTH);
	assert_true(event_timer_running(&conn->deadline));
	vsock_connection_event(conn, VSOCK_EV_DEADLINE);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
	assert_true(vsock_connection_finished(conn));
}

static void test_data_after_half_close(void **state)
{
	struct vsock_packet p;

	open_it();
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_SEND, 0);
	receive_data("x", 1);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
}

/* SHUTDOWN with RECEIVE: the owner's writes fail, its bytes are not read. */
static void test_guest_reads_no_more(void **state)
{
	open_it();
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_RECEIVE, 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	receive_data("still", 5);
	expect_owner("still");
	/* Then the other half: closed. */
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_SEND, 0);
	assert_int_equal(conn->state, VSOCK_RESETTING);
}

static void fill_owner(size_t *total)
{
	static char data[10000];

	for (*total = 0; conn->backlog_len == 0; *total += sizeof(data))
		receive_data(data, sizeof(data));
}

/* Closed by the guest with bytes the owner has not taken: RST at once, the bytes arrive. */
static void test_guest_close_with_backlog(void **state)
{
	struct vsock_packet p;
	char in[20000];
	size_t total, got = 0;
	ssize_t n;

	open_it();
	fill_owner(&total);
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_BOTH, 0);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
	assert_false(vsock_connection_has_key(conn));
	assert_false(vsock_connection_finished(conn));
	while ((n = recv(peer, in, sizeof(in), MSG_DONTWAIT)) > 0) {
		got += n;
		steps();
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, total);
	assert_true(vsock_connection_finished(conn));
}

static void test_rst_with_backlog(void **state)
{
	struct vsock_packet p;
	size_t total;

	open_it();
	fill_owner(&total);
	receive(VSOCK_OP_RST);
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
	assert_int_equal(conn->state, VSOCK_GONE);
	assert_false(vsock_connection_finished(conn));
	/* The owner leaves: nobody is left to give them to. */
	close(peer);
	peer = -1;
	steps();
	assert_true(vsock_connection_finished(conn));
}

static void test_owner_half_close(void **state)
{
	struct vsock_packet p;

	open_it();
	assert_int_equal(send(peer, "last", 4, 0), 4);
	shutdown(peer, SHUT_WR);
	steps();
	assert_int_equal(send_turn(), 4); /* the last byte before the end */
	steps();
	assert_int_equal(send_turn(), 0);
	assert_int_equal(sent(&p), VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.flags, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(sent(&p), VSOCK_OP_NONE); /* once */
	assert_int_equal(conn->state, VSOCK_OPEN);
	receive_data("answer", 6);
	expect_owner("answer");
	/* Now it closes altogether. */
	close(peer);
	peer = -1;
	steps();
	assert_int_equal(sent(&p), VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.flags, VSOCK_SHUTDOWN_BOTH);
	receive_data("swallowed", 9); /* crossed our SHUTDOWN */
	assert_int_equal(conn->credit.forwarded, 15);
	receive(VSOCK_OP_RST);
	assert_true(vsock_connection_finished(conn));
}

/* The owner closes with bytes the guest has no credit for: kept for it, not for ever. */
static void test_owner_gone_no_progress(void **state)
{
	struct vsock_packet p;
	char data[1000] = {0};

	open_it();
	conn->credit.guest_buffer = 0;
	assert_int_equal(send(peer, data, sizeof(data), 0), sizeof(data));
	close(peer);
	peer = -1;
	steps();
	assert_int_equal(conn->state, VSOCK_OPEN);
	assert_int_equal(sent(&p), VSOCK_OP_CREDIT_REQUEST);
	assert_true(event_timer_running(&conn->deadline));
	receive_data("swallowed", 9);
	assert_int_equal(conn->credit.forwarded, 9);
	receive(VSOCK_OP_CREDIT_UPDATE); /* BUFFER bytes of credit */
	assert_int_equal(send_turn(), sizeof(data));
	steps();
	assert_int_equal(send_turn(), 0);
	assert_int_equal(sent(&p), VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.flags, VSOCK_SHUTDOWN_BOTH);
}

static void test_owner_gone_gives_up(void **state)
{
	struct vsock_packet p;

	open_it();
	conn->credit.guest_buffer = 0;
	send(peer, "x", 1, 0);
	close(peer);
	peer = -1;
	steps();
	vsock_connection_event(conn, VSOCK_EV_DEADLINE);
	assert_int_equal(sent(&p), VSOCK_OP_RST);
	assert_true(vsock_connection_finished(conn));
}

/* One CREDIT_REQUEST at the stall, none for an answer that brings nothing, then by the timer. */
static void test_stall(void **state)
{
	struct vsock_packet p;
	uint64_t start;

	open_it();
	send(peer, "x", 1, 0);
	steps();
	conn->credit.guest_buffer = 0;
	assert_int_equal(sent(&p), VSOCK_OP_CREDIT_REQUEST);
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
	for (int i = 0; i < 3; i++) {
		struct vsock_packet u = {.op = VSOCK_OP_CREDIT_UPDATE, .type = 1};

		vsock_connection_receive(conn, &u, NULL, 0, 0);
		assert_int_equal(sent(&p), VSOCK_OP_NONE);
	}
	start = event_loop_now_ns();
	while (sent(&p) == VSOCK_OP_NONE)
		event_loop_step(loop, 10);
	assert_int_equal(p.op, VSOCK_OP_CREDIT_REQUEST);
	assert_true(event_loop_now_ns() - start >= (VSOCK_STALL_FIRST_MS - 5) * 1000000ull);
	start = event_loop_now_ns();
	while (sent(&p) == VSOCK_OP_NONE)
		event_loop_step(loop, 10);
	assert_true(event_loop_now_ns() - start >= (VSOCK_STALL_REPEAT_MS - 5) * 1000000ull);
	receive(VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(send_turn(), 1);
	assert_false(event_timer_running(&conn->stall));
}

static void test_credit_update(void **state)
{
	static char data[VSOCK_WINDOW / 4];
	struct vsock_packet p;

	open_it();
	receive_data(data, sizeof(data) - 1);
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
	assert_true(recv(peer, data, sizeof(data), 0) > 0);
	receive_data(data, 1);
	assert_int_equal(sent(&p), VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(p.forwarded, sizeof(data));
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
	receive(VSOCK_OP_CREDIT_REQUEST);
	assert_int_equal(sent(&p), VSOCK_OP_CREDIT_UPDATE);
	/* Every packet is an update. */
	receive(VSOCK_OP_CREDIT_REQUEST);
	send(peer, "x", 1, 0);
	steps();
	receive(VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(send_turn(), 1);
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
}

/* Order: an RST goes before all else and alone. */
static void test_rst_first(void **state)
{
	struct vsock_packet p;

	open_it();
	send(peer, "x", 1, 0);
	steps();
	receive(VSOCK_OP_CREDIT_REQUEST);
	receive(VSOCK_OP_REQUEST); /* a rule broken */
	assert_int_equal(sent(&p), VSOCK_OP_RST);
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
}

/* While our RST waits for a buffer the key is held and whatever comes is dropped. */
static void test_resetting(void **state)
{
	struct vsock_packet p;

	open_it();
	receive(VSOCK_OP_REQUEST);
	assert_true(vsock_connection_has_key(conn));
	receive_data("late", 4);
	receive_full(VSOCK_OP_SHUTDOWN, NULL, 0, 0, VSOCK_SHUTDOWN_BOTH, 0);
	receive(VSOCK_OP_RESPONSE);
	assert_int_equal(conn->state, VSOCK_RESETTING);
	receive(VSOCK_OP_RST); /* its own saves ours */
	assert_int_equal(sent(&p), VSOCK_OP_NONE);
	assert_false(vsock_connection_has_key(conn));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table),
	CASE(test_refused),
	CASE(test_answer_unasked),
	CASE(test_data_before_response),
	CASE(test_shutdown_before_response),
	CASE(test_deliver),
	CASE(test_guest_half_close),
	CASE(test_data_after_half_close),
	CASE(test_guest_reads_no_more),
	CASE(test_guest_close_with_backlog),
	CASE(test_rst_with_backlog),
	CASE(test_owner_half_close),
	CASE(test_owner_gone_no_progress),
	CASE(test_owner_gone_gives_up),
	CASE(test_stall),
	CASE(test_credit_update),
	CASE(test_rst_first),
	CASE(test_resetting),
};

TEST_MAIN(tests)
