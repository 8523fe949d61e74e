/*
 * vm_logs: what a guest says on its console, in files: console.log has all of it as it came,
 * agent.log the agent's records (JSON objects, one a line), kernel.log every other line. The guest
 * is not trusted with our disk: a file that reaches VM_LOG_MAX becomes NAME.log.1, and the one
 * before that is gone. vm.log, what the keeper says itself, is no exception: a guest can make it
 * talk. Used by the keeper.
 */
#ifndef VMS_VM_LOGS_H
#define VMS_VM_LOGS_H

#include <stddef.h>
#include <stdint.h>

#define VM_LOG_MAX	(1u << 20)
#define VM_LOG_LINE_MAX 4608 /* an agent's record has at most 4096 (base/log.h) */

struct vm_log_file {
	const char *name; /* static text */
	int fd;		  /* owned; -1: it could not be made, and nothing is kept */
	uint64_t bytes;
};

struct vm_logs {
	int folder; /* not owned */
	struct vm_log_file console, kernel, agent, own;
	char line[VM_LOG_LINE_MAX];
	size_t len;
};

/* Makes the files in folder. 0, or the first negative errno (what could be made is used). */
int vm_logs_open(struct vm_logs *logs, int folder);
/*
 * Standard output and error of this process are vm.log (made by vm_start.c): from now on it is kept
 * as small as the others. Whatever bypasses vm_logs_say() lands in it as well.
 */
void vm_logs_take_stderr(struct vm_logs *logs);
void vm_logs_say(struct vm_logs *logs, const char *line, size_t len); /* with its newline */
/* Takes what came from the console; a line that is too long is cut into several. */
void vm_logs_feed(struct vm_logs *logs, const void *data, size_t len);
void vm_logs_close(struct vm_logs *logs); /* an unfinished line is kept as one */

#endif
