/*
 * vsock_connection: one stream between a guest port and a host port: its state table, its credit,
 * and its owner's descriptor (one end of a socketpair, or a unix client).
 *
 * Made, looked up, fed with packets and asked for packets by vsock_device, which alone knows rings.
 * What it wants to send are flags, not a queue, so a guest cannot make us allocate; bytes for an
 * owner that does not read are kept up to the window (256 KiB) and up to what the device allows all
 * connections together. Never sleeps.
 */
#ifndef VSOCK_VSOCK_CONNECTION_H
#define VSOCK_VSOCK_CONNECTION_H

#include "base/event_loop.h"
#include "base/list.h"
#include "vsock/vsock_credit.h"
#include "vsock/vsock_packet.h"
#include "vsock/vsock_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define VSOCK_TURN_MAX	      65536 /* bytes one connection may send before the next has its turn */
#define VSOCK_CLOSE_MS	      8000  /* for the guest's RST after our SHUTDOWN of both directions */
#define VSOCK_NO_PROGRESS_MS  60000 /* owner gone, its last bytes not taken by the guest */
#define VSOCK_STALL_FIRST_MS  50    /* CREDIT_REQUEST again after this, */
#define VSOCK_STALL_REPEAT_MS 200   /* then each time after this */

struct vsock_connection;
struct vsock_connection_ops {
	/* It has something to send, or has ended: have a look after this. Must not free it. */
	void (*changed)(struct vsock_connection *conn);
	/*
	 * The end of a dial: 0, or a negative errno. For 0 returns the descriptor the connection
	 * shall relay (taken over), or a negative errno (the guest is reset).
	 */
	int (*dialled)(struct vsock_connection *conn, int result);
	/*
	 * The backlog's memory is about to grow by so many bytes, or has shrunk (negative): false =
	 * all connections together have too much already. NULL = nobody counts.
	 */
	bool (*account)(struct vsock_connection *conn, ssize_t bytes);
};

struct vsock_connection {
	struct list_node key_node;   /* device: bucket of its key; in none when the key is free */
	struct list_node queue_node; /* device: has something to send */
	struct list_node all_node;
	const struct vsock_connection_ops *ops;
	void *device, *dial; /* the device's; dial NULL once told */
	struct event_loop *loop;
	uint32_t guest_port, host_port;
	bool by_guest; /* the guest dialled */
	enum vsock_state state;
	struct vsock_credit credit;
	/* To be sent (flags: bit = enum vsock_op) */
	unsigned pending;
	unsigned shutdown_flags; /* what the next SHUTDOWN says */
	unsigned guest_shut;	 /* VSOCK_SHUTDOWN_* the guest has said */
	/* The owner's end. */
	struct event_source source; /* descriptor owned while added */
	bool readable;		    /* there may be something to read */
	bool end_read;		    /* we have read its end of file */
	bool end_written;	    /* we have passed on the guest's end of file */
	bool owner_gone;	    /* it reads no more: the guest's bytes are swallowed */
	bool hung;		    /* it is closed altogether: it writes no more either */
	bool stalled;		    /* readable, but no credit */
	bool asked;		    /* CREDIT_REQUEST sent for this stall */
	uint8_t *backlog; /* ring for a slow owner, NULL when empty; grows up to VSOCK_WINDOW */
	size_t backlog_size, backlog_at, backlog_len;
	struct event_timer deadline, stall;
};

/* A dial of ours: REQUEST will be sent; the deadline runs. NULL on no memory. */
struct vsock_connection *vsock_connection_dial(struct event_loop *loop,
	const struct vsock_connection_ops *ops, void *device, uint32_t guest_port,
	uint32_t host_port, uint64_t timeout_ms);
/* The guest's dial, accepted: RESPONSE will be sent. fd is taken over, also on failure (NULL). */
struct vsock_connection *vsock_connection_accept(struct event_loop *loop,
	const struct vsock_connection_ops *ops, void *device, const struct vsock_packet *request,
	int fd);
/* Frees it, whatever its state. It must be in no list but all_node. */
void vsock_connection_free(struct vsock_connection *conn);
/* The key is free and the owner has everything. */
bool vsock_connection_finished(const struct vsock_connection *conn);
bool vsock_connection_has_key(const struct vsock_connection *conn);

void vsock_connection_event(struct vsock_connection *conn, enum vsock_event event);
/*
 * A packet of the guest for this key; payload: the available bytes after the header (they may be
 * fewer than packet->len says: then the guest is broken). The payload is handed on, never parsed.
 */
void vsock_connection_receive(struct vsock_connection *conn, const struct vsock_packet *packet,
	const struct iovec *payload, unsigned count, size_t available);

/* What to send next: VSOCK_OP_NONE when there is nothing (now). */
enum vsock_op vsock_connection_next(struct vsock_connection *conn);
/*
 * Reads the owner's bytes for RW packets: at most vsock_connection_turn() bytes into iov. > 0 bytes
 * read, 0 nothing (now; state may have changed).
 */
size_t vsock_connection_turn(const struct vsock_connection *conn);
ssize_t vsock_connection_read(struct vsock_connection *conn, struct iovec *iov, unsigned count);
/* Fills the header of a packet that is about to be sent, and notes that it was. */
void vsock_connection_send(
	struct vsock_connection *conn, enum vsock_op op, uint32_t len, struct vsock_packet *ret);
/* Waits for the owner in the way that fits now. Call when it has nothing (more) to send. */
void vsock_connection_watch(struct vsock_connection *conn);

#endif
