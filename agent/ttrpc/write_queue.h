/*
 * write_queue: whole frames on their way into a socket, in order, each with a function that learns
 * its fate. Embedded in a connection, which does the sending. Counts its bytes in a budget shared
 * with other connections; judging how much may wait is the connection's. No system calls.
 */
#ifndef TTRPC_WRITE_QUEUE_H
#define TTRPC_WRITE_QUEUE_H

#include "base/buffer.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Bytes of partial frames and write queues, shared by all connections of one server or client. */
struct connection_budget {
	size_t used, max;
};

/* The fate of a queued frame: delivered = its last byte went into the socket. Runs once. */
typedef void (*connection_sent_fn)(void *context, bool delivered);

struct write_queue {
	struct list_node waiting;
	struct list_node finished; /* their functions are due */
	size_t bytes;		   /* of the frames waiting */
	struct connection_budget *budget;
};

bool budget_has(const struct connection_budget *budget, size_t bytes);

void write_queue_init(struct write_queue *queue, struct connection_budget *budget);
/* Takes frame's memory; done may be NULL. -ENOMEM leaves frame alone. */
int write_queue_add(
	struct write_queue *queue, struct buffer *frame, connection_sent_fn done, void *context);
/* What to send next: at most n pieces of at most max bytes in all. Number of pieces. */
size_t write_queue_gather(const struct write_queue *queue, struct iovec *iov, size_t n, size_t max);
/* So many bytes went out; the frames they complete are finished. */
void write_queue_advance(struct write_queue *queue, size_t sent);
/* Nothing that waits will be sent. */
void write_queue_abandon(struct write_queue *queue);
/*
 * Runs the functions that are due now, until one of them sets *gone: then the queue is gone. What
 * they queue themselves comes later.
 */
void write_queue_tell(struct write_queue *queue, const bool *gone);
/* Nothing waits to be sent or told. */
bool write_queue_empty(const struct write_queue *queue);

#endif
