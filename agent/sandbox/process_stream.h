/*
 * process_stream: one stdio stream of a process, agent's end: a pipe, or the master of a pty shared
 * by stdin and stdout. Waiting readers and writers hang here.
 *
 * No output is buffered here: the descriptor is in epoll only while somebody waits. Bytes are
 * taken from the kernel only when they can be answered at once, so a caller that vanishes loses
 * none. Nothing sleeps.
 */
#ifndef SANDBOX_PROCESS_STREAM_H
#define SANDBOX_PROCESS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/event_loop.h"
#include "base/waiter.h"

struct process_stream {
	struct event_source source;
	int fd;			 /* owned; -1 = closed or never there */
	bool readable_end;	 /* we read from it (stdout, stderr) */
	bool end_of_file;	 /* the reader was told */
	bool roomy;		 /* its pipe's size is settled: large, or as the host wants it */
	bool abandon;		 /* exited and its grace is over: an empty pipe means end of file */
	bool close_when_written; /* stdin: close once the queued writers are done */
	struct waiter_list waiters; /* value 0: try again; negative errno: it is over */
};

void process_stream_init(struct process_stream *stream);
/* Takes fd (made non-blocking). */
int process_stream_open(
	struct event_loop *loop, struct process_stream *stream, int fd, bool readable_end);
/* Wakes everybody with value, closes. Idempotent; accepts a zeroed stream. */
void process_stream_close(struct process_stream *stream, int value);
/* Bytes that a read would find; 0 also at the end of file. */
size_t process_stream_available(const struct process_stream *stream);
/*
 * Bytes read (0 = end of file), -EAGAIN: park on stream->waiters and call process_stream_want(), or
 * another negative errno. EIO of a pty's master is its end of file (c27).
 */
ssize_t process_stream_read(struct process_stream *stream, void *data, size_t len);
/* What one reader reads into; zeroed before its first try. In the reader's arena. */
struct read_memory {
	void *data;
	size_t size; /* bytes there are, whatever the pipe said or says */
};

/*
 * Like process_stream_read() of at most len (> 0) bytes into memory->data, which is made, and grows
 * from try to try, for what is there and not for what was asked: most reads wait, and then get
 * little. In all at most twice the largest read is taken from the arena. -ENOMEM: nothing was read.
 */
ssize_t process_stream_take(
	struct process_stream *stream, struct arena *arena, struct read_memory *memory, size_t len);
/* Bytes written (may be fewer), -EAGAIN likewise, -EPIPE when the reader is gone or it was closed.
 */
ssize_t process_stream_write(struct process_stream *stream, const void *data, size_t len);
/* Somebody has parked: watch the descriptor until it is ready. */
void process_stream_want(struct process_stream *stream);
/* The process has exited and its grace is over: readers get what is left, then end of file. */
void process_stream_abandon(struct process_stream *stream);

#endif
