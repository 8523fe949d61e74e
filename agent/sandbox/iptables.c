/* iptables: see iptables.h. Called by sandbox/network. */
#include "sandbox/iptables.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/fd.h"
#include "base/strings.h"
#include "hard_limits.h"

/* Seconds that it waits for another one to let go of the tables' lock. */
#define LOCK_WAIT "5"
/* Beyond that wait; the call itself has HELPER_TIMEOUT_MS. */
#define TIMEOUT_S 30

/* g14: the right program of the family, in either folder. */
static int find_program(bool ipv6, const char *verb, char *path, size_t size, struct error *err)
{
	static const char *const folders[] = {"/usr/sbin", "/sbin"};
	const char *name = ipv6 ? "ip6tables" : "iptables";

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		str_format(path, size, "%s/%s-%s", folders[i], name, verb);
		if (access(path, X_OK) == 0)
			return 0;
	}
	return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
		"this guest has no %s-%s in /usr/sbin or /sbin", name, verb);
}

/* The helper's own limit: it writes to no other file, and the program inherits it. */
static int limit_output(struct error *err)
{
	struct rlimit limit = {IPTABLES_MAX, IPTABLES_MAX};

	return setrlimit(RLIMIT_FSIZE, &limit) < 0
		       ? error_errno(err, errno, "limit the size of an output")
		       : 0;
}

/* g14: a failure is one, whatever was written before it. */
static int run(const char *path, char **args, int input, int fd, struct error *err)
{
	static char *env[] = {(char *)"PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL};
	struct command command = {.path = path,
		.args = args,
		.env = env,
		.input = input,
		.stdout_fd = fd,
		.timeout_s = TIMEOUT_S};
	int r = limit_output(err);

	command_unprotect();
	if (r == 0)
		r = command_run(&command, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

int iptables_save(bool ipv6, int fd, struct error *err)
{
	char path[64];
	char *args[] = {path, NULL};

	if (find_program(ipv6, "save", path, sizeof(path), err) < 0)
		return -ENOENT;
	return run(path, args, -1, fd, err);
}

int iptables_restore(bool ipv6, const void *data, size_t len, int fd, struct error *err)
{
	char path[64];
	char *args[] = {path, (char *)"--wait", (char *)LOCK_WAIT, NULL};
	_cleanup_fd_ int input = -1;
	ssize_t n;

	if (find_program(ipv6, "restore", path, sizeof(path), err) < 0)
		return -ENOENT;
	/* All of it at once: no pipe that fills up while the program writes. */
	input = memfd_create("iptables", MFD_CLOEXEC);
	if (input < 0)
		return error_errno(err, errno, "memfd for %s", path);
	n = len ? fd_write_full(input, data, len) : 0;
	if (n < 0 || lseek(input, 0, SEEK_SET) < 0)
		return error_errno(err, n < 0 ? (int)-n : errno, "pass the rules to %s", path);
	return run(path, args, input, fd, err);
}
