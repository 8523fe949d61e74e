/*
 * worker_child: the child's side of worker_process: question in, files out, until the socket ends.
 *
 * It lives as long as the agent and its memory counts as the agent's: what the parent changes after
 * the fork stays here as a private copy. So it gives its heap and the depth of its stack away at
 * once and allocates nothing.
 */
#include "base/worker_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/resident.h"

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_IS_OURS 0 /* the sanitizer's run-time keeps its own state there */
#else
#define HEAP_IS_OURS 1
#endif

extern char end[]; /* where the program's own data ends (end(3)) */

static void forget_range(uintptr_t from, uintptr_t to)
{
	if (to > from)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

/*
 * Empties the heap: sbrk() memory of a static program, which lies between its data and the break.
 * The first of it holds the thread's own block (errno is in there), made by the C library at start:
 * that stays. madvise(2) goes on behind unmapped parts, whatever it returns.
 */
static void forget_heap(void)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), around = 4 * 4096;
	uintptr_t from = ((uintptr_t)end + page - 1) & ~(page - 1);
	uintptr_t to = (uintptr_t)sbrk(0) & ~(page - 1);
	uintptr_t block = (uintptr_t)&errno;
	uintptr_t keep_from = (block - around) & ~(page - 1);
	uintptr_t keep_to = (block + around + page - 1) & ~(page - 1);

	if (!HEAP_IS_OURS)
		return;
	if (block < from || block >= to) {
		forget_range(from, to);
		return;
	}
	forget_range(from, keep_from);
	forget_range(keep_to, to);
}

/*
 * A cgroup's control file is shown in one piece, or line by line into a page (linux kernel/cgroup,
 * fs/seq_file.c): a read that gives less than this has seen the end, and needs no second one.
 */
#define ONE_PIECE 2048

/* Up to WORKER_FILE_MAX bytes; when there are more, whole lines only. Length or negative errno. */
static ssize_t read_text(int fd, bool control, char *text)
{
	ssize_t n, rest;
	char more;

	n = read(fd, text, WORKER_FILE_MAX);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (n >= 0 && n < (control ? ONE_PIECE : 1))
		return n;
	if (n < 0)
		n = 0;
	rest = fd_read_full(fd, text + n, (size_t)(WORKER_FILE_MAX - n));
	if (rest < 0)
		return rest;
	n += rest;
	if (n == WORKER_FILE_MAX && fd_read_full(fd, &more, 1) == 1) {
		const char *newline = memrchr(text, '\n', (size_t)n);

		if (newline)
			n = newline + 1 - text;
	}
	return n;
}

static ssize_t read_file(int dirfd, bool control, const char *name, char *text)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : read_text(fd, control, text);
}

/* Answers that have not been sent yet. */
struct batch {
	size_t len;
	char data[WORKER_BATCH_MAX];
};

static int batch_send(int socket, struct batch *batch)
{
	ssize_t n;

	do
		n = send(socket, batch->data, batch->len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)batch->len)
		return -EIO;
	batch->len = 0;
	return 0;
}

/* Sends what is there when another answer might not fit. */
static int batch_make_room(int socket, struct batch *batch)
{
	if (sizeof(batch->data) - batch->len >= sizeof(struct worker_answer) + WORKER_FILE_MAX)
		return 0;
	return batch_send(socket, batch);
}

/* The folder of a question. */
struct folder {
	int fd, error; /* fd -1: it could not be opened */
	bool cgroup;
};

static bool is_cgroup(int fd)
{
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC);
}

/* The file goes behind its answer's head; the folder's error stands for it when there is none. */
static void batch_add(struct batch *batch, struct worker_answer answer, const struct folder *folder,
	const char *name)
{
	char *head = batch->data + batch->len;
	ssize_t n = folder->error ? folder->error
				  : read_file(folder->fd, folder->cgroup && name[0] != '/', name,
					    head + sizeof(answer));

	answer.errnum = n < 0 ? (int32_t)-n : 0;
	answer.len = n < 0 ? 0 : (uint32_t)n;
	memcpy(head, &answer, sizeof(answer));
	batch->len += sizeof(answer) + answer.len;
}

/* The next string of the question; NULL when it is not ended within it. */
static const char *next_string(const char **at, const char *stop)
{
	const char *s = *at, *nul = memchr(s, '\0', (size_t)(stop - s));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return s;
}

static int answer_question(int socket, const char *data, size_t size)
{
	struct worker_question head;
	struct batch batch;
	_cleanup_fd_ int dirfd = -1;
	struct folder folder;
	const char *at = data + sizeof(head), *stop = data + size, *dir;

	if (size < sizeof(head))
		return -EPROTO;
	memcpy(&head, data, sizeof(head));
	dir = next_string(&at, stop);
	if (!dir || head.count > WORKER_FILES_MAX)
		return -EPROTO;
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	folder = (struct folder){dirfd, dirfd < 0 ? -errno : 0, is_cgroup(dirfd)};
	batch.len = 0;
	for (uint32_t i = 0; i < head.count; i++) {
		const char *name = next_string(&at, stop);

		if (!name)
			return -EPROTO;
		if (batch_make_room(socket, &batch) < 0)
			return -EIO;
		batch_add(&batch, (struct worker_answer){.id = head.id, .index = i}, &folder, name);
	}
	return batch_send(socket, &batch);
}

/* A function of its own: its buffers are deeper in the stack than what is forgotten first. */
static __attribute__((noinline)) _Noreturn void serve(int socket)
{
	char question[WORKER_QUESTION_MAX];

	for (;;) {
		ssize_t n = recv(socket, question, sizeof(question), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (size_t)n > sizeof(question))
			_exit(n == 0 ? 0 : 1);
		if (answer_question(socket, question, (size_t)n) < 0)
			_exit(1);
	}
}

void worker_child_main(int socket)
{
	const int keep[] = {STDERR_FILENO, socket};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "cradle-worker");
	if (chdir("/") < 0 || fd_close_from(0, keep, ARRAY_SIZE(keep)) < 0)
		_exit(1);
	forget_heap();
	resident_forget_stack(0);
	/* it reads while the guest is out of memory: what it has used stays (locks are not
	 * inherited)
	 */
	resident_lock();
	serve(socket);
}
