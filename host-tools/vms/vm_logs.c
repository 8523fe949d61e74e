/* vm_logs: see the header. */
#include "vms/vm_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/strings.h"

static int open_file(struct vm_logs *logs, struct vm_log_file *file)
{
	file->bytes = 0;
	file->fd = openat(logs->folder, file->name,
		O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return file->fd < 0 ? -errno : 0;
}

static void start_over(struct vm_logs *logs, struct vm_log_file *file)
{
	char old[32];

	str_format(old, sizeof(old), "%s.1", file->name);
	close_fd(&file->fd);
	renameat(logs->folder, file->name, logs->folder, old);
	open_file(logs, file);
}

/* A full disk loses a part of the log, not the VM. */
static void append(struct vm_logs *logs, struct vm_log_file *file, const void *data, size_t len)
{
	if (file->bytes > 0 && file->bytes + len > VM_LOG_MAX)
		start_over(logs, file);
	if (file->fd >= 0 && fd_write_full(file->fd, data, len) >= 0)
		file->bytes += len;
}

int vm_logs_open(struct vm_logs *logs, int folder)
{
	struct vm_log_file *files[] = {&logs->console, &logs->kernel, &logs->agent};
	static const char *const names[] = {"console.log", "kernel.log", "agent.log"};
	int first = 0;

	memset(logs, 0, sizeof(*logs));
	logs->folder = folder;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r;

		files[i]->name = names[i];
		r = open_file(logs, files[i]);
		if (first == 0)
			first = r;
	}
	return first;
}

static void finish_line(struct vm_logs *logs)
{
	struct vm_log_file *file;

	if (logs->len > 0 && logs->line[logs->len - 1] == '\r')
		logs->len--;
	if (logs->len == 0)
		return;
	logs->line[logs->len] = '\0';
	/* How every record of the agent begins (base/log.c). */
	file = str_starts(logs->line, "{\"msg\":") ? &logs->agent : &logs->kernel;
	logs->line[logs->len++] = '\n';
	append(logs, file, logs->line, logs->len);
	logs->len = 0;
}

void vm_logs_feed(struct vm_logs *logs, const void *data, size_t len)
{
	const char *bytes = data;

	append(logs, &logs->console, data, len);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n' || logs->len == VM_LOG_LINE_MAX - 2)
			finish_line(logs);
		if (bytes[i] != '\n')
			logs->line[logs->len++] = bytes[i];
	}
}

void vm_logs_close(struct vm_logs *logs)
{
	finish_line(logs);
	close_fd(&logs->console.fd);
	close_fd(&logs->kernel.fd);
	close_fd(&logs->agent.fd);
}
