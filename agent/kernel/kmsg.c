/* kmsg: see kmsg.h. Used by memory/oom_monitor. */
#include "kernel/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"

int kmsg_open_oldest(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int kmsg_open(void)
{
	int fd = kmsg_open_oldest();

	if (fd >= 0)
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
static bool parse_summary(const char *line, struct kmsg_oom *ret)
{
	const char *group, *task, *pid, *end;
	struct kmsg_oom oom = {0};
	char number[16];

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

/* "...Killed process PID (NAME) total-vm:NkB, anon-rss:NkB, file-rss:NkB, shmem-rss:NkB, ..." */
static bool parse_killed(const char *line, const char *pid, struct kmsg_oom *ret)
{
	const char *end = line + strcspn(line, "\n"), *name, *sizes;
	struct kmsg_oom oom = {.sized = true};
	int used = 0;

	sizes = find_back(line, end, ") total-vm:");
	if (sscanf(pid, "%" SCNu32 " (%n", &oom.pid, &used) != 1 || used == 0 || !sizes)
		return false;
	name = pid + used;
	if (sizes < name || (size_t)(sizes - name) >= sizeof(oom.comm))
		return false;
	copy_span(oom.comm, sizeof(oom.comm), name, sizes);
	if (sscanf(sizes,
		    ") total-vm:%*ukB, anon-rss:%" SCNu64 "kB, file-rss:%" SCNu64
		    "kB, shmem-rss:%" SCNu64 "kB",
		    &oom.anon, &oom.file, &oom.shmem) != 3)
		return false;
	oom.anon *= 1024;
	oom.file *= 1024;
	oom.shmem *= 1024;
	*ret = oom;
	return true;
}

/* What a process writes to /dev/kmsg never has the kernel's own facility, 0. */
static const char *kernel_line(const char *record)
{
	const char *line = strchr(record, ';');

	return line && strtoul(record, NULL, 10) < 8 ? line + 1 : NULL;
}

bool kmsg_parse_oom(const char *record, struct kmsg_oom *ret)
{
	static const char *const killed[] = {
		"Memory cgroup out of memory: Killed process ", "Out of memory: Killed process "};
	const char *line = kernel_line(record);

	if (!line)
		return false;
	if (str_starts(line, "oom-kill:"))
		return parse_summary(line, ret);
	for (size_t i = 0; i < ARRAY_SIZE(killed); i++)
		if (str_starts(line, killed[i]))
			return parse_killed(line, line + strlen(killed[i]), ret);
	return false;
}

bool kmsg_parse_requested(const char *record, uint32_t *device, uint64_t *bytes)
{
	const char *line = kernel_line(record);

	return line && sscanf(line, "virtio_mem virtio%" SCNu32 ": requested size: %" SCNx64,
			       device, bytes) == 2;
}

/* One record, NUL-terminated; false: there is none (yet). */
static bool next_record(int fd, char *record, size_t size)
{
	for (;;) {
		ssize_t n = read(fd, record, size - 1);

		if (n < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL))
			continue; /* EPIPE: records were overwritten, the next read goes on after
				     the gap */
		if (n <= 0)
			return false;
		record[n] = '\0';
		return true;
	}
}

bool kmsg_next_oom(int fd, struct kmsg_oom *ret)
{
	char record[2048];

	while (next_record(fd, record, sizeof(record)))
		if (kmsg_parse_oom(record, ret))
			return true;
	return false;
}

bool kmsg_next_requested(int fd, uint32_t *device, uint64_t *bytes)
{
	char record[2048];

	while (next_record(fd, record, sizeof(record)))
		if (kmsg_parse_requested(record, device, bytes))
			return true;
	return false;
}
