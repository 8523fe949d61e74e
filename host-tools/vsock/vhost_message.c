/* vhost_message: see the header. */
#include "vsock/vhost_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* Keeps what fits; says -EPROTO when there was more. */
static int take_rights(struct vhost_message *message, struct msghdr *msg)
{
	int result = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (message->fd_count < VHOST_FDS_MAX) {
				message->fds[message->fd_count++] = fd;
			} else {
				close(fd);
				result = -EPROTO;
			}
		}
	}
	return result;
}

static int receive(struct vhost_message *message, int sock, void *to, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = to, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space)};
	ssize_t n;
	int r;

	do
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	r = take_rights(message, &msg);
	if (r < 0)
		return r;
	if (n == 0)
		return -ECONNRESET;
	message->have += n;
	return n;
}

static int check_header(const struct vhost_header *header)
{
	if ((header->flags & VHOST_VERSION_MASK) != VHOST_VERSION ||
		(header->flags & VHOST_FLAG_REPLY) || header->size > VHOST_PAYLOAD_MAX)
		return -EPROTO;
	return 0;
}

int vhost_message_read(struct vhost_message *message, int sock)
{
	int r;

	while (message->have < VHOST_HEADER_SIZE) {
		r = receive(message, sock, (uint8_t *)&message->header + message->have,
			VHOST_HEADER_SIZE - message->have);
		if (r <= 0)
			return r;
	}
	r = check_header(&message->header);
	if (r < 0)
		return r;
	while (message->have < VHOST_HEADER_SIZE + message->header.size) {
		size_t done = message->have - VHOST_HEADER_SIZE;

		r = receive(
			message, sock, message->payload.bytes + done, message->header.size - done);
		if (r <= 0)
			return r;
	}
	return 1;
}

void vhost_message_clear(struct vhost_message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++)
		close_fd(&message->fds[i]);
	memset(message, 0, sizeof(*message));
}

int vhost_message_take_fd(struct vhost_message *message, unsigned i)
{
	return i < message->fd_count ? take_fd(&message->fds[i]) : -1;
}

int vhost_message_reply(int sock, uint32_t request, const void *payload, size_t size)
{
	struct vhost_header header = {
		.request = request, .flags = VHOST_VERSION | VHOST_FLAG_REPLY, .size = size};
	struct iovec iov[2] = {{.iov_base = &header, .iov_len = VHOST_HEADER_SIZE},
		{.iov_base = (void *)payload, .iov_len = size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	do
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == VHOST_HEADER_SIZE + size ? 0 : -EAGAIN;
}
