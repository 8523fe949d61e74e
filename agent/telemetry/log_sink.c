/* log_sink: records to the console, never waiting; see log_sink.h. */
#include "telemetry/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

static struct {
	int fd;
	pid_t owner;
	size_t len;
	uint64_t dropped, reported; /* records lost; of them, those a record has told of */
	struct event_loop *loop;
	struct event_source source;
	char buffer[LOG_SINK_BUFFER];
} sink = {.fd = -1};

/* Writes as much as goes without waiting; bytes written. A broken console swallows everything. */
static size_t write_now(const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(sink.fd, data + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno != EAGAIN)
			return len;
		else
			break;
	}
	return done;
}

static void watch(void)
{
	if (sink.loop && event_source_added(&sink.source))
		event_source_set(&sink.source, sink.len ? EPOLLOUT : 0);
}

static void drain(void)
{
	size_t done = write_now(sink.buffer, sink.len);

	sink.len -= done;
	memmove(sink.buffer, sink.buffer + done, sink.len);
}

/* Whole records only: half of one would be no JSON. */
static bool enqueue(const char *record, size_t len)
{
	if (len > sizeof(sink.buffer) - sink.len)
		return false;
	memcpy(sink.buffer + sink.len, record, len);
	sink.len += len;
	return true;
}

/* Tells of lost records; its text goes through log_record(), so through sink_record() below. */
static void report_drops(void)
{
	uint64_t lost = sink.dropped - sink.reported;

	if (!lost || sizeof(sink.buffer) - sink.len < LOG_RECORD_MAX)
		return;
	sink.reported = sink.dropped;
	log_printf(LOG_WARN, "log", "%" PRIu64 " log records were lost: the console is not read",
		lost);
}

static void sink_record(const char *record, size_t len, void *context)
{
	if (getpid() != sink.owner) {
		write_now(record, len);
		return;
	}
	drain();
	report_drops();
	if (!enqueue(record, len))
		sink.dropped++;
	drain();
	watch();
}

static void on_writable(struct event_source *source, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLOUT))
		sink.len = 0;
	drain();
	report_drops();
	watch();
}

int log_sink_use_fd(int fd, struct error *err)
{
	int r = fd_set_nonblock(fd, true);

	if (r < 0)
		return error_errno(err, -r, "make the console non-blocking");
	log_sink_close();
	sink.fd = fd;
	sink.owner = getpid();
	log_set_sink(sink_record, NULL);
	return 0;
}

int log_sink_open_console(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0)
		return error_errno(err, errno, "open %s", path);
	r = log_sink_use_fd(fd, err);
	if (r < 0)
		close(fd);
	return r;
}

void log_sink_attach(struct event_loop *loop)
{
	if (sink.fd < 0)
		return;
	sink.loop = loop;
	/* What epoll does not take (a file, /dev/null) never makes us wait either. */
	if (event_source_add(loop, &sink.source, sink.fd, sink.len ? EPOLLOUT : 0, on_writable,
		    "console") < 0)
		sink.loop = NULL;
}

void log_sink_flush(int timeout_ms)
{
	uint64_t end = event_loop_now_ns() + (uint64_t)timeout_ms * 1000000;

	while (sink.fd >= 0 && getpid() == sink.owner) {
		struct pollfd poller = {.fd = sink.fd, .events = POLLOUT};
		uint64_t now = event_loop_now_ns();

		drain();
		report_drops();
		if (!sink.len || now >= end)
			break;
		if (poll(&poller, 1, (int)((end - now) / 1000000) + 1) > 0 &&
			!(poller.revents & POLLOUT))
			break;
	}
}

uint64_t log_sink_dropped(void)
{
	return sink.dropped;
}

void log_sink_close(void)
{
	if (sink.fd < 0)
		return;
	log_set_sink(NULL, NULL);
	event_source_remove(&sink.source);
	close_fd(&sink.fd);
	sink.loop = NULL;
	sink.len = 0;
}
