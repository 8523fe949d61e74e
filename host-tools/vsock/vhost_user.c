/*
 * vhost_user: see the header. Each message is a row of `handlers`; a handler answers 0 (done),
 * REPLIED (it sent its own reply) or an error, which QEMU learns where it asked to be told, and
 * otherwise by our hanging up: a half-understood state is worse than no device.
 */
#include "vsock/vhost_user.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/socket.h"
#include "base/strings.h"

#define OFFERED_FEATURES                                                                           \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC |                        \
		VHOST_F_PROTOCOL_FEATURES)
#define OFFERED_PROTOCOL                                                                           \
	(VHOST_PROTOCOL_MQ | VHOST_PROTOCOL_REPLY_ACK | VHOST_PROTOCOL_CONFIG |                    \
		VHOST_PROTOCOL_RESET_DEVICE)
#define REPLIED		   1
#define MESSAGES_PER_EVENT 64 /* the rest waits for the next pass: epoll is level-triggered */
#define RING_MASK	   0xff
#define RING_NO_FD	   0x100

/* ---- rings ---- */

static bool ring_running(const struct vhost_ring *ring)
{
	return vring_mapped(&ring->vring) && event_source_added(&ring->kick) && ring->enabled;
}

/* After any change of a ring: tell the owner when the device as a whole starts. */
static void update_running(struct vhost_user *vhost)
{
	bool run = ring_running(&vhost->rings[0]) && ring_running(&vhost->rings[1]);
	bool resumed = true;

	if (run == vhost->running)
		return;
	vhost->running = run;
	if (!run)
		return;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		struct vhost_ring *ring = &vhost->rings[i];

		resumed = resumed && ring->stopped_once && ring->stopped_at == ring->vring.next;
		ring->vring.broken = false;
		ring->vring.signalled = ring->vring.next;
		ring->vring.signalled_valid = false;
	}
	vhost->ops->started(vhost->owner, resumed);
}

/* Before any change that stops a ring. Where it stands now is where a mere pause resumes. */
static void stop_running(struct vhost_user *vhost)
{
	if (!vhost->running)
		return;
	vhost->ops->stopping(vhost->owner);
	vhost->running = false;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		vhost->rings[i].stopped_at = vhost->rings[i].vring.next;
		vhost->rings[i].stopped_once = true;
	}
}

static void drop_kick(struct vhost_ring *ring)
{
	int fd = ring->kick.fd;

	if (!event_source_added(&ring->kick))
		return;
	event_source_remove(&ring->kick);
	close(fd);
}

static void set_call(struct vhost_ring *ring, int fd)
{
	close_fd(&ring->call_fd);
	ring->call_fd = ring->vring.call_fd = fd;
}

static void stop_ring(struct vhost_ring *ring)
{
	drop_kick(ring);
	set_call(ring, -1);
	vring_unmap(&ring->vring);
}

static void on_kick(struct event_source *source, uint32_t events)
{
	struct vhost_ring *ring = container_of(source, struct vhost_ring, kick);
	struct vhost_user *vhost = ring->owner;
	uint64_t count;
	ssize_t n = read(source->fd, &count, sizeof(count));

	/* Not an eventfd after all, or hung up: a source that is always ready would spin. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		stop_running(vhost);
		drop_kick(ring);
		return;
	}
	if (vhost->running)
		vhost->ops->kicked(vhost->owner, ring - vhost->rings);
}

/* ---- messages ---- */

static int bad(struct error *err, const char *what)
{
	return error_set(err, STATUS_INVALID_ARGUMENT, EPROTO, "%s", what);
}

static int reply(struct vhost_user *vhost, uint32_t request, const void *data, size_t size,
	struct error *err)
{
	int r = vhost_message_reply(vhost->connection.fd, request, data, size);

	return r < 0 ? error_errno(err, -r, "answer QEMU") : REPLIED;
}

static int reply_u64(
	struct vhost_user *vhost, struct vhost_message *m, uint64_t value, struct error *err)
{
	return reply(vhost, m->header.request, &value, sizeof(value), err);
}

static struct vhost_ring *ring_of(struct vhost_user *vhost, uint64_t index)
{
	return index < RING_COUNT ? &vhost->rings[index] : NULL;
}

static int get_features(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	return reply_u64(vhost, m, OFFERED_FEATURES, err);
}

static int set_features(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	uint64_t features = m->payload.u64;

	if (features & ~OFFERED_FEATURES)
		return bad(err, "features that were not offered");
	if (!(features & VIRTIO_F_VERSION_1))
		return bad(err, "a legacy driver (no VIRTIO_F_VERSION_1)");
	vhost->features = features;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		vhost->rings[i].vring.event_idx = features & VIRTIO_F_EVENT_IDX;
		vhost->rings[i].vring.indirect = features & VIRTIO_F_INDIRECT_DESC;
	}
	return 0;
}

static int get_protocol_features(
	struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	return reply_u64(vhost, m, OFFERED_PROTOCOL, err);
}

static int set_protocol_features(
	struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	if (m->payload.u64 & ~OFFERED_PROTOCOL)
		return bad(err, "protocol features that were not offered");
	vhost->protocol_features = m->payload.u64;
	return 0;
}

static int get_queue_num(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	return reply_u64(vhost, m, RING_COUNT, err);
}

static int set_owner(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	return 0;
}

static int reset_owner(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	stop_running(vhost);
	for (unsigned i = 0; i < RING_COUNT; i++)
		stop_ring(&vhost->rings[i]);
	return 0;
}

static int reset_device(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	reset_owner(vhost, m, err);
	for (unsigned i = 0; i < RING_COUNT; i++)
		vhost->rings[i].stopped_once = false;
	vhost->ops->reset(vhost->owner);
	return 0;
}

/* May come while rings run (hotplug): map the new, move the rings over, then drop the old. */
static int set_mem_table(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct guest_region_spec specs[GUEST_MEMORY_REGIONS_MAX];
	struct guest_memory fresh = {0}, old;
	uint32_t count = m->payload.u32[0];
	int r;

	if (count == 0 || count > GUEST_MEMORY_REGIONS_MAX || count != m->fd_count ||
		m->header.size < 8 + count * sizeof(*specs))
		return bad(err, "memory table");
	memcpy(specs, m->payload.bytes + 8, count * sizeof(*specs));
	r = guest_memory_map(&fresh, specs, m->fds, count, err);
	if (r < 0)
		return r;
	old = vhost->memory;
	vhost->memory = fresh;
	for (unsigned i = 0; i < RING_COUNT && r >= 0; i++)
		if (vring_mapped(&vhost->rings[i].vring))
			r = vring_map(&vhost->rings[i].vring, &vhost->memory, err);
	if (r < 0) /* one ring may still point into the old mapping */
		for (unsigned i = 0; i < RING_COUNT; i++)
			vring_unmap(&vhost->rings[i].vring);
	if (r < 0)
		vhost->running = false;
	guest_memory_release(&old);
	return r;
}

static int set_vring_num(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring = ring_of(vhost, m->payload.u32[0]);

	if (!ring || vring_mapped(&ring->vring) || m->payload.u32[1] > VRING_SIZE_MAX)
		return bad(err, "ring size");
	ring->vring.size = m->payload.u32[1];
	return 0;
}

static int set_vring_base(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring = ring_of(vhost, m->payload.u32[0]);

	if (!ring || vring_mapped(&ring->vring) || m->payload.u32[1] > UINT16_MAX)
		return bad(err, "ring base");
	ring->vring.next = m->payload.u32[1];
	return 0;
}

static int set_vring_addr(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring = ring_of(vhost, m->payload.u32[0]);
	uint64_t at[4]; /* descriptors, used, available, log: in this order */

	if (!ring)
		return bad(err, "ring address");
	memcpy(at, m->payload.bytes + 8, sizeof(at));
	ring->vring.addresses =
		(struct vring_addresses){.desc = at[0], .used = at[1], .avail = at[2]};
	if (!vring_mapped(&ring->vring))
		return 0; /* looked up when the ring starts */
	stop_running(vhost);
	if (vring_map(&ring->vring, &vhost->memory, err) < 0)
		return -EFAULT;
	update_running(vhost);
	return 0;
}

/*
 * Eventfds have no file type. A socket would do for a kick, but QEMU's own end of our connection,
 * kept by us, would hide QEMU's death for ever (found by fuzzing).
 */
static bool is_anonymous(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

/* KICK, CALL, ERR: u64 with the ring in the low byte; *fd is ours, or -1 when none came. */
static int ring_and_fd(struct vhost_user *vhost, struct vhost_message *m, struct vhost_ring **ring,
	int *fd, struct error *err)
{
	uint64_t value = m->payload.u64;
	bool none = value & RING_NO_FD;

	*ring = ring_of(vhost, value & RING_MASK);
	if (!*ring || (value & ~(uint64_t)(RING_MASK | RING_NO_FD)) ||
		m->fd_count != (none ? 0 : 1))
		return bad(err, "ring descriptor");
	*fd = vhost_message_take_fd(m, 0);
	if (*fd < 0)
		return 0;
	if (!is_anonymous(*fd)) {
		close_fd(fd);
		return bad(err, "a ring's descriptor that is no eventfd");
	}
	fd_set_nonblock(*fd, true); /* QEMU's are; nobody else may make us sleep */
	return 0;
}

static int set_vring_kick(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct vhost_ring *ring;
	int r = ring_and_fd(vhost, m, &ring, &fd, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return bad(err, "a ring to be polled (no kick descriptor)");
	stop_running(vhost);
	drop_kick(ring);
	if (!vring_mapped(&ring->vring))
		r = vring_map(&ring->vring, &vhost->memory, err);
	if (r < 0)
		return r;
	r = event_source_add(vhost->loop, &ring->kick, fd, EPOLLIN, on_kick, "vsock kick");
	if (r < 0)
		return error_errno(err, -r, "watch a ring's kick");
	take_fd(&fd);
	update_running(vhost);
	return 0;
}

static int set_vring_call(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring;
	int fd = -1, r = ring_and_fd(vhost, m, &ring, &fd, err);

	if (r < 0)
		return r;
	set_call(ring, fd);
	/* What was pushed while nobody could be told (or with the former descriptor) is told now.
	 */
	vring_interrupt(&ring->vring, true);
	return 0;
}

static int set_vring_err(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct vhost_ring *ring;

	return ring_and_fd(vhost, m, &ring, &fd, err); /* nothing we would ever write there */
}

static int set_vring_enable(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring = ring_of(vhost, m->payload.u32[0]);
	bool enable = m->payload.u32[1];

	if (!ring || m->payload.u32[1] > 1)
		return bad(err, "ring enable");
	if (!enable)
		stop_running(vhost);
	ring->enabled = enable;
	update_running(vhost);
	return 0;
}

/* Stops the ring: its addresses are void from now on. */
static int get_vring_base(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	struct vhost_ring *ring = ring_of(vhost, m->payload.u32[0]);
	uint32_t answer[2];

	if (!ring)
		return bad(err, "ring base asked for");
	stop_running(vhost);
	stop_ring(ring);
	answer[0] = m->payload.u32[0];
	answer[1] = ring->vring.next;
	return reply(vhost, m->header.request, answer, sizeof(answer), err);
}

/* Configuration space: the CID, little endian (virtio 1.2 section 5.10.4). */
static int get_config(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	uint64_t config = htole64(vhost->guest_cid);
	uint32_t range[3]; /* offset, size, flags */

	memcpy(range, m->payload.bytes, sizeof(range));
	if (range[0] > sizeof(config) || range[1] > sizeof(config) - range[0] ||
		m->header.size != sizeof(range) + range[1])
		return reply(vhost, m->header.request, NULL, 0, err); /* the protocol's "no" */
	memcpy(m->payload.bytes + sizeof(range), (uint8_t *)&config + range[0], range[1]);
	return reply(vhost, m->header.request, m->payload.bytes, m->header.size, err);
}

struct handler {
	const char *name;  /* NULL: a message we do not know */
	unsigned min, max; /* payload, bytes */
	unsigned fds;	   /* most descriptors that may come along */
	int (*handle)(struct vhost_user *vhost, struct vhost_message *m, struct error *err);
};

static const struct handler handlers[] = {
	[VHOST_GET_FEATURES] = {"GET_FEATURES", 0, 0, 0, get_features},
	[VHOST_SET_FEATURES] = {"SET_FEATURES", 8, 8, 0, set_features},
	[VHOST_SET_OWNER] = {"SET_OWNER", 0, 0, 0, set_owner},
	[VHOST_RESET_OWNER] = {"RESET_OWNER", 0, 0, 0, reset_owner},
	[VHOST_SET_MEM_TABLE] = {"SET_MEM_TABLE", 40, 264, 8, set_mem_table},
	[VHOST_SET_VRING_NUM] = {"SET_VRING_NUM", 8, 8, 0, set_vring_num},
	[VHOST_SET_VRING_ADDR] = {"SET_VRING_ADDR", 40, 40, 0, set_vring_addr},
	[VHOST_SET_VRING_BASE] = {"SET_VRING_BASE", 8, 8, 0, set_vring_base},
	[VHOST_GET_VRING_BASE] = {"GET_VRING_BASE", 8, 8, 0, get_vring_base},
	[VHOST_SET_VRING_KICK] = {"SET_VRING_KICK", 8, 8, 1, set_vring_kick},
	[VHOST_SET_VRING_CALL] = {"SET_VRING_CALL", 8, 8, 1, set_vring_call},
	[VHOST_SET_VRING_ERR] = {"SET_VRING_ERR", 8, 8, 1, set_vring_err},
	[VHOST_GET_PROTOCOL_FEATURES] = {"GET_PROTOCOL_FEATURES", 0, 0, 0, get_protocol_features},
	[VHOST_SET_PROTOCOL_FEATURES] = {"SET_PROTOCOL_FEATURES", 8, 8, 0, set_protocol_features},
	[VHOST_GET_QUEUE_NUM] = {"GET_QUEUE_NUM", 0, 0, 0, get_queue_num},
	[VHOST_SET_VRING_ENABLE] = {"SET_VRING_ENABLE", 8, 8, 0, set_vring_enable},
	[VHOST_GET_CONFIG] = {"GET_CONFIG", 12, 268, 0, get_config},
	[VHOST_RESET_DEVICE] = {"RESET_DEVICE", 0, 0, 0, reset_device},
};

static int run_handler(struct vhost_user *vhost, struct vhost_message *m, struct error *err)
{
	uint32_t request = m->header.request;
	const struct handler *h = request < ARRAY_SIZE(handlers) ? &handlers[request] : NULL;
	int r;

	if (!h || !h->name)
		return error_set(
			err, STATUS_UNIMPLEMENTED, EPROTO, "vhost-user request %u", request);
	if (m->header.size < h->min || m->header.size > h->max || m->fd_count > h->fds)
		return error_set(err, STATUS_INVALID_ARGUMENT, EPROTO,
			"vhost-user %s: %u bytes, %u descriptors", h->name, m->header.size,
			m->fd_count);
	r = h->handle(vhost, m, err);
	if (r < 0)
		error_prefix(err, "vhost-user %s", h->name);
	return r;
}

int vhost_user_handle(struct vhost_user *vhost, struct vhost_message *message, struct error *err)
{
	bool tell = (message->header.flags & VHOST_FLAG_NEED_REPLY) &&
		    (vhost->protocol_features & VHOST_PROTOCOL_REPLY_ACK);
	struct error told = ERROR_INIT;
	char text[ERROR_RENDER_MAX];
	int r = run_handler(vhost, message, &told);

	if (r == REPLIED)
		return 0;
	if (tell) {
		if (r < 0)
			vsock_log_say(
				&vhost->log, LOG_ERROR, error_render(&told, text, sizeof(text)));
		r = reply_u64(vhost, message, r < 0, err);
		return r < 0 ? r : 0;
	}
	if (r < 0 && err)
		*err = told;
	return r;
}

/* ---- connection ---- */

static void drop_source(struct event_source *source)
{
	int fd = source->fd;

	if (!event_source_added(source))
		return;
	event_source_remove(source);
	close(fd);
}

/* Everything of this QEMU: what a later one sends must not meet anything old. */
static void hang_up(struct vhost_user *vhost)
{
	drop_source(&vhost->connection);
	for (unsigned i = 0; i < RING_COUNT; i++) {
		struct vhost_ring *ring = &vhost->rings[i];

		stop_ring(ring);
		memset(&ring->vring, 0, sizeof(ring->vring));
		ring->vring.call_fd = -1;
		ring->vring.writable = i == RING_RECEIVE;
		ring->enabled = ring->stopped_once = false;
	}
	vhost->running = false;
	vhost->features = vhost->protocol_features = 0;
	guest_memory_release(&vhost->memory);
	vhost_message_clear(&vhost->message);
}

static void on_message(struct event_source *source, uint32_t events)
{
	struct vhost_user *vhost = container_of(source, struct vhost_user, connection);
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];
	int r = 1;

	for (unsigned i = 0; i < MESSAGES_PER_EVENT && r > 0; i++) {
		r = vhost_message_read(&vhost->message, source->fd);
		if (r < 0 && r != -ECONNRESET)
			error_errno(&err, -r, "read vhost-user message");
		if (r <= 0)
			break;
		r = vhost_user_handle(vhost, &vhost->message, &err);
		vhost_message_clear(&vhost->message);
		r = r < 0 ? r : 1;
	}
	if (r >= 0)
		return;
	if (err.status)
		vsock_log_say(&vhost->log, LOG_ERROR, error_render(&err, text, sizeof(text)));
	stop_running(vhost); /* the guest's last bytes, when QEMU has just exited */
	hang_up(vhost);
	vhost->ops->gone(vhost->owner);
}

static void on_connect(struct event_source *source, uint32_t events)
{
	struct vhost_user *vhost = container_of(source, struct vhost_user, listener);
	int fd = socket_accept(source->fd);

	if (fd < 0)
		return;
	if (vhost_user_connected(vhost)) {
		vsock_log_say(&vhost->log, LOG_WARN, "a second QEMU was refused");
		close(fd);
		return;
	}
	if (event_source_add(
		    vhost->loop, &vhost->connection, fd, EPOLLIN, on_message, "vhost-user") < 0)
		close(fd);
}

bool vhost_user_connected(const struct vhost_user *vhost)
{
	return event_source_added(&vhost->connection);
}

/* The socket gives access to the device of this guest: for its owner only. */
static int listen_private(const char *path, struct error *err)
{
	struct address address = {.kind = ADDRESS_UNIX};
	mode_t old;
	int fd;

	if (str_copy(address.path, sizeof(address.path), path) < 0)
		return error_errno(err, ENAMETOOLONG, "listen on %s", path);
	old = umask(0177);
	fd = address_listen(&address, 4, err);
	umask(old);
	return fd;
}

int vhost_user_init(struct vhost_user *vhost, struct event_loop *loop, const char *path,
	uint64_t guest_cid, const struct vhost_user_ops *ops, void *owner, struct error *err)
{
	int fd, r;

	memset(vhost, 0, sizeof(*vhost));
	vhost->loop = loop;
	vhost->ops = ops;
	vhost->owner = owner;
	vhost->guest_cid = guest_cid;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		vhost->rings[i].owner = vhost;
		vhost->rings[i].call_fd = vhost->rings[i].vring.call_fd = -1;
		vhost->rings[i].vring.writable = i == RING_RECEIVE;
	}
	fd = listen_private(path, err);
	if (fd < 0)
		return fd;
	r = event_source_add(
		loop, &vhost->listener, fd, EPOLLIN, on_connect, "vhost-user listener");
	if (r < 0) {
		close(fd);
		unlink(path);
		return error_errno(err, -r, "watch %s", path);
	}
	str_copy(vhost->path, sizeof(vhost->path), path);
	return 0;
}

void vhost_user_release(struct vhost_user *vhost)
{
	hang_up(vhost);
	drop_source(&vhost->listener);
	if (vhost->path[0])
		unlink(vhost->path);
	vhost->path[0] = '\0';
	vsock_log_end(&vhost->log);
}
