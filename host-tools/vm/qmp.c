/* qmp: greeting, capabilities, quit, events. One JSON object a line. */
#include "vm/qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* QEMU's longest answers to what we ask are events of a few hundred bytes. */
#define QMP_LINE_MAX 65536

static void close_qmp(struct qmp *qmp)
{
	int fd = qmp->source.fd;

	if (qmp->state == QMP_CLOSED)
		return;
	event_source_remove(&qmp->source);
	close(fd);
	qmp->state = QMP_CLOSED;
}

/* Commands are shorter than any socket buffer: what does not fit is a QEMU that does not read. */
static void send_command(struct qmp *qmp, const char *name)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", name);

	if (send(qmp->source.fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		close_qmp(qmp);
}

static void become_ready(struct qmp *qmp)
{
	qmp->state = QMP_READY;
	if (qmp->events.ready)
		qmp->events.ready(qmp->events.owner);
	if (qmp->quit_wanted)
		send_command(qmp, "quit");
}

static void handle_object(struct qmp *qmp, struct json_object *object)
{
	struct json_object *value;

	if (json_object_object_get_ex(object, "QMP", &value) && qmp->state == QMP_GREETING) {
		qmp->state = QMP_NEGOTIATING;
		send_command(qmp, "qmp_capabilities");
	} else if (json_object_object_get_ex(object, "return", &value)) {
		if (qmp->state == QMP_NEGOTIATING)
			become_ready(qmp);
	} else if (json_object_object_get_ex(object, "event", &value) &&
		   json_object_is_type(value, json_type_string) && qmp->events.event) {
		qmp->events.event(qmp->events.owner, json_object_get_string(value));
	}
}

static void handle_line(struct qmp *qmp, const char *line)
{
	struct json_object *object = json_tokener_parse(line);

	if (object && json_object_is_type(object, json_type_object))
		handle_object(qmp, object);
	json_object_put(object);
}

static void handle_lines(struct qmp *qmp)
{
	uint8_t *end;

	while (qmp->state != QMP_CLOSED && qmp->in.len > 0 &&
		(end = memchr(qmp->in.data, '\n', qmp->in.len))) {
		*end = '\0';
		handle_line(qmp, (const char *)qmp->in.data);
		/* A callback may have released us. */
		if (qmp->state == QMP_CLOSED)
			return;
		buffer_consume(&qmp->in, (size_t)(end - qmp->in.data) + 1);
	}
}

static void on_readable(struct event_source *source, uint32_t events)
{
	struct qmp *qmp = container_of(source, struct qmp, source);
	char chunk[4096];
	ssize_t n = recv(source->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || buffer_append(&qmp->in, chunk, (size_t)n) < 0) {
		close_qmp(qmp);
		return;
	}
	handle_lines(qmp);
}

int qmp_init(struct qmp *qmp, struct event_loop *loop, int fd, const struct qmp_events *events,
	struct error *err)
{
	int r;

	memset(qmp, 0, sizeof(*qmp));
	buffer_init(&qmp->in, QMP_LINE_MAX);
	qmp->events = *events;
	r = event_source_add(loop, &qmp->source, fd, EPOLLIN, on_readable, "qmp");
	if (r < 0) {
		close(fd);
		qmp->state = QMP_CLOSED;
		return error_errno(err, -r, "QMP socket");
	}
	return 0;
}

void qmp_release(struct qmp *qmp)
{
	if (qmp->source.loop)
		close_qmp(qmp);
	buffer_release(&qmp->in);
}

void qmp_quit(struct qmp *qmp)
{
	if (qmp->quit_wanted)
		return;
	qmp->quit_wanted = true;
	if (qmp->state == QMP_READY)
		send_command(qmp, "quit");
}

void qmp_power_button(struct qmp *qmp)
{
	if (qmp->state == QMP_READY)
		send_command(qmp, "system_powerdown");
}
