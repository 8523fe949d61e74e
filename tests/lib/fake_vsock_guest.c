/* fake_vsock_guest: see the header. Only libc: it is linked into every unit test. */
#include "lib/fake_vsock_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES 65536
#define EVENT_IDX  (1ull << 29)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t ring_address(unsigned ring, unsigned part)
{
	return 0x10000 + ring * RING_BYTES + part * 0x4000;
}

static void clear_rings(struct fake_guest *g)
{
	for (unsigned r = 0; r < 2; r++) {
		struct fake_ring *ring = &g->rings[r];

		memset(g->mem + ring_address(r, 0), 0, RING_BYTES);
		ring->desc = (void *)(g->mem + ring_address(r, 0));
		ring->avail = (void *)(g->mem + ring_address(r, 1));
		ring->used = (void *)(g->mem + ring_address(r, 2));
		ring->avail_index = ring->used_index = 0;
	}
	g->slots_busy = 0;
	g->held_count = 0;
}

void fake_guest_init(struct fake_guest *g, void (*step)(void *context), void *context)
{
	memset(g, 0, sizeof(*g));
	g->step = step;
	g->context = context;
	g->features = FAKE_FEATURES;
	g->regions = 1;
	g->pieces = 1;
	g->sock = -1;
	g->memfd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (g->memfd < 0 || ftruncate(g->memfd, FAKE_MEMORY) < 0 ||
		fcntl(g->memfd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		abort();
	g->mem = mmap(NULL, FAKE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	if (g->mem == MAP_FAILED)
		abort();
	for (unsigned r = 0; r < 2; r++) {
		g->rings[r].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		g->rings[r].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	clear_rings(g);
}

void fake_guest_release(struct fake_guest *g)
{
	if (g->sock >= 0)
		close(g->sock);
	g->sock = -1;
	for (unsigned r = 0; r < 2; r++) {
		close(g->rings[r].kick);
		close(g->rings[r].call);
	}
	munmap(g->mem, FAKE_MEMORY);
	close(g->memfd);
}

int fake_guest_connect(struct fake_guest *g, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (g->sock >= 0)
		close(g->sock);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	g->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(g->sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

int fake_guest_message(struct fake_guest *g, uint32_t request, uint32_t flags, const void *payload,
	size_t size, const int *fds, unsigned fd_count)
{
	uint32_t header[3] = {request, flags | 1, size};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct iovec iov[2] = {{header, sizeof(header)}, {(void *)payload, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (fd_count > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	return sendmsg(g->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Reads len bytes, stepping the device meanwhile. */
static int read_stepping(struct fake_guest *g, void *to, size_t len)
{
	double end = now() + 2;
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(g->sock, (char *)to + done, len - done, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return -ECONNRESET;
		if (n > 0)
			done += n;
		else if (now() > end)
			return -ETIMEDOUT;
		else
			g->step(g->context);
	}
	return 0;
}

int fake_guest_reply(struct fake_guest *g, uint32_t *request, void *payload, size_t size)
{
	uint32_t header[3];
	uint8_t rest[1024];
	int r = read_stepping(g, header, sizeof(header));

	if (r < 0)
		return r;
	if (header[1] != 5 || header[2] > sizeof(rest))
		return -EPROTO;
	r = read_stepping(g, rest, header[2]);
	if (r < 0)
		return r;
	if (request)
		*request = header[0];
	memcpy(payload, rest, size < header[2] ? size : header[2]);
	return header[2];
}

uint64_t fake_guest_ask(struct fake_guest *g, uint32_t request)
{
	uint64_t value = 0;
	uint32_t answered = 0;

	fake_guest_message(g, request, 0, NULL, 0, NULL, 0);
	if (fake_guest_reply(g, &answered, &value, sizeof(value)) != sizeof(value) ||
		answered != request) {
		fprintf(stderr, "no answer to vhost-user request %u\n", request);
		abort();
	}
	return value;
}

static void send_u64(struct fake_guest *g, uint32_t request, uint64_t value, int fd)
{
	fake_guest_message(g, request, 0, &value, sizeof(value), &fd, fd >= 0);
}

static void send_state(struct fake_guest *g, uint32_t request, uint32_t ring, uint32_t value)
{
	uint32_t state[2] = {ring, value};

	fake_guest_message(g, request, 0, state, sizeof(state), NULL, 0);
}

static int send_memory(struct fake_guest *g)
{
	uint64_t cut = g->regions == 2 ? FAKE_CUT : FAKE_MEMORY, answer = 1;
	struct {
		uint32_t count, padding;
		struct {
			uint64_t guest, size, qemu, offset;
		} region[2];
	} table = {.count = g->regions,
		.region = {{0, cut, FAKE_QEMU_BASE, 0},
			{cut, FAKE_MEMORY - cut, FAKE_QEMU_BASE + cut, cut}}};
	int fds[2] = {g->memfd, g->memfd};

	fake_guest_message(g, 5, FAKE_NEED_REPLY, &table, 8 + 32 * g->regions, fds, g->regions);
	if (fake_guest_reply(g, NULL, &answer, sizeof(answer)) < 0)
		return -EPROTO;
	return answer ? -EINVAL : 0;
}

static void start_ring(struct fake_guest *g, unsigned r, uint16_t base)
{
	struct {
		uint32_t ring, flags;
		uint64_t desc, used, avail, log;
	} address = {.ring = r,
		.desc = FAKE_QEMU_BASE + ring_address(r, 0),
		.used = FAKE_QEMU_BASE + ring_address(r, 2),
		.avail = FAKE_QEMU_BASE + ring_address(r, 1)};

	send_state(g, 8, r, FAKE_RING);
	send_state(g, 10, r, base);
	fake_guest_message(g, 9, 0, &address, sizeof(address), NULL, 0);
	send_u64(g, 12, r, g->rings[r].kick);
}

static void give_receive_buffer(struct fake_guest *g, unsigned id)
{
	g->rings[0].desc[id] = (struct fake_desc){
		.addr = FAKE_RX_AREA + id * FAKE_RX_SIZE, .len = FAKE_RX_SIZE, .flags = 2};
	fake_guest_avail(g, 0, id);
}

int fake_guest_start(struct fake_guest *g, const uint16_t bases[2])
{
	uint32_t config[3 + 2] = {0, 8, 0};
	int r;

	if (fake_guest_ask(g, 1) != FAKE_FEATURES)
		return -EPROTO;
	send_u64(g, 16, fake_guest_ask(g, 15), -1);
	if (fake_guest_ask(g, 17) != 2)
		return -EPROTO;
	fake_guest_message(g, 3, 0, NULL, 0, NULL, 0);
	fake_guest_message(g, 24, 0, config, sizeof(config), NULL, 0);
	if (fake_guest_reply(g, NULL, config, sizeof(config)) != sizeof(config) ||
		config[3] != FAKE_CID || config[4] != 0)
		return -EPROTO;
	send_u64(g, 2, g->features, -1);
	r = send_memory(g);
	if (r < 0)
		return r;
	if (!bases) {
		clear_rings(g);
		for (unsigned id = 0; id < FAKE_RING; id++)
			give_receive_buffer(g, id);
	}
	for (unsigned i = 0; i < 2; i++)
		start_ring(g, i, bases ? bases[i] : 0);
	for (unsigned i = 0; i < 2; i++)
		send_state(g, 18, i, 1);
	for (unsigned i = 0; i < 2; i++)
		send_u64(g, 13, i, g->rings[i].call);
	for (int i = 0; i < 5; i++)
		g->step(g->context);
	return 0;
}

void fake_guest_stop(struct fake_guest *g, uint16_t bases[2])
{
	for (unsigned i = 0; i < 2; i++)
		send_state(g, 18, i, 0);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t state[2] = {0};

		send_state(g, 11, i, 0);
		fake_guest_reply(g, NULL, state, sizeof(state));
		bases[i] = state[1];
	}
}

bool fake_guest_alive(struct fake_guest *g)
{
	struct pollfd p = {.fd = g->sock, .events = POLLIN};

	for (int i = 0; i < 10; i++)
		g->step(g->context);
	poll(&p, 1, 0);
	return !(p.revents & POLLHUP);
}

/* ---- rings ---- */

void fake_guest_kick(struct fake_guest *g, unsigned ring)
{
	uint64_t one = 1;

	if (g->lose_kicks) {
		g->lost_kicks++;
		return;
	}
	g->rings[ring].kicks++;
	if (write(g->rings[ring].kick, &one, sizeof(one)) < 0)
		abort();
}

void fake_guest_avail(struct fake_guest *g, unsigned r, uint16_t head)
{
	struct fake_ring *ring = &g->rings[r];
	uint16_t old = ring->avail_index, event;
	bool kick;

	ring->avail[2 + old % FAKE_RING] = head;
	ring->avail_index++;
	__atomic_store_n(&ring->avail[1], ring->avail_index, __ATOMIC_SEQ_CST);
	event = ring->used[2 + 4 * FAKE_RING];
	if (g->features & EVENT_IDX)
		kick = (uint16_t)(ring->avail_index - event - 1) <
		       (uint16_t)(ring->avail_index - old);
	else
		kick = !(ring->used[0] & 1);
	if (kick)
		fake_guest_kick(g, r);
}

bool fake_guest_interrupted(struct fake_guest *g, unsigned ring)
{
	uint64_t count;

	return read(g->rings[ring].call, &count, sizeof(count)) > 0;
}

/* The next used entry's id and length; false when there is none (then an interrupt is asked for).
 */
static bool next_used(struct fake_guest *g, unsigned r, uint32_t *id, uint32_t *len)
{
	struct fake_ring *ring = &g->rings[r];
	uint16_t index = __atomic_load_n(&ring->used[1], __ATOMIC_SEQ_CST);
	uint32_t *entry;

	if (index == ring->used_index) {
		__atomic_store_n(&ring->avail[2 + FAKE_RING], ring->used_index, __ATOMIC_SEQ_CST);
		index = __atomic_load_n(&ring->used[1], __ATOMIC_SEQ_CST);
		if (index == ring->used_index)
			return false;
	}
	entry = (uint32_t *)(ring->used + 2) + 2 * (ring->used_index % FAKE_RING);
	*id = entry[0];
	*len = entry[1];
	ring->used_index++;
	return true;
}

static void reclaim_slots(struct fake_guest *g)
{
	uint32_t id, len;

	while (next_used(g, 1, &id, &len)) {
		if (id >= FAKE_RING || id % 4 || len != 0 || !(g->slots_busy & 1u << (id / 4)))
			abort(); /* a completion for nothing we sent */
		g->slots_busy &= ~(1u << (id / 4));
	}
}

/* Descriptors for slot's `total` bytes: `pieces` of them, cut at odd places. */
static void describe(
	struct fake_guest *g, unsigned slot, struct fake_desc *desc, unsigned first, size_t total)
{
	uint64_t addr = FAKE_TX_AREA + (uint64_t)slot * FAKE_TX_SLOT;
	size_t cuts[4] = {total, 0, 0, 0};
	unsigned pieces = total > 1000 || g->pieces == 1 ? g->pieces : 1;

	if (pieces > 1) {
		cuts[0] = 20; /* inside the header */
		for (unsigned i = 1; i < pieces; i++)
			cuts[i] = (total - 20) / (pieces - 1);
		cuts[pieces - 1] = total - 20 - (pieces - 2) * ((total - 20) / (pieces - 1));
	}
	for (unsigned i = 0; i < pieces; i++) {
		desc[i] = (struct fake_desc){.addr = addr,
			.len = cuts[i],
			.flags = i + 1 < pieces ? 1 : 0,
			.next = first + i + 1};
		addr += cuts[i];
	}
	if (pieces == 1)
		desc[0].len = total;
}

bool fake_guest_send(
	struct fake_guest *g, const struct vsock_packet *packet, const void *payload, size_t room)
{
	struct fake_ring *ring = &g->rings[1];
	size_t len = room ? room : packet->len;
	uint8_t *at;
	unsigned slot;

	reclaim_slots(g);
	if (g->slots_busy == UINT32_MAX)
		return false;
	slot = __builtin_ctz(~g->slots_busy);
	g->slots_busy |= 1u << slot;
	at = g->mem + FAKE_TX_AREA + slot * FAKE_TX_SLOT;
	/* By hand, so that a mistake of the codec under test does not cancel out. */
	memcpy(at, &packet->from_cid, 8);
	memcpy(at + 8, &packet->to_cid, 8);
	memcpy(at + 16, &packet->from_port, 4);
	memcpy(at + 20, &packet->to_port, 4);
	memcpy(at + 24, &packet->len, 4);
	memcpy(at + 28, &packet->type, 2);
	memcpy(at + 30, &packet->op, 2);
	memcpy(at + 32, &packet->flags, 4);
	memcpy(at + 36, &packet->buffer, 4);
	memcpy(at + 40, &packet->forwarded, 4);
	if (payload)
		memcpy(at + 44, payload, len);
	if (g->use_indirect) {
		struct fake_desc *table = (void *)(at + FAKE_TX_SLOT - 64);

		describe(g, slot, table, 0, 44 + len);
		ring->desc[slot * 4] = (struct fake_desc){
			.addr = FAKE_TX_AREA + (uint64_t)(slot + 1) * FAKE_TX_SLOT - 64,
			.len = 16 * (44 + len > 1000 || g->pieces == 1 ? g->pieces : 1),
			.flags = 4};
	} else {
		describe(g, slot, &ring->desc[slot * 4], slot * 4, 44 + len);
	}
	fake_guest_avail(g, 1, slot * 4);
	return true;
}

bool fake_guest_receive(
	struct fake_guest *g, struct vsock_packet *packet, void *payload, size_t room)
{
	uint32_t id, len;
	uint8_t *at;

	if (!next_used(g, 0, &id, &len))
		return false;
	if (id >= FAKE_RING || len < 44 || len > FAKE_RX_SIZE)
		abort();
	at = g->mem + FAKE_RX_AREA + id * FAKE_RX_SIZE;
	memcpy(&packet->from_cid, at, 8);
	memcpy(&packet->to_cid, at + 8, 8);
	memcpy(&packet->from_port, at + 16, 4);
	memcpy(&packet->to_port, at + 20, 4);
	memcpy(&packet->len, at + 24, 4);
	memcpy(&packet->type, at + 28, 2);
	memcpy(&packet->op, at + 30, 2);
	memcpy(&packet->flags, at + 32, 4);
	memcpy(&packet->buffer, at + 36, 4);
	memcpy(&packet->forwarded, at + 40, 4);
	if (packet->len != len - 44 || packet->len > room)
		abort();
	memcpy(payload, at + 44, packet->len);
	if (g->hold_receive)
		g->held[g->held_count++] = id;
	else
		give_receive_buffer(g, id);
	return true;
}

void fake_guest_give_back(struct fake_guest *g)
{
	while (g->held_count > 0)
		give_receive_buffer(g, g->held[--g->held_count]);
}

bool fake_guest_await(struct fake_guest *g, struct vsock_packet *packet, void *payload, size_t room,
	double seconds)
{
	double end = now() + seconds;

	while (!fake_guest_receive(g, packet, payload, room)) {
		if (now() > end)
			return false;
		g->step(g->context);
	}
	return true;
}
