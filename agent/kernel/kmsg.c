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

/* Copies the value after ",key=" up to the next comma. Names of tasks may hold commas: taken last.
 */
static bool field(const char *line, const char *key, char *out, size_t size)
{
	const char *p = strstr(line, key);
	size_t n;

	if (!p)
		return false;
	p += strlen(key);
	n = strcspn(p, ",\n");
	if (n >= size)
		n = size - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

bool kmsg_parse_oom(const char *record, struct kmsg_oom *ret)
{
	const char *line = strchr(record, ';');
	struct kmsg_oom oom;
	char pid[16];

	if (!line || !str_starts(line + 1, "oom-kill:"))
		return false;
	if (!field(line, ",task_memcg=", oom.task_memcg, sizeof(oom.task_memcg)) ||
		!field(line, ",task=", oom.comm, sizeof(oom.comm)) ||
		!field(line, ",pid=", pid, sizeof(pid)) || parse_u32(pid, &oom.pid) < 0)
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
