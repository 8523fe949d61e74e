/* kmsg: see kmsg.h. Used by memory/oom_monitor. */
#include "kernel/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/strings.h"

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* The last ",key=" before end; NULL when there is none. */
static const char *find_back(const char *line, const char *end, const char *key)
{
	size_t n = strlen(key);

	for (size_t at = (size_t)(end - line); at >= n; at--)
		if (memcmp(line + at - n, key, n) == 0)
			return line + at - n;
	return NULL;
}

/* A task's name has 15 bytes at most and may hold anything: the furthest ",task=" that allows. */
static const char *find_task(const char *line, const char *pid)
{
	const char *found = NULL;

	for (const char *p = pid; (p = find_back(line, p, ",task="));)
		if ((size_t)(pid - p) - strlen(",task=") < sizeof(((struct kmsg_oom *)0)->comm))
			found = p;
		else
			break;
	return found;
}

static void copy_span(char *out, size_t size, const char *from, const char *to)
{
	size_t n = (size_t)(to - from) < size ? (size_t)(to - from) : size - 1;

	memcpy(out, from, n);
	out[n] = '\0';
}

/*
 * "...,task_memcg=GROUP,task=NAME,pid=N,uid=N". Names of tasks and of groups inside a container are
 * the container's to choose: read from the end, and a line that could be read in two ways is not
 * believed.
 */
bool kmsg_parse_oom(const char *record, struct kmsg_oom *ret)
{
	const char *line = strchr(record, ';'), *group, *task, *pid, *end;
	struct kmsg_oom oom;
	char number[16];

	if (!line || !str_starts(line + 1, "oom-kill:"))
		return false;
	end = line + strcspn(line, "\n");
	end = find_back(line, end, ",uid=");
	pid = end ? find_back(line, end, ",pid=") : NULL;
	task = pid ? find_task(line, pid) : NULL;
	group = task ? find_back(line, task, ",task_memcg=") : NULL;
	if (!group || group != strstr(line, ",task_memcg="))
		return false;
	copy_span(oom.task_memcg, sizeof(oom.task_memcg), group + strlen(",task_memcg="), task);
	copy_span(oom.comm, sizeof(oom.comm), task + strlen(",task="), pid);
	copy_span(number, sizeof(number), pid + strlen(",pid="), end);
	if (parse_u32(number, &oom.pid) < 0)
		return false;
	*ret = oom;
	return true;
}

bool kmsg_next_oom(int fd, struct kmsg_oom *ret)
{
	char record[2048];

	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL))
			continue; /* EPIPE: records were overwritten, the next read goes on after
				     the gap */
		if (n <= 0)
			return false;
		record[n] = '\0';
		if (kmsg_parse_oom(record, ret))
			return true;
	}
}
