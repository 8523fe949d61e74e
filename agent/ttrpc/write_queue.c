/* write_queue: see the header. Used by connection.c only. */
#include "ttrpc/write_queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct queued_frame {
	struct list_node node;
	uint8_t *data; /* owned */
	size_t len, offset;
	connection_sent_fn done;
	void *context;
	bool delivered;
};

bool budget_has(const struct connection_budget *budget, size_t bytes)
{
	return budget->used <= budget->max && bytes <= budget->max - budget->used;
}

void write_queue_init(struct write_queue *queue, struct connection_budget *budget)
{
	list_init(&queue->waiting);
	list_init(&queue->finished);
	queue->bytes = 0;
	queue->budget = budget;
}

int write_queue_add(
	struct write_queue *queue, struct buffer *frame, connection_sent_fn done, void *context)
{
	struct queued_frame *queued = calloc(1, sizeof(*queued));

	if (!queued)
		return -ENOMEM;
	queued->len = frame->len;
	queued->data = (uint8_t *)buffer_steal(frame);
	queued->done = done;
	queued->context = context;
	queue->budget->used += queued->len;
	queue->bytes += queued->len;
	list_append(&queue->waiting, &queued->node);
	return 0;
}

size_t write_queue_gather(const struct write_queue *queue, struct iovec *iov, size_t n, size_t max)
{
	size_t used = 0;

	list_for_each (node, &queue->waiting) {
		const struct queued_frame *frame = list_entry(node, struct queued_frame, node);
		size_t len = frame->len - frame->offset;

		if (used == n || max == 0)
			break;
		if (len > max)
			len = max;
		iov[used++] = (struct iovec){frame->data + frame->offset, len};
		max -= len;
	}
	return used;
}

static void free_frame(struct write_queue *queue, struct queued_frame *frame)
{
	queue->budget->used -= frame->len;
	free(frame->data);
	free(frame);
}

static void finish_frame(struct write_queue *queue, struct queued_frame *frame, bool delivered)
{
	list_remove(&frame->node);
	queue->bytes -= frame->len;
	frame->delivered = delivered;
	if (frame->done)
		list_append(&queue->finished, &frame->node);
	else
		free_frame(queue, frame);
}

void write_queue_advance(struct write_queue *queue, size_t sent)
{
	list_for_each_safe (node, &queue->waiting) {
		struct queued_frame *frame = list_entry(node, struct queued_frame, node);
		size_t left = frame->len - frame->offset;

		if (sent < left) {
			frame->offset += sent;
			return;
		}
		sent -= left;
		finish_frame(queue, frame, true);
	}
}

void write_queue_abandon(struct write_queue *queue)
{
	list_for_each_safe (node, &queue->waiting)
		finish_frame(queue, list_entry(node, struct queued_frame, node), false);
}

void write_queue_tell(struct write_queue *queue, const bool *gone)
{
	list_for_each_safe (node, &queue->finished) {
		struct queued_frame *frame = list_entry(node, struct queued_frame, node);
		connection_sent_fn done = frame->done;
		void *context = frame->context;
		bool delivered = frame->delivered;

		list_remove(&frame->node);
		free_frame(queue, frame);
		done(context, delivered);
		if (*gone)
			return; /* whoever made it so has told the others */
	}
}

bool write_queue_empty(const struct write_queue *queue)
{
	return list_empty(&queue->waiting) && list_empty(&queue->finished);
}
