/*
 * host_output: writes to our own stdout or stderr without ever sleeping, however slow the reader:
 * the same thread is the guest's vsock device. The descriptor's flags are shared with others (the
 * shell's terminal), so O_NONBLOCK is never set on it: the file is opened anew where that works,
 * sockets are written with MSG_DONTWAIT, plain files just written.
 */
#ifndef RUN_HOST_OUTPUT_H
#define RUN_HOST_OUTPUT_H

#include "base/buffer.h"
#include "base/event_loop.h"

#include <stdbool.h>

struct host_output {
	struct event_loop *loop;
	struct event_source source;
	int fd;	    /* what is written to */
	bool owned; /* our own opening of it */
	bool is_socket, is_plain;
	size_t chunk; /* most bytes of one write */
	struct buffer pending;
	bool broken; /* the reader is gone: what comes is thrown away */
	/* Everything was written, or the reader is gone (broken). From the loop. */
	void (*drained)(struct host_output *output);
};

/* fd is 1 or 2 and stays the caller's. */
void host_output_init(struct host_output *output, struct event_loop *loop, int fd,
	void (*drained)(struct host_output *output));
/* Takes a copy of what cannot be written at once. 0, or -ENOMEM. */
int host_output_write(struct host_output *output, const void *data, size_t len);
size_t host_output_pending(const struct host_output *output);
void host_output_release(struct host_output *output);

#endif
