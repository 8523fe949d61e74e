/*
 * vm_follow: `cradle vm console` and `cradle vm log`: a log's last lines, and what is added to it
 * while the VM lives. What a guest wrote is cleaned of control characters: it is not trusted with
 * our terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "command_options.h"
#include "vms/vms_internal.h"

#define LINES_DEFAULT 200
#define LINES_MAX     1000000
#define CHUNK	      65536

enum { OPT_FOLLOW = 256, OPT_LINES, OPT_KERNEL, OPT_AGENT, OPT_KEEPER, OPT_NO_FOLLOW };

static const struct option console_options[] = {
	{"lines", required_argument, NULL, OPT_LINES},
	{"no-follow", no_argument, NULL, OPT_NO_FOLLOW},
	{NULL, 0, NULL, 0},
};
static const struct option log_options[] = {
	{"lines", required_argument, NULL, OPT_LINES},
	{"follow", no_argument, NULL, OPT_FOLLOW},
	{"agent", no_argument, NULL, OPT_AGENT},
	{"kernel", no_argument, NULL, OPT_KERNEL},
	{"keeper", no_argument, NULL, OPT_KEEPER},
	{NULL, 0, NULL, 0},
};

struct follow {
	const char *file;
	uint32_t lines;
	bool follow;
};

static int open_log(const struct vm_entry *entry, const char *file)
{
	int fd = openat(entry->fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		close_fd(&fd);
	return fd;
}

static void print_clean(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\r')
			continue;
		putchar(c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ? c : '?');
	}
}

/* False: nobody reads us any more. */
static bool print_rest(int fd)
{
	char chunk[CHUNK];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		print_clean(chunk, (size_t)n);
	return fflush(stdout) == 0;
}

/* Moves to where the last lines begin: backwards, a piece at a time. */
static void seek_to_last_lines(int fd, uint32_t lines)
{
	char chunk[CHUNK];
	off_t at = lseek(fd, 0, SEEK_END);
	uint32_t seen = 0;
	bool last = true; /* a newline at the very end ends the last line */

	while (at > 0) {
		size_t piece = at < CHUNK ? (size_t)at : CHUNK;
		ssize_t n = pread(fd, chunk, piece, at - (off_t)piece);

		if (n != (ssize_t)piece)
			break;
		for (size_t i = piece; i > 0; i--) {
			if (chunk[i - 1] == '\n' && !last && ++seen >= lines) {
				lseek(fd, at - (off_t)piece + (off_t)i, SEEK_SET);
				return;
			}
			last = false;
		}
		at -= (off_t)piece;
	}
	lseek(fd, 0, SEEK_SET);
}

/* The keeper began a new file under the name (vm_logs.h): the rest of the old one, then that. */
static bool move_on(const struct vm_entry *entry, const char *file, int *fd)
{
	struct stat ours, there;

	if (fstat(*fd, &ours) < 0 || fstatat(entry->fd, file, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
		ours.st_ino == there.st_ino)
		return true;
	if (!print_rest(*fd))
		return false;
	close_fd(fd);
	*fd = open_log(entry, file);
	return *fd >= 0;
}

static int watch(const struct vm_entry *entry)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0 && inotify_add_watch(fd, entry->path, IN_MODIFY | IN_MOVE | IN_CREATE) < 0)
		close_fd(&fd);
	return fd;
}

/* Until the keeper is gone, or our reader. The watch is older than the first look. */
static void follow_file(const struct vm_entry *entry, const char *file, int *fd, int watch_fd)
{
	_cleanup_fd_ int keeper = vm_entry_keeper_fd(entry);
	struct pollfd polls[] = {{.fd = watch_fd, .events = POLLIN},
		{.fd = keeper, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
	char events[4096];

	while (keeper >= 0 && !polls[1].revents && !polls[2].revents) {
		if (!print_rest(*fd) || !move_on(entry, file, fd) || !print_rest(*fd))
			return;
		if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
			return;
		while (read(watch_fd, events, sizeof(events)) > 0)
			;
	}
}

static int show(const struct vm_entry *entry, const struct follow *what)
{
	_cleanup_fd_ int watch_fd = what->follow ? watch(entry) : -1;
	_cleanup_fd_ int fd = open_log(entry, what->file);
	struct error err = ERROR_INIT;

	if (fd < 0) {
		error_set(&err, STATUS_NOT_FOUND, ENOENT, "%s of VM '%s'", what->file, entry->name);
		return vm_complain(&err);
	}
	seek_to_last_lines(fd, what->lines);
	if (what->follow && watch_fd >= 0)
		follow_file(entry, what->file, &fd, watch_fd);
	print_rest(fd);
	return ferror(stdout) ? EXIT_CRADLE_FAILED : 0;
}

static int set_lines(const char *text, uint32_t *ret)
{
	if (parse_u32(text, ret) < 0 || *ret == 0 || *ret > LINES_MAX)
		return command_usage_error(
			&vm_command, "--lines '%s' is not a number from 1 to 1000000", text);
	return 0;
}

static int take_option(struct follow *what, int option)
{
	switch (option) {
	case OPT_LINES:
		return set_lines(optarg, &what->lines);
	case OPT_FOLLOW:
	case OPT_NO_FOLLOW:
		what->follow = option == OPT_FOLLOW;
		return 0;
	case OPT_AGENT:
		what->file = "agent.log";
		return 0;
	case OPT_KERNEL:
		what->file = "kernel.log";
		return 0;
	case OPT_KEEPER:
		what->file = "vm.log";
		return 0;
	default:
		return EXIT_CRADLE_FAILED; /* what is wrong was said */
	}
}

static int run(int argc, char **argv, const struct option *options, struct follow *what)
{
	struct vm_store store;
	struct vm_entry entry;
	const char *name;
	int option, code;

	command_options_begin();
	while ((option = command_next_option(&vm_command, argc, argv, "", options)) != -1) {
		code = take_option(what, option);
		if (code)
			return code;
	}
	name = vm_name_argument(argc, argv);
	code = name ? vm_open(name, &store, &entry) : EXIT_CRADLE_FAILED;
	if (code)
		return code;
	code = show(&entry, what);
	vm_entry_close(&entry);
	vm_store_close(&store);
	return code;
}

int vm_console_main(int argc, char **argv)
{
	struct follow what = {.file = "console.log", .lines = LINES_DEFAULT, .follow = true};

	return run(argc, argv, console_options, &what);
}

int vm_log_main(int argc, char **argv)
{
	struct follow what = {.file = "agent.log", .lines = LINES_MAX};

	return run(argc, argv, log_options, &what);
}
