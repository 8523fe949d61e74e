/*
 * Fuzz target: vhost-user messages over the real socket (host-tools/vsock/vhost_user.c,
 * vhost_message.c, guest_memory.c), with the device behind them. The input is a sequence of
 * messages, some made plausible, some raw bytes, with descriptors of several kinds, in pieces; and
 * writes into the shared memory while rings run. When the peer hangs up nothing of it may be left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "fuzz/fuzz.h"
#include "vsock/vsock_device_internal.h"

#define MEMORY	65536
#define QEMU_AT 0x700000000000ull
#define CID	3

static struct event_loop *loop;
static struct vsock_device *dev;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static uint8_t *memory;
static int memfd, unsealed, events[2], sock;

static void quiet(const char *record, size_t len, void *context)
{
}

static void forget(void)
{
	unlink(address.sun_path);
}

static void set_up_once(void)
{
	if (loop)
		return;
	log_set_sink(quiet, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/fuzz-vhost.%d", (int)getpid());
	atexit(forget);
	loop = event_loop_new();
	dev = vsock_device_new(loop, address.sun_path, CID, NULL);
	FUZZ_CHECK(dev);
	memfd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	unsealed = memfd_create("fuzz-unsealed", MFD_CLOEXEC);
	FUZZ_CHECK(ftruncate(memfd, MEMORY) == 0 && ftruncate(unsealed, MEMORY) == 0);
	FUZZ_CHECK(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	FUZZ_CHECK(memory != MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* Sends, in one or two pieces; descriptors go with the first. */
static void send_bytes(const void *bytes, size_t len, size_t cut, const int *fds, unsigned fd_count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = cut && cut < len ? cut : len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)iov.iov_len ||
		iov.iov_len == len)
		return;
	event_loop_step(loop, 0);
	if (send(sock, (const uint8_t *)bytes + iov.iov_len, len - iov.iov_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void message(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	uint32_t cut, const int *fds, unsigned fd_count)
{
	struct {
		struct vhost_header header;
		uint8_t payload[1024];
	} m = {.header = {request, flags, size}};

	if (size > sizeof(m.payload))
		size = sizeof(m.payload);
	if (size > 0)
		memcpy(m.payload, payload, size);
	send_bytes(&m, VHOST_HEADER_SIZE + size, cut, fds, fd_count);
}

static const uint8_t requests[] = {VHOST_GET_FEATURES, VHOST_SET_FEATURES, VHOST_SET_OWNER,
	VHOST_RESET_OWNER, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR,
	VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR, VHOST_GET_PROTOCOL_FEATURES, VHOST_SET_PROTOCOL_FEATURES,
	VHOST_GET_QUEUE_NUM, VHOST_SET_VRING_ENABLE, VHOST_GET_CONFIG, VHOST_RESET_DEVICE};

/* A payload that has a chance; returns its size. */
static uint32_t plausible(
	struct fuzz_input *in, uint32_t request, uint64_t payload[64], int *fds, unsigned *fd_count)
{
	struct guest_region_spec spec;
	uint32_t *half = (uint32_t *)payload;
	uint8_t n = fuzz_u8(in);

	*fd_count = 0;
	switch (request) {
	case VHOST_SET_FEATURES:
		payload[0] =
			VIRTIO_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES | (uint64_t)(n & 3) << 28;
		return 8;
	case VHOST_SET_PROTOCOL_FEATURES:
		payload[0] = n & 1 ? VHOST_PROTOCOL_REPLY_ACK | VHOST_PROTOCOL_CONFIG : n;
		return 8;
	case VHOST_SET_MEM_TABLE:
		half[0] = n % 4;
		for (unsigned i = 0; i < n % 4u; i++) {
			spec = (struct guest_region_spec){.guest_addr = fuzz_u8(in) * 4096ull,
				.size = (1 + fuzz_u8(in)) * 256ull,
				.user_addr = QEMU_AT + fuzz_u8(in) * 4096ull,
				.offset = fuzz_u8(in) % 16 * 4096ull};
			memcpy((uint8_t *)payload + 8 + i * sizeof(spec), &spec, sizeof(spec));
			fds[i] = n & 128 ? unsealed : memfd;
		}
		*fd_count = n & 64 ? n >> 4 : n % 4;
		return 8 + n % 4 * sizeof(spec);
	case VHOST_SET_VRING_ADDR:
		half[0] = n % 4;
		for (unsigned i = 1; i < 4; i++)
			payload[i] = QEMU_AT + (fuzz_u16(in) & (n & 128 ? 0xffff : 0xfff0));
		return 40;
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		payload[0] = n % 4 | (n & 64 ? 0x100 : 0);
		*fd_count = !(n & 64) ^ (n & 128 ? 1 : 0);
		fds[0] = n & 32 ? memfd : n & 16 ? sock : events[n % 2];
		return 8;
	case VHOST_GET_CONFIG:
		half[0] = n % 16;
		half[1] = fuzz_u8(in) % 32;
		return 12 + half[1];
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_ENABLE:
		half[0] = n % 3;
		half[1] = request == VHOST_SET_VRING_NUM    ? 1u << (n >> 4)
			  : request == VHOST_SET_VRING_BASE ? fuzz_u16(in)
							    : n >> 7;
		return 8;
	default:
		return 0;
	}
}

static void any_message(struct fuzz_input *in)
{
	uint8_t which = fuzz_u8(in), how = fuzz_u8(in);
	uint32_t request = which < 252 ? requests[which % ARRAY_SIZE(requests)] : which;
	uint32_t flags = VHOST_VERSION | (how & 1 ? VHOST_FLAG_NEED_REPLY : 0), size;
	uint64_t payload[128] = {0};
	unsigned fd_count = 0;
	int fds[16] = {memfd, events[0], events[1], memfd, events[0], memfd, memfd, memfd, memfd,
		memfd, memfd, memfd, memfd, memfd, memfd, memfd};

	if (how & 2) { /* raw */
		size = fuzz_u16(in) % 600;
		for (size_t i = 0; i < size && in->left > 0; i++)
			((uint8_t *)payload)[i] = fuzz_u8(in);
		fd_count = how >> 4;
		if (how & 4)
			flags = fuzz_u32(in);
	} else {
		size = plausible(in, request, payload, fds, &fd_count);
	}
	message(request, flags, payload, size, how & 8 ? fuzz_u8(in) : 0, fds, fd_count);
}

/* All that QEMU sends up to a running driver. */
static void start(uint8_t flags)
{
	uint64_t features =
		VIRTIO_F_VERSION_1 | VHOST_F_PROTOCOL_FEATURES | (uint64_t)(flags & 3) << 28;
	struct {
		uint32_t count, padding;
		struct guest_region_spec spec;
	} table = {1, 0, {0, MEMORY, QEMU_AT, 0}};

	message(VHOST_SET_FEATURES, 1, &features, 8, 0, NULL, 0);
	message(VHOST_SET_MEM_TABLE, 1, &table, sizeof(table), 0, &memfd, 1);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t num[2] = {i, 16}, base[2] = {i, 0}, enable[2] = {i, 1};
		uint64_t at = QEMU_AT + i * 4096, ring = i;
		uint64_t addr[5] = {i, at, at + 1024, at + 2048, 0};

		message(VHOST_SET_VRING_NUM, 1, num, 8, 0, NULL, 0);
		message(VHOST_SET_VRING_BASE, 1, base, 8, 0, NULL, 0);
		message(VHOST_SET_VRING_ADDR, 1, addr, 40, 0, NULL, 0);
		message(VHOST_SET_VRING_KICK, 1, &ring, 8, 0, &events[0], 1);
		message(VHOST_SET_VRING_CALL, 1, &ring, 8, 0, &events[1], 1);
		message(VHOST_SET_VRING_ENABLE, 1, enable, 8, 0, NULL, 0);
	}
	event_loop_step(loop, 0);
}

static void operation(struct fuzz_input *in)
{
	static char answers[4096];
	uint8_t op = fuzz_u8(in);
	uint64_t one = 1;
	uint16_t at;

	switch (op % 8) {
	case 0: /* into the shared memory, while rings may run */
		at = fuzz_u16(in) % (op & 128 ? 8192 : MEMORY - 16);
		for (unsigned i = 0; i < 16u && i < op / 8u; i++)
			memory[at + i] = fuzz_u8(in);
		break;
	case 1:
		if (write(events[0], &one, sizeof(one)) < 0)
			break;
		event_loop_step(loop, 0);
		break;
	case 2:
		start(op >> 3);
		break;
	case 3:
		if (recv(sock, answers, sizeof(answers), MSG_DONTWAIT) < 0)
			break;
		break;
	default:
		any_message(in);
		if (op & 128)
			event_loop_step(loop, 0);
		break;
	}
}

static int lowest_free_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint64_t count;
	int before;

	set_up_once();
	before = lowest_free_fd();
	memset(memory, 0, MEMORY);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0);
	event_loop_step(loop, 0);
	while (in.left > 0)
		operation(&in);
	event_loop_step(loop, 0);
	close_fd(&sock);
	for (int i = 0; i < 100 && vsock_device_connected(dev); i++)
		event_loop_step(loop, 0);
	FUZZ_CHECK(!vsock_device_connected(dev) && !dev->vhost.running);
	FUZZ_CHECK(dev->vhost.memory.count == 0 && dev->vhost.message.fd_count == 0);
	event_loop_step(loop, 0);
	FUZZ_CHECK(dev->connections == 0 && lowest_free_fd() == before);
	while (read(events[0], &count, sizeof(count)) > 0 ||
		read(events[1], &count, sizeof(count)) > 0)
		;
	return 0;
}
