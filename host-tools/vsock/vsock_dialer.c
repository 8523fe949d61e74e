/* vsock_dialer: see the header. Here: the common calls, and the host kernel's vhost-vsock. */
#include "vsock/vsock_dialer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "base/cleanup.h"

int vsock_dial(const struct vsock_dialer *dialer, uint32_t port, uint64_t timeout_ms,
	vsock_dial_fn done, void *owner, struct vsock_dial **ret, struct error *err)
{
	return dialer->dial(dialer->context, port, timeout_ms, done, owner, ret, err);
}

void vsock_dial_cancel(struct vsock_dial *dial)
{
	if (dial)
		dial->cancel(dial);
}

/* A connect(2) under way. */
struct kernel_dial {
	struct vsock_dial base;
	struct event_source source; /* descriptor owned */
	struct event_timer deadline;
	vsock_dial_fn done;
	void *owner;
};

/* The kernel's words for what vsock_dialer.h tells apart (net/vmw_vsock/af_vsock.c). */
static int translate(int errnum)
{
	switch (errnum) {
	case ECONNRESET: /* RST: nobody listens */
		return -ECONNREFUSED;
	case ENODEV:
	case EHOSTUNREACH: /* no VM has this CID (yet) */
		return -EAGAIN;
	default:
		return -errnum;
	}
}

static void finish(struct kernel_dial *dial, int result)
{
	vsock_dial_fn done = dial->done;
	void *owner = dial->owner;
	int fd = dial->source.fd;

	event_source_remove(&dial->source);
	event_timer_stop(&dial->deadline);
	free(dial);
	if (result < 0)
		close_fd(&fd);
	done(owner, result, result < 0 ? -1 : fd);
}

static void on_connected(struct event_source *source, uint32_t events)
{
	struct kernel_dial *dial = container_of(source, struct kernel_dial, source);
	socklen_t len = sizeof(int);
	int errnum = 0;

	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	finish(dial, errnum ? translate(errnum) : 0);
}

static void on_deadline(struct event_timer *timer)
{
	finish(container_of(timer, struct kernel_dial, deadline), -ETIMEDOUT);
}

static void cancel(struct vsock_dial *base)
{
	struct kernel_dial *dial = container_of(base, struct kernel_dial, base);
	int fd = dial->source.fd;

	event_source_remove(&dial->source);
	event_timer_stop(&dial->deadline);
	close(fd);
	free(dial);
}

static int start_connect(uint32_t cid, uint32_t port, uint64_t timeout_ms)
{
	struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	/* The kernel's own limit (2 s) must not come before ours. */
	struct timeval limit = {.tv_sec = timeout_ms / 1000 + 1};
	_cleanup_fd_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return translate(errno);
	return take_fd(&fd);
}

static int kernel_dial(void *context, uint32_t port, uint64_t timeout_ms, vsock_dial_fn done,
	void *owner, struct vsock_dial **ret, struct error *err)
{
	struct vsock_kernel_dialer *kernel = context;
	struct kernel_dial *dial;
	int fd, r;

	if (timeout_ms == 0)
		timeout_ms = VSOCK_DIAL_TIMEOUT_MS;
	fd = start_connect(kernel->cid, port, timeout_ms);
	if (fd < 0)
		return error_set(err, STATUS_UNAVAILABLE, -fd, "dial vsock port %u of CID %u", port,
			kernel->cid);
	dial = calloc(1, sizeof(*dial));
	if (!dial) {
		close(fd);
		return error_errno(err, ENOMEM, "dial vsock port %u", port);
	}
	dial->base.cancel = cancel;
	dial->done = done;
	dial->owner = owner;
	/* Writable also when it is connected already. */
	r = event_source_add(kernel->loop, &dial->source, fd, EPOLLOUT, on_connected, "vsock dial");
	if (r < 0) {
		close(fd);
		free(dial);
		return error_errno(err, -r, "watch a dial to vsock port %u", port);
	}
	event_timer_start(kernel->loop, &dial->deadline, timeout_ms, on_deadline, "vsock dial");
	if (ret)
		*ret = &dial->base;
	return 0;
}

struct vsock_dialer vsock_kernel_dialer_init(
	struct vsock_kernel_dialer *kernel, struct event_loop *loop, uint32_t cid)
{
	*kernel = (struct vsock_kernel_dialer){.loop = loop, .cid = cid};
	return (struct vsock_dialer){.dial = kernel_dial, .context = kernel};
}
