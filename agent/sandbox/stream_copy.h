/*
 * stream_copy: moves bytes between a process's stream and the host's connection for it (passfd), in
 * one direction. At most COPY_CHUNK bytes are held, and only those the other side did not take;
 * whoever does not read holds up its own stream and nothing else. Owned by struct process; nothing
 * sleeps, no memory is needed once it is made.
 */
#ifndef SANDBOX_STREAM_COPY_H
#define SANDBOX_STREAM_COPY_H

#include <stdbool.h>

#include "base/event_loop.h"
#include "sandbox/process_stream.h"

struct stream_copy;

/*
 * Runs once, always from the loop: all is copied (stdout, stderr: end of file of the process;
 * stdin: of the host), or one side is gone. Connection and stream are closed by then. (The two
 * streams of a terminal are a copy of its master each: the end of the host's input alone hangs
 * nothing up.)
 */
typedef void (*stream_copy_end_fn)(struct stream_copy *copy, void *owner);

/*
 * Takes the connection. The direction is the stream's: output goes to the host, input comes from
 * it. NULL when there is no memory or no room in epoll (errno set; the connection is closed).
 * Begins with the loop's next turn.
 */
struct stream_copy *stream_copy_new(struct event_loop *loop, struct process_stream *stream,
	int connection, stream_copy_end_fn on_end, void *owner);
void stream_copy_free(struct stream_copy *copy); /* accepts NULL; on_end does not run any more */
/*
 * Of a copy of stdin: ends, as at the host's end of file, when all is written that has arrived by
 * now (what the host still holds back, for want of room here, has not). May be over already.
 */
void stream_copy_finish(struct stream_copy *copy);
bool stream_copy_over(const struct stream_copy *copy);

#endif
