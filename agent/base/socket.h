/*
 * socket: addresses of stream sockets.
 *
 *   vsock://CID:PORT      AF_VSOCK; CID -1 (any) when listening (kernel:
 * include/uapi/linux/vm_sockets.h) unix://PATH           AF_UNIX, file system name unix://@NAME
 * AF_UNIX, abstract hvsock://PATH:PORT    hybrid vsock: connect to unix PATH, write "CONNECT
 * PORT\n", read "OK n\n" (connect only; host-side.md 4.3) No name service is ever asked.
 */
#ifndef BASE_SOCKET_H
#define BASE_SOCKET_H

#include "base/error.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum address_kind { ADDRESS_VSOCK, ADDRESS_UNIX, ADDRESS_HVSOCK };

struct address {
	enum address_kind kind;
	uint32_t cid, port; /* vsock; port also for hvsock */
	char path[sizeof(
		((struct sockaddr_un *)0)->sun_path)]; /* unix, hvsock; "@name" = abstract */
};

/* Parses text; *ret untouched on failure; error names the text. */
int address_parse(const char *text, struct address *ret, struct error *err);
/* Listening non-blocking CLOEXEC socket. An old socket file at a unix path is replaced. */
int address_listen(const struct address *address, int backlog, struct error *err);
/*
 * Connected non-blocking CLOEXEC socket. MAY SLEEP up to timeout_ms (connect and, for hvsock, the
 * CONNECT/OK exchange, whose line is read byte-exactly so that nothing of the stream is lost).
 */
int address_connect(const struct address *address, int timeout_ms, struct error *err);
/* One accepted non-blocking CLOEXEC socket, or negative errno (-EAGAIN when there is none). */
int socket_accept(int listen_fd);
/* AF_UNIX SOCK_SEQPACKET or SOCK_STREAM pair, CLOEXEC, blocking. */
int socket_pair(int type, int fds[2]);
#define SOCKET_FDS_MAX 16
/*
 * Sends one message with n <= SOCKET_FDS_MAX descriptors (SCM_RIGHTS); bytes sent or negative
 * errno.
 */
ssize_t socket_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n);
/*
 * Receives one message; descriptors arrive CLOEXEC in fds, *n set to how many (in: room). -EMSGSIZE
 * when the message or its descriptors do not fit: then all of them are closed.
 */
ssize_t socket_recv_fds(int sock, void *data, size_t len, int *fds, size_t *n);

#endif
