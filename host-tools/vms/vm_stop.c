/*
 * vm_stop: `cradle vm stop`: the keeper is asked, then told, then killed; each step has its time.
 * What a dead VM left is removed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "command_options.h"
#include "vms/vms_internal.h"

#define TIMEOUT_MS    10000
#define FIRM_MS	      5000 /* QMP's quit, a second, SIGKILL, and the files */
#define KILLED_MS     5000
#define TIMEOUT_MAX_S 3600

enum { OPT_TIMEOUT = 256 };

static const struct option options[] = {
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{NULL, 0, NULL, 0},
};

/* True: the keeper has ended within the time. */
static bool signal_and_wait(int pidfd, int signal, uint64_t timeout_ms)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};
	int r;

	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 && errno == ESRCH)
		return true;
	do
		r = poll(&poller, 1, (int)timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

static bool end_keeper(const struct vm_entry *entry, int pidfd, uint64_t timeout_ms)
{
	if (signal_and_wait(pidfd, SIGTERM, timeout_ms))
		return true;
	fprintf(stderr, "cradle vm: VM '%s' did not end within %.1f s: it is ended now\n",
		entry->name, (double)timeout_ms / 1000);
	if (signal_and_wait(pidfd, SIGINT, FIRM_MS))
		return true;
	fprintf(stderr, "cradle vm: the keeper of VM '%s' does not answer: it is killed\n",
		entry->name);
	return signal_and_wait(pidfd, SIGKILL, KILLED_MS);
}

/* Under the lock: between a keeper's end and here another VM may have got the name. */
static int remove_dead(struct vm_store *store, const char *name)
{
	struct vm_entry entry;
	struct error err = ERROR_INIT;
	int r = vm_store_lock(store, &err);

	if (r == 0)
		r = vm_entry_open(store, name, &entry, &err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return vm_complain(&err);
	if (vm_entry_keeper(&entry) == 0)
		r = vm_entry_remove(&entry);
	vm_entry_close(&entry);
	if (r == 0)
		return 0;
	error_errno(&err, -r, "remove what VM '%s' left", name);
	return vm_complain(&err);
}

static int stop(const char *name, uint64_t timeout_ms)
{
	struct vm_store store;
	struct vm_entry entry;
	struct error err = ERROR_INIT;
	_cleanup_fd_ int pidfd = -1;
	int code = vm_open(name, &store, &entry);

	if (code)
		return code;
	pidfd = vm_entry_keeper_fd(&entry);
	if (pidfd < 0 && pidfd != -ESRCH)
		error_errno(&err, -pidfd, "reach the keeper of VM '%s'", name);
	else if (pidfd >= 0 && !end_keeper(&entry, pidfd, timeout_ms))
		error_errno(&err, ETIMEDOUT, "the keeper of VM '%s' does not end", name);
	/* The lock file is still open here, but a new VM of that name has another. */
	vm_entry_close(&entry);
	code = err.status ? vm_complain(&err) : remove_dead(&store, name);
	vm_store_close(&store);
	return code;
}

static int set_timeout(const char *text, uint64_t *ret)
{
	uint64_t micro;

	if (parse_decimal_micro(text, &micro) < 0 || micro / 1000000 > TIMEOUT_MAX_S)
		return command_usage_error(&vm_command,
			"stop: --timeout '%s' is not a number of seconds from 0 to 3600", text);
	*ret = micro / 1000;
	return 0;
}

int vm_stop_main(int argc, char **argv)
{
	uint64_t timeout_ms = TIMEOUT_MS;
	int option, code = 0;

	command_options_begin();
	while ((option = command_next_option(&vm_command, argc, argv, "", options)) != -1) {
		if (option == COMMAND_OPTION_WRONG || set_timeout(optarg, &timeout_ms))
			return EXIT_CRADLE_FAILED;
	}
	if (optind >= argc)
		return command_usage_error(&vm_command, "stop: a VM's name is missing");
	for (; optind < argc; optind++) {
		/* getopt is done: optind is ours to move */
		int r = stop(argv[optind], timeout_ms);

		code = code ? code : r;
	}
	return code;
}
