/*
 * vhost_user: the back end of QEMU's vhost-user-vsock-pci (QEMU docs/interop/vhost-user.rst).
 *
 * Owns the listening socket, the one QEMU that is connected, the guest's memory and two rings
 * (0 receive: host to guest, 1 transmit: guest to host; the event ring stays in QEMU). Knows no
 * packets. Used by vsock_device. Never sleeps; QEMU's main loop sleeps on our answers.
 */
#ifndef VSOCK_VHOST_USER_H
#define VSOCK_VHOST_USER_H

#include "base/error.h"
#include "base/event_loop.h"
#include "vsock/guest_memory.h"
#include "vsock/vhost_message.h"
#include "vsock/vring.h"
#include "vsock/vsock_log.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

/* Feature bits (virtio 1.2 section 6; 30 is vhost-user's own) and protocol features. */
#define VIRTIO_F_INDIRECT_DESC	    (1ULL << 28)
#define VIRTIO_F_EVENT_IDX	    (1ULL << 29)
#define VHOST_F_PROTOCOL_FEATURES   (1ULL << 30)
#define VIRTIO_F_VERSION_1	    (1ULL << 32)
#define VHOST_PROTOCOL_MQ	    (1ULL << 0)
#define VHOST_PROTOCOL_REPLY_ACK    (1ULL << 3)
#define VHOST_PROTOCOL_CONFIG	    (1ULL << 9)
#define VHOST_PROTOCOL_RESET_DEVICE (1ULL << 13)

enum { RING_RECEIVE, RING_TRANSMIT, RING_COUNT };

/* Calls to the owner. The owner may not free the back end inside them. */
struct vhost_user_ops {
	/* Both rings run. resumed: after a pause, at the very place where they stopped. */
	void (*started)(void *owner, bool resumed);
	void (*stopping)(void *owner); /* last chance to take what the guest has sent */
	void (*reset)(void *owner);    /* QEMU 10 says that the guest was reset */
	void (*kicked)(void *owner, unsigned ring);
	void (*gone)(void *owner); /* QEMU hung up, or broke the protocol and was hung up on */
};

struct vhost_ring {
	struct vring vring;
	struct event_source kick; /* fd owned while added */
	struct vhost_user *owner;
	int call_fd;	   /* owned, -1 = none */
	bool enabled;	   /* SET_VRING_ENABLE */
	bool stopped_once; /* stopped_at says where */
	uint16_t stopped_at;
};

struct vhost_user {
	struct event_loop *loop;
	const struct vhost_user_ops *ops;
	void *owner;
	uint64_t guest_cid;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct event_source listener, connection; /* descriptors owned */
	struct vhost_message message;		  /* the one being read */
	uint64_t features, protocol_features;	  /* negotiated */
	struct guest_memory memory;
	struct vhost_ring rings[RING_COUNT];
	struct vsock_log log;
	bool running; /* both rings are mapped, kicked and enabled */
};

/* Listens. ops must outlive it. On failure nothing is left behind. */
int vhost_user_init(struct vhost_user *vhost, struct event_loop *loop, const char *path,
	uint64_t guest_cid, const struct vhost_user_ops *ops, void *owner, struct error *err);
/* Calls no op. Removes the socket file. */
void vhost_user_release(struct vhost_user *vhost);
bool vhost_user_connected(const struct vhost_user *vhost);
/* For tests: handle one whole message as if it had come; 0, or the reason to hang up. */
int vhost_user_handle(struct vhost_user *vhost, struct vhost_message *message, struct error *err);

#endif
