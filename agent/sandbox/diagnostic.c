/* diagnostic: see diagnostic.h. Called by service/diagnostic_service. */
#include "sandbox/diagnostic.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "sandbox/container.h"
#include "sandbox/container_spec.h"
#include "sandbox/sandbox.h"

/* kubelet's name for it: where in the container the log is. */
#define PATH_ANNOTATION "io.kubernetes.container.terminationMessagePath"

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (str_eq(spec->annotations[i]->key, key))
			return spec->annotations[i]->value;
	return NULL;
}

static int find_in(const struct container *container, const Grpc__Spec *spec, char *path,
	size_t size, struct error *err)
{
	const char *inside = annotation(spec, PATH_ANNOTATION);

	if (str_empty(inside))
		return error_errno(err, ENOENT, "container %s has no annotation " PATH_ANNOTATION,
			container->id);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *source = spec->mounts[i]->source;

		if (!str_eq(spec->mounts[i]->destination, inside))
			continue;
		if (source[0] != '/' || str_copy(path, size, source) < 0)
			return error_errno(err, EINVAL,
				"container %s: '%.200s', mounted on %s, is no path of the guest",
				container->id, source, inside);
		return 0;
	}
	return error_errno(
		err, ENOENT, "container %s has no mount on %.200s", container->id, inside);
}

static int find_log(const struct container *container, char *path, size_t size, struct error *err)
{
	const Grpc__Spec *spec;
	struct arena scratch;
	int r = -ENOMEM;

	arena_init(&scratch, LAUNCH_ARENA_MAX);
	spec = container_spec(container, &scratch, err);
	if (spec)
		r = find_in(container, spec, path, size, err);
	arena_release(&scratch);
	return r;
}

/* In a helper. A FIFO does not block an open for reading that says O_NONBLOCK; it is refused then.
 */
static int read_log(void *arg, struct error *err)
{
	const struct diagnostic_read *read = arg;
	_cleanup_fd_ int fd =
		open(read->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char data[DIAGNOSTIC_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open termination log %s", read->path);
	if (!S_ISREG(st.st_mode))
		return error_errno(
			err, EINVAL, "termination log %s is no regular file", read->path);
	n = fd_read_full(fd, data, sizeof(data));
	if (n > 0)
		n = fd_write_full(read->memfd, data, (size_t)n);
	return n < 0 ? error_errno(err, (int)-n, "read termination log %s", read->path) : 0;
}

int diagnostic_start(const struct container *container, struct diagnostic_read *read,
	helper_done_fn done, struct error *err)
{
	int r = find_log(container, read->path, sizeof(read->path), err);

	if (r < 0)
		return r;
	read->memfd = memfd_create("termination-log", MFD_CLOEXEC);
	if (read->memfd < 0)
		return error_errno(err, errno, "memfd for the termination log");
	read->helper.keep = &read->memfd;
	read->helper.keep_count = 1;
	r = helper_run(container->sandbox->loop, &read->helper, read_log, read, SHARE_TIMEOUT_MS,
		done, "read termination log", err);
	if (r < 0)
		close_fd(&read->memfd);
	return r;
}

int diagnostic_take(
	struct diagnostic_read *read, struct arena *arena, char **ret, struct error *err)
{
	char data[DIAGNOSTIC_MAX];
	ssize_t n = pread(read->memfd, data, sizeof(data), 0);
	char *text = arena_alloc(arena, DIAGNOSTIC_MAX + 1);

	diagnostic_cancel(read);
	if (n < 0)
		return error_errno(err, errno, "read back the termination log");
	if (!text)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "termination log");
	utf8_replace(text, DIAGNOSTIC_MAX + 1, data, (size_t)n);
	*ret = text;
	return 0;
}

void diagnostic_cancel(struct diagnostic_read *read)
{
	helper_cancel(&read->helper);
	close_fd(&read->memfd);
}
