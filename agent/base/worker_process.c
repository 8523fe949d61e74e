/*
 * worker_process: one child that reads small files for us, so that a kernel lock held elsewhere
 * stops it and not the loop. Used by memory/ and sandbox/ for cgroup statistics.
 *
 * This file is the parent's side: a queue, one request under way, a timer. worker_child.c is the
 * other side of the socket; worker_messages.h is what they say.
 */
#include "base/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/worker_messages.h"

#define ANSWER_TIMEOUT_MS 1000

struct worker {
	struct event_loop *loop;
	struct child_process child; /* pid 0: none */
	struct event_source source; /* fd -1: none; owned */
	struct event_timer timer;
	struct event_task pump;
	struct list_node queue; /* of requests; the one under way is the first, unless cancelled */
	unsigned last_id;

	bool busy; /* a request is under way, perhaps one that was cancelled since */
	unsigned busy_id;
	size_t expected, received;
	struct worker_file files[WORKER_FILES_MAX]; /* texts owned */
};

/* ---- the child's life -------------------------------------------------------------------------
 */

static void drop_child(struct worker *worker)
{
	event_source_remove(&worker->source);
	close_fd(&worker->source.fd);
	child_process_signal(&worker->child, SIGKILL);
	child_process_disown(&worker->child);
}

static void on_readable(struct event_source *source, uint32_t events);

/* Exit without a request: seen here, replaced when the next request needs it. */
static void on_child_exit(struct child_process *child)
{
	struct worker *worker = container_of(child, struct worker, child);

	log_printf(LOG_WARN, "worker", "worker %d ended, status %d", (int)child->pid,
		child->exit_status);
	child_process_disown(child);
	/* Answers it has sent before are still in the socket; its end is what we look for there. */
	if (!worker->busy)
		drop_child(worker);
}

static int start_child(struct worker *worker)
{
	int fds[2], r;
	pid_t pid;

	r = socket_pair(SOCK_SEQPACKET, fds);
	if (r < 0)
		return r;
	pid = child_process_fork(&worker->child, NULL, on_child_exit, "worker");
	if (pid == 0)
		worker_child_main(fds[1]);
	close(fds[1]);
	r = pid < 0 ? pid : fd_set_nonblock(fds[0], true);
	if (r == 0)
		r = event_source_add(
			worker->loop, &worker->source, fds[0], EPOLLIN, on_readable, "worker");
	if (r < 0) {
		close(fds[0]);
		worker->source.fd = -1;
		child_process_signal(&worker->child, SIGKILL);
		child_process_disown(&worker->child);
	}
	return r;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static void forget_files(struct worker_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)files[i].text);
}

static void on_pump(struct event_task *task);

static struct worker_request *first_request(struct worker *worker)
{
	if (list_empty(&worker->queue))
		return NULL;
	return list_entry(worker->queue.next, struct worker_request, node);
}

static void unqueue(struct worker_request *request)
{
	list_remove(&request->node);
	free(request->message);
	request->message = NULL;
}

/* Ends the request under way. done may free the worker: nothing is touched after it. */
static void complete(struct worker *worker, int result)
{
	struct worker_request *request = first_request(worker);
	struct worker_file files[WORKER_FILES_MAX];
	size_t count = worker->received;

	memcpy(files, worker->files, count * sizeof(files[0]));
	event_timer_stop(&worker->timer);
	worker->busy = false;
	worker->received = 0;
	event_task_defer(worker->loop, &worker->pump, on_pump);
	if (request && request->id == worker->busy_id) {
		unqueue(request);
		request->done(request, result, result < 0 ? NULL : files, result < 0 ? 0 : count);
	}
	forget_files(files, count);
}

/* The child cannot be trusted with another request. */
static void replace_child(struct worker *worker, int result, const char *why)
{
	int r;

	log_printf(LOG_WARN, "worker", "worker %d replaced: %s", (int)worker->child.pid, why);
	drop_child(worker);
	r = start_child(worker);
	if (r < 0)
		log_printf(LOG_WARN, "worker", "no new worker: %s", errno_name(r));
	complete(worker, result);
}

static void on_timeout(struct event_timer *timer)
{
	replace_child(
		container_of(timer, struct worker, timer), -ETIMEDOUT, "no answer within its time");
}

static void on_pump(struct event_task *task)
{
	struct worker *worker = container_of(task, struct worker, pump);
	struct worker_request *request = first_request(worker);
	ssize_t n;
	int r = 0;

	if (worker->busy || !request)
		return;
	if (worker->source.fd < 0)
		r = start_child(worker);
	worker->busy = true;
	worker->busy_id = request->id;
	worker->expected = request->count;
	worker->received = 0;
	if (r < 0) {
		complete(worker, r);
		return;
	}
	n = send(worker->source.fd, request->message, request->message_len, MSG_NOSIGNAL);
	if (n != (ssize_t)request->message_len) {
		replace_child(worker, -EIO, "request not sent");
		return;
	}
	free(request->message);
	request->message = NULL;
	event_timer_start(
		worker->loop, &worker->timer, ANSWER_TIMEOUT_MS, on_timeout, "worker-timeout");
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* Checks one answer against what was asked, and keeps its text. 0 or negative errno. */
static int take_answer(
	struct worker *worker, const struct worker_answer *answer, const char *bytes, size_t room)
{
	struct worker_request *request = first_request(worker);
	struct worker_file *file = &worker->files[worker->received];
	char *text;

	if (answer->len > room || answer->len > WORKER_FILE_MAX)
		return -EPROTO;
	if (!worker->busy || worker->received == worker->expected ||
		answer->id != worker->busy_id || answer->index != worker->received ||
		answer->errnum < 0 || (answer->errnum && answer->len))
		return -EPROTO;
	text = malloc((size_t)answer->len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, bytes, answer->len);
	text[answer->len] = '\0';
	*file = (struct worker_file){.errnum = answer->errnum, .text = text, .len = answer->len};
	if (request && request->id == worker->busy_id)
		file->name = request->names[worker->received];
	worker->received++;
	return 0;
}

/* All answers of one message. */
static int take_batch(struct worker *worker, const char *at, size_t left)
{
	while (left > 0) {
		struct worker_answer answer;
		int r;

		if (left < sizeof(answer))
			return -EPROTO;
		memcpy(&answer, at, sizeof(answer));
		at += sizeof(answer);
		left -= sizeof(answer);
		r = take_answer(worker, &answer, at, left);
		if (r < 0)
			return r;
		at += answer.len;
		left -= answer.len;
	}
	return 0;
}

static void on_readable(struct event_source *source, uint32_t events)
{
	struct worker *worker = container_of(source, struct worker, source);
	char batch[WORKER_BATCH_MAX];

	for (;;) {
		ssize_t n = recv(source->fd, batch, sizeof(batch), MSG_TRUNC);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 && !worker->busy) {
			drop_child(worker);
			return;
		}
		if (n <= 0) {
			replace_child(worker, -EIO, "it is gone");
			return;
		}
		if ((size_t)n > sizeof(batch) || take_batch(worker, batch, (size_t)n) < 0) {
			replace_child(worker, -EIO, "its answer does not fit the request");
			return;
		}
		if (worker->received == worker->expected) {
			complete(worker, 0);
			return;
		}
	}
}

/* ---- interface --------------------------------------------------------------------------------
 */

struct worker *worker_new(struct event_loop *loop)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker)
		return NULL;
	worker->loop = loop;
	worker->source.fd = -1;
	list_init(&worker->queue);
	r = start_child(worker);
	if (r < 0) {
		free(worker);
		errno = -r;
		return NULL;
	}
	return worker;
}

void worker_free(struct worker *worker)
{
	struct worker_request *request;

	if (!worker)
		return;
	drop_child(worker);
	event_timer_stop(&worker->timer);
	event_task_cancel(&worker->pump);
	forget_files(worker->files, worker->received);
	while ((request = first_request(worker))) {
		unqueue(request);
		request->done(request, -ECANCELED, NULL, 0);
	}
	free(worker);
}

/* Header, then dir and the names, each with its NUL. Allocated; NULL with *error set. */
static char *make_message(unsigned id, const char *dir, const char *const *names, size_t count,
	size_t *len, int *error)
{
	struct worker_question head = {.id = id, .count = (uint32_t)count};
	size_t size = sizeof(head) + strlen(dir) + 1;
	char *message, *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(names[i]) + 1;
	*error = -ENAMETOOLONG;
	if (size > WORKER_QUESTION_MAX)
		return NULL;
	*error = -ENOMEM;
	message = malloc(size);
	if (!message)
		return NULL;
	at = mempcpy(message, &head, sizeof(head));
	at = mempcpy(at, dir, strlen(dir) + 1);
	for (size_t i = 0; i < count; i++)
		at = mempcpy(at, names[i], strlen(names[i]) + 1);
	*len = size;
	return message;
}

int worker_read(struct worker *worker, struct worker_request *request, const char *dir,
	const char *const *names, size_t count, worker_done_fn done)
{
	int error = 0;

	if (count == 0 || count > WORKER_FILES_MAX)
		return -EINVAL;
	*request = (struct worker_request){
		.id = ++worker->last_id, .done = done, .names = names, .count = count};
	request->message =
		make_message(request->id, dir, names, count, &request->message_len, &error);
	if (!request->message)
		return error;
	list_append(&worker->queue, &request->node);
	event_task_defer(worker->loop, &worker->pump, on_pump);
	return 0;
}

void worker_cancel(struct worker_request *request)
{
	unqueue(request);
}

int worker_pid(const struct worker *worker)
{
	return worker->child.pid;
}
