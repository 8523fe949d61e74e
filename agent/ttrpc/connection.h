/*
 * connection: one stream socket that carries ttrpc frames: read state machine, write queue, limits.
 * Embedded in its owner: a server's session or a client. Knows frames, not calls.
 *
 * Reading takes exactly one frame after the other (never beyond it), so it can stop at any frame
 * border: it does while more than WRITE_QUEUE_HIGH bytes wait to be sent, and on
 * connection_hold(). Memory for a body is taken as its bytes arrive and given back with the frame;
 * an idle connection holds none.
 *
 * Writing happens only from the loop (a deferred task, or the socket's readiness), never inside
 * connection_send(), except that a long queue is pushed out there; what follows from it (done
 * functions, the end of the connection) always comes from the loop. So no call into this file
 * runs an owner's function under its caller's feet, connection_release() excepted.
 */
#ifndef TTRPC_CONNECTION_H
#define TTRPC_CONNECTION_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/event_loop.h"
#include "ttrpc/frame.h"
#include "ttrpc/write_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ttrpc_connection;

enum frame_verdict {
	FRAME_TAKE, /* read the body, then frame() */
	FRAME_SKIP, /* read it and throw it away, then skipped() */
	FRAME_END,  /* begin() called connection_end() */
};

struct connection_ops {
	/* A header has come. A length over FRAME_MAX must not be taken. */
	enum frame_verdict (*begin)(
		struct ttrpc_connection *connection, const struct frame_header *header);
	/* body is valid during the call only. */
	void (*frame)(struct ttrpc_connection *connection, const struct frame_header *header,
		const uint8_t *body);
	/* no_memory: begin() said FRAME_TAKE, but the budget or the memory did not have it. */
	void (*skipped)(struct ttrpc_connection *connection, const struct frame_header *header,
		bool no_memory);
	/*
	 * The peer has closed its sending side. What is queued is still written for
	 * CLOSE_FLUSH_MS, then closed() follows.
	 */
	void (*eof)(struct ttrpc_connection *connection);
	/* Runs once, from the loop, as the last of these. May release the connection. */
	void (*closed)(struct ttrpc_connection *connection, const struct error *err);
	/* Everything queued has been written. May be NULL. */
	void (*drained)(struct ttrpc_connection *connection);
};

struct ttrpc_connection {
	int fd; /* owned; -1 once released */
	const struct connection_ops *ops;
	struct connection_budget *budget;
	struct event_loop *loop;
	struct event_source source;
	struct event_timer timer; /* a frame that stalls, or the last flush after eof */
	struct event_task task;

	/* reading */
	uint8_t header_bytes[FRAME_HEADER_SIZE];
	size_t header_len;
	struct frame_header header;
	struct buffer body; /* a body that did not come at once; charged to the budget by its cap */
	uint32_t left;	    /* bytes of the body not read yet */
	bool in_body, skipping, skip_no_memory;

	/* writing */
	struct write_queue writes;
	size_t send_max; /* most bytes of one send(2) */

	bool held, eof, ended;
	bool *released; /* set when released inside one of the owner's functions; NULL outside */
	struct error end;
};

/* Takes fd, makes it non-blocking. 0, or negative errno (fd is closed then as well). */
int connection_init(struct ttrpc_connection *connection, struct event_loop *loop, int fd,
	const struct connection_ops *ops, struct connection_budget *budget, struct error *err);
/* Closes; frames not written get delivered = false. Idempotent; fine inside any of the ops. */
void connection_release(struct ttrpc_connection *connection);

/*
 * Queues one frame and takes frame's memory. done may be NULL; it runs from the loop or from
 * connection_release(). must: a small answer that is due whatever the budget says. On an ended
 * connection the frame is lost: 0, then done(false). -ENOBUFS when the connection or the shared
 * budget has no room, -ENOMEM, -ENOTCONN on a released one: then frame is left alone and done never
 * runs.
 */
int connection_send(struct ttrpc_connection *connection, struct buffer *frame, bool must,
	connection_sent_fn done, void *context);
/* Stops or continues reading. While held the peer's end goes unnoticed. */
void connection_hold(struct ttrpc_connection *connection, bool hold);
/* Gives the connection up for this reason; closed() follows from the loop. Idempotent. */
void connection_end(struct ttrpc_connection *connection, const struct error *err);
/* Nothing is waiting to be written. */
bool connection_drained(const struct ttrpc_connection *connection);
/* "vsock 2:1234", "unix pid 17", for logs. Returns out. */
const char *connection_peer(const struct ttrpc_connection *connection, char *out, size_t size);

#endif
