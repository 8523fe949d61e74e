/* cradle: the host program. Finds the subcommand in the table and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "command_table.h"
#include "nearest.h"

static const char introduction[] = "Cradle runs a container inside its own small virtual machine.\n"
				   "\n"
				   "Usage: cradle COMMAND [OPTION...] [ARG...]\n"
				   "\n"
				   "Commands:\n";

static const char lesson[] =
	"\n"
	"Start here, with any folder that holds a root file system:\n"
	"  cradle run --rootfs build/x86_64/rootfs -- /bin/echo hello\n"
	"  cradle run --memory 64M --stats --rootfs build/x86_64/rootfs -- /bin/sh -c 'free -m'\n"
	"\n"
	"'cradle COMMAND --help' explains a command with examples. Options of all commands:\n"
	"  --help, --version\n"
	"\n"
	"The exit code is the container's; 125 means that cradle, the VM or the agent failed.\n";

static int print_help(FILE *to)
{
	fputs(introduction, to);
	for (const struct command *const *row = command_table; *row; row++)
		fprintf(to, "  %-8s %s\n", (*row)->name, (*row)->summary);
	fputs(lesson, to);
	return ferror(to) ? EXIT_CRADLE_FAILED : 0;
}

static int unknown_command(const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (const struct command *const *row = command_table; *row; row++)
		nearest_offer(&nearest, (*row)->name);
	if (nearest.best)
		return command_usage_error(
			NULL, "there is no command '%s'; did you mean '%s'?", name, nearest.best);
	return command_usage_error(NULL, "there is no command '%s'", name);
}

static int unknown_option(const char *option)
{
	struct nearest nearest;

	nearest_init(&nearest, option);
	nearest_offer(&nearest, "--help");
	nearest_offer(&nearest, "--version");
	if (nearest.best)
		return command_usage_error(
			NULL, "unknown option '%s'; did you mean '%s'?", option, nearest.best);
	return command_usage_error(
		NULL, "unknown option '%s' (options of a command go behind it)", option);
}

static int help_on(const char *name)
{
	const struct command *command;

	if (!name)
		return print_help(stdout);
	command = command_find(name);
	if (!command)
		return unknown_command(name);
	command_print_help(command);
	return 0;
}

/* A descriptor that took the place of a closed stdin, stdout or stderr would be written to. */
static int keep_stdio_open(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR);

		if (fd < 0)
			return -errno;
		if (fd > 2)
			return close(fd);
	}
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (keep_stdio_open() < 0)
		return EXIT_CRADLE_FAILED;
	/* What the libraries log: only errors are for who uses a command. */
	log_set_name("cradle", "cradle");
	log_set_level(LOG_ERROR);
	if (argc < 2) {
		print_help(stderr);
		return EXIT_CRADLE_FAILED;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help(stdout);
	if (strcmp(argv[1], "help") == 0)
		return help_on(argv[2]);
	if (strcmp(argv[1], "--version") == 0) {
		printf("cradle %s\n", CRADLE_VERSION);
		return 0;
	}
	if (argv[1][0] == '-')
		return unknown_option(argv[1]);
	command = command_find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command->main(argc - 1, argv + 1);
}
