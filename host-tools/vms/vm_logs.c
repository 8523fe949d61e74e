/* vm_logs: see the header. */
#include "vms/vm_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

/* The numbers 1 and 2 stay: others write there without us. */
static void start_over_stderr(struct vm_logs *logs, struct vm_log_file *file)
{
	struct vm_log_file fresh = {.name = file->name};

	file->bytes = 0;
	if (open_file(logs, &fresh) < 0) {
		/* No room for another: then this one begins anew. */
		if (ftruncate(file->fd, 0) < 0)
			file->fd = -1;
		return;
	}
	dup2(fresh.fd, STDOUT_FILENO);
	dup2(fresh.fd, STDERR_FILENO);
	close(fresh.fd);
}

static void start_over(struct vm_logs *logs, struct vm_log_file *file)
{
	char old[32];

	str_format(old, sizeof(old), "%s.1", file->name);
	renameat(logs->folder, file->name, logs->folder, old);
	if (file == &logs->own) {
		start_over_stderr(logs, file);
		return;
	}
	close_fd(&file->fd);
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
	logs->own.fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r;

		files[i]->name = names[i];
		r = open_file(logs, files[i]);
		if (first == 0)
			first = r;
	}
	return first;
}

void vm_logs_take_stderr(struct vm_logs *logs)
{
	struct stat st;

	logs->own.name = "vm.log";
	logs->own.fd = STDERR_FILENO;
	logs->own.bytes = fstat(STDERR_FILENO, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void vm_logs_say(struct vm_logs *logs, const char *line, size_t len)
{
	append(logs, &logs->own, line, len);
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
