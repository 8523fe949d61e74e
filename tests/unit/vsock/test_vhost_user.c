/* Tests host-tools/vsock/vhost_user.c and vhost_message.c: the messages, well-formed and not. */
#include "vsock/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fake_vsock_guest.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

static struct event_loop *loop;
static struct vhost_user vhost;
static struct fake_guest guest;
static unsigned started, resumed_count, stopping, gone, resets, kicks[2];

static void on_started(void *owner, bool resumed)
{
	started++;
	resumed_count += resumed;
}

static void on_stopping(void *owner)
{
	stopping++;
}

static void on_reset(void *owner)
{
	resets++;
}

static void on_kicked(void *owner, unsigned ring)
{
	kicks[ring]++;
}

static void on_gone(void *owner)
{
	gone++;
}

static const struct vhost_user_ops ops = {.started = on_started,
	.stopping = on_stopping,
	.reset = on_reset,
	.kicked = on_kicked,
	.gone = on_gone};

static void step(void *context)
{
	event_loop_step(loop, 0);
}

static void steps(void)
{
	for (int i = 0; i < 5; i++)
		step(NULL);
}

static int fds_before;

static int set_up(void **state)
{
	scratch_dir();
	fds_before = test_count_fds();
	started = resumed_count = stopping = gone = resets = kicks[0] = kicks[1] = 0;
	loop = event_loop_new();
	if (vhost_user_init(&vhost, loop, scratch_path("vhost"), FAKE_CID, &ops, NULL, NULL) < 0)
		return -1;
	fake_guest_init(&guest, step, NULL);
	if (fake_guest_connect(&guest, scratch_path("vhost")) < 0)
		return -1;
	steps();
	return vhost_user_connected(&vhost) ? 0 : -1;
}

static int tear_down(void **state)
{
	fake_guest_release(&guest);
	vhost_user_release(&vhost);
	event_loop_free(loop);
	/* However it went, no descriptor that came along is left. */
	return test_count_fds() == fds_before ? 0 : -1;
}

static void start(void)
{
	assert_int_equal(fake_guest_start(&guest, NULL), 0);
	assert_int_equal(started, 1);
	assert_true(vhost.running);
}

/* The back end hangs up on this one, and is ready for the next QEMU. */
static void assert_hangs_up(void)
{
	assert_false(fake_guest_alive(&guest));
	assert_int_equal(gone, 1);
	assert_false(vhost_user_connected(&vhost));
	assert_int_equal(vhost.memory.count, 0);
	assert_int_equal(fake_guest_connect(&guest, scratch_path("vhost")), 0);
	steps();
	assert_int_equal(fake_guest_ask(&guest, VHOST_GET_FEATURES), FAKE_FEATURES);
}

static void send_raw(const void *data, size_t len)
{
	assert_int_equal(send(guest.sock, data, len, MSG_NOSIGNAL), len);
}

static void test_start_and_stop(void **state)
{
	uint16_t bases[2];

	start();
	assert_true(vhost.features & VIRTIO_F_EVENT_IDX);
	assert_true(vhost.rings[0].vring.writable);
	assert_false(vhost.rings[1].vring.writable);
	fake_guest_kick(&guest, 1);
	step(NULL);
	assert_int_equal(kicks[1], 1);
	fake_guest_stop(&guest, bases);
	assert_int_equal(stopping, 1);
	assert_int_equal(bases[0], 0);
	assert_false(vring_mapped(&vhost.rings[0].vring));
	fake_guest_kick(&guest, 1);
	step(NULL);
	assert_int_equal(kicks[1], 1); /* its kick is forgotten */
	assert_int_equal(fake_guest_start(&guest, bases), 0);
	assert_int_equal(resumed_count, 1);
	fake_guest_stop(&guest, bases);
	bases[0] = 7;
	assert_int_equal(fake_guest_start(&guest, bases), 0);
	assert_int_equal(started, 3);
	assert_int_equal(resumed_count, 1); /* elsewhere: not a pause */
}

static void test_socket_mode(void **state)
{
	struct stat st;

	assert_int_equal(stat(scratch_path("vhost"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Every byte in a write of its own. */
static void test_split(void **state)
{
	uint32_t message[5] = {VHOST_GET_CONFIG, 1, 12 + 8}, config[5] = {0, 8, 0};
	uint8_t bytes[32];

	memcpy(bytes, message, 12);
	memcpy(bytes + 12, config, 20);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		send_raw(bytes + i, 1);
		step(NULL);
	}
	assert_int_equal(fake_guest_reply(&guest, NULL, config, sizeof(config)), 20);
	assert_int_equal(config[3], FAKE_CID);
}

/* Several in one write. */
static void test_together(void **state)
{
	uint32_t messages[6] = {VHOST_GET_FEATURES, 1, 0, VHOST_GET_QUEUE_NUM, 1, 0};
	uint64_t value;

	send_raw(messages, sizeof(messages));
	assert_int_equal(fake_guest_reply(&guest, NULL, &value, 8), 8);
	assert_int_equal(value, FAKE_FEATURES);
	assert_int_equal(fake_guest_reply(&guest, NULL, &value, 8), 8);
	assert_int_equal(value, 2);
}

static void test_cut(void **state)
{
	uint32_t header[3] = {VHOST_SET_FEATURES, 1, 8};

	send_raw(header, sizeof(header));
	steps();
	shutdown(guest.sock, SHUT_WR);
	assert_hangs_up();
}

static void bad_header(uint32_t request, uint32_t flags, uint32_t size)
{
	uint32_t header[3] = {request, flags, size};

	send_raw(header, sizeof(header));
	assert_hangs_up();
}

static void test_bad_version(void **state)
{
	bad_header(VHOST_GET_FEATURES, 2, 0);
}

static void test_version_zero(void **state)
{
	bad_header(VHOST_GET_FEATURES, 0, 0);
}

static void test_reply_flag(void **state)
{
	bad_header(VHOST_GET_FEATURES, 5, 0);
}

static void test_too_long(void **state)
{
	bad_header(VHOST_GET_FEATURES, 1, VHOST_PAYLOAD_MAX + 1);
}

static void test_huge(void **state)
{
	bad_header(VHOST_SET_MEM_TABLE, 1, UINT32_MAX);
}

static void test_unknown_request(void **state)
{
	bad_header(99, 1, 0);
}

static void test_request_zero(void **state)
{
	bad_header(0, 1, 0);
}

/* Every known request with every payload size that is not its own. */
static void test_wrong_sizes(void **state)
{
	static const struct {
		uint32_t request;
		unsigned min, max;
	} sizes[] = {{VHOST_GET_FEATURES, 0, 0}, {VHOST_SET_FEATURES, 8, 8},
		{VHOST_SET_OWNER, 0, 0}, {VHOST_SET_MEM_TABLE, 40, 264},
		{VHOST_SET_VRING_NUM, 8, 8}, {VHOST_SET_VRING_ADDR, 40, 40},
		{VHOST_SET_VRING_BASE, 8, 8}, {VHOST_GET_VRING_BASE, 8, 8},
		{VHOST_SET_VRING_KICK, 8, 8}, {VHOST_SET_VRING_CALL, 8, 8},
		{VHOST_SET_VRING_ENABLE, 8, 8}, {VHOST_GET_CONFIG, 12, 268},
		{VHOST_RESET_DEVICE, 0, 0}};
	struct vhost_message m;
	struct error err;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned size = 0; size <= VHOST_PAYLOAD_MAX; size++) {
			if (size >= sizes[i].min && size <= sizes[i].max)
				continue;
			memset(&m, 0, sizeof(m));
			m.header = (struct vhost_header){sizes[i].request, 1, size};
			assert_int_equal(vhost_user_handle(&vhost, &m, &err), -EPROTO);
		}
}

static void send_table(uint32_t count, unsigned fds, unsigned regions)
{
	struct {
		uint32_t count, padding;
		uint64_t region[8][4];
	} table = {.count = count};
	int fd[16];

	for (unsigned i = 0; i < 16; i++)
		fd[i] = guest.memfd;
	for (unsigned i = 0; i < 8; i++) {
		table.region[i][0] = i * 4096;
		table.region[i][1] = 4096;
		table.region[i][2] = FAKE_QEMU_BASE + i * 4096;
	}
	fake_guest_message(&guest, VHOST_SET_MEM_TABLE, 0, &table, 8 + 32 * regions, fd, fds);
}

static void test_table_fds_missing(void **state)
{
	send_table(2, 1, 2);
	assert_hangs_up();
}

static void test_table_fds_too_many(void **state)
{
	send_table(1, 2, 1);
	assert_hangs_up();
}

static void test_nine_fds(void **state)
{
	send_table(8, 9, 8);
	assert_hangs_up();
}

static void test_sixteen_fds(void **state)
{
	send_table(8, 16, 8);
	assert_hangs_up();
}

static void test_table_none(void **state)
{
	send_table(0, 0, 1);
	assert_hangs_up();
}

static void test_table_count_lies(void **state)
{
	send_table(8, 8, 7);
	assert_hangs_up();
}

static void test_table_huge_count(void **state)
{
	send_table(UINT32_MAX, 8, 8);
	assert_hangs_up();
}

static void test_table_eight(void **state)
{
	send_table(8, 8, 8);
	assert_true(fake_guest_alive(&guest));
	assert_int_equal(vhost.memory.count, 8);
}

static void test_fd_where_none_belongs(void **state)
{
	uint64_t features = FAKE_FEATURES;

	fake_guest_message(&guest, VHOST_SET_FEATURES, 0, &features, 8, &guest.memfd, 1);
	assert_hangs_up();
}

static void send_u64(uint32_t request, uint64_t value, int fd)
{
	fake_guest_message(&guest, request, 0, &value, sizeof(value), &fd, fd >= 0);
}

static void test_features(void **state)
{
	send_u64(VHOST_SET_FEATURES, FAKE_FEATURES | 1ull << 40, -1);
	assert_hangs_up();
	gone = 0;
	send_u64(VHOST_SET_FEATURES, FAKE_FEATURES & ~VIRTIO_F_VERSION_1, -1);
	assert_hangs_up(); /* a legacy driver */
	gone = 0;
	send_u64(VHOST_SET_PROTOCOL_FEATURES, 1ull << 15, -1);
	assert_hangs_up();
}

/* With REPLY_ACK negotiated a bad request is answered instead. */
static void test_need_reply(void **state)
{
	uint64_t value = FAKE_FEATURES | 1ull << 40, answer = 0;

	send_u64(VHOST_SET_PROTOCOL_FEATURES, VHOST_PROTOCOL_REPLY_ACK, -1);
	fake_guest_message(&guest, VHOST_SET_FEATURES, FAKE_NEED_REPLY, &value, 8, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, &answer, 8), 8);
	assert_int_equal(answer, 1);
	value = FAKE_FEATURES;
	fake_guest_message(&guest, VHOST_SET_FEATURES, FAKE_NEED_REPLY, &value, 8, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, &answer, 8), 8);
	assert_int_equal(answer, 0);
}

static void test_ring_index(void **state)
{
	uint32_t requests[] = {VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE,
		VHOST_SET_VRING_ENABLE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL};

	for (unsigned i = 0; i < 6; i++) {
		gone = 0;
		send_u64(requests[i], 2, i >= 4 ? guest.rings[0].kick : -1);
		assert_hangs_up();
	}
}

static void test_kick_without_memory(void **state)
{
	send_u64(VHOST_SET_VRING_KICK, 0, guest.rings[0].kick);
	assert_hangs_up();
}

static void test_kick_polling(void **state)
{
	send_u64(VHOST_SET_VRING_KICK, 0x100, -1);
	assert_hangs_up();
}

/* Its own end of our connection as a kick would hide for ever that it hangs up. */
static void test_kick_is_own_socket(void **state)
{
	start();
	send_u64(VHOST_SET_VRING_KICK, 1, guest.sock);
	assert_hangs_up();
}

static void test_call_is_own_socket(void **state)
{
	start();
	send_u64(VHOST_SET_VRING_CALL, 1, guest.sock);
	assert_hangs_up();
}

static void test_kick_is_a_pipe(void **state)
{
	int pipe_fds[2];

	start();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	send_u64(VHOST_SET_VRING_KICK, 1, pipe_fds[0]);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_hangs_up();
}

/* No file type, and no eventfd either: always ready, never readable. */
static void test_kick_not_an_eventfd(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC), pipe_fds[2];

	start();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event), 0);
	close(pipe_fds[1]);
	send_u64(VHOST_SET_VRING_KICK, 1, epoll);
	steps();
	assert_false(vhost.running);
	assert_int_equal(event_loop_step(loop, 0), 0); /* and no storm */
	close(epoll);
	close(pipe_fds[0]);
}

/* Addresses outside the table, then a remapping under running rings. */
static void test_memory_under_rings(void **state)
{
	struct vring_desc *before;

	start();
	before = vhost.rings[0].vring.desc;
	guest.regions = 2;
	assert_int_equal(fake_guest_start(&guest, (uint16_t[2]){0, 0}), 0);
	assert_ptr_not_equal(vhost.rings[0].vring.desc, before);
	send_table(1, 1, 1); /* 4 KiB: the rings are not in it any more */
	assert_hangs_up();
}

static void test_config_range(void **state)
{
	uint32_t config[3 + 64] = {4, 4, 0};

	fake_guest_message(&guest, VHOST_GET_CONFIG, 0, config, 16, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, config, 16), 16);
	assert_int_equal(config[3], 0); /* the CID's upper half */
	config[0] = 4, config[1] = 8;
	fake_guest_message(&guest, VHOST_GET_CONFIG, 0, config, 20, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, config, 20), 0);
	config[0] = UINT32_MAX, config[1] = 8;
	fake_guest_message(&guest, VHOST_GET_CONFIG, 0, config, 20, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, config, 20), 0);
	config[0] = 0, config[1] = 8;
	fake_guest_message(&guest, VHOST_GET_CONFIG, 0, config, 12, NULL, 0);
	assert_int_equal(fake_guest_reply(&guest, NULL, config, 20), 0); /* size lies */
}

static void test_reset_device(void **state)
{
	start();
	fake_guest_message(&guest, VHOST_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	steps();
	assert_int_equal(resets, 1);
	assert_false(vhost.running);
}

static void test_unsealed_memory(void **state)
{
	uint64_t table[5] = {1, 0, 4096, FAKE_QEMU_BASE, 0}, answer = 0;
	int fd = memfd_create("unsealed", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	send_u64(VHOST_SET_PROTOCOL_FEATURES, VHOST_PROTOCOL_REPLY_ACK, -1);
	fake_guest_message(
		&guest, VHOST_SET_MEM_TABLE, FAKE_NEED_REPLY, table, sizeof(table), &fd, 1);
	close(fd);
	assert_int_equal(fake_guest_reply(&guest, NULL, &answer, 8), 8);
	assert_int_equal(answer, 1);
}

static void test_qemu_leaves(void **state)
{
	start();
	close(guest.sock);
	guest.sock = -1;
	steps();
	assert_int_equal(stopping, 1); /* the guest's last bytes were asked for */
	assert_int_equal(gone, 1);
	assert_false(vhost_user_connected(&vhost));
}

static void test_path_too_long(void **state)
{
	char path[300];
	struct vhost_user other;
	struct error err = ERROR_INIT;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(vhost_user_init(&other, loop, path, 3, &ops, NULL, &err), -ENAMETOOLONG);
	assert_true(vhost_user_init(&other, loop, "/nowhere/at/all", 3, &ops, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_start_and_stop),
	CASE(test_socket_mode),
	CASE(test_split),
	CASE(test_together),
	CASE(test_cut),
	CASE(test_bad_version),
	CASE(test_version_zero),
	CASE(test_reply_flag),
	CASE(test_too_long),
	CASE(test_huge),
	CASE(test_unknown_request),
	CASE(test_request_zero),
	CASE(test_wrong_sizes),
	CASE(test_table_fds_missing),
	CASE(test_table_fds_too_many),
	CASE(test_nine_fds),
	CASE(test_sixteen_fds),
	CASE(test_table_none),
	CASE(test_table_count_lies),
	CASE(test_table_huge_count),
	CASE(test_table_eight),
	CASE(test_fd_where_none_belongs),
	CASE(test_features),
	CASE(test_need_reply),
	CASE(test_ring_index),
	CASE(test_kick_without_memory),
	CASE(test_kick_polling),
	CASE(test_kick_is_own_socket),
	CASE(test_call_is_own_socket),
	CASE(test_kick_is_a_pipe),
	CASE(test_kick_not_an_eventfd),
	CASE(test_memory_under_rings),
	CASE(test_config_range),
	CASE(test_reset_device),
	CASE(test_unsealed_memory),
	CASE(test_qemu_leaves),
	CASE(test_path_too_long),
};

TEST_MAIN(tests)
