/* stats: the subcommand. Who holds the guest's memory, once or again and again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"
#include "call/json_message.h"
#include "command_options.h"
#include "stats/memory_fetch.h"
#include "stats/memory_page.h"
#include "stats/stats_table.h"

#define DEFAULT_INTERVAL_MICRO 2000000

static const char help[] =
	"Usage: cradle stats [--json] [--watch[=SECONDS]] [--html FILE] ADDRESS [CONTAINER...]\n"
	"\n"
	"Shows the memory of all containers of an agent, or of those named, and who holds the "
	"rest\n"
	"of the guest, line by line up to the VM's size.\n"
	"\n"
	"ADDRESS is one of\n"
	"  unix://PATH  unix://@ABSTRACT  vsock://CID:PORT\n"
	"  hvsock://PATH:PORT   the socket of 'cradle run --listen PATH'; the agent's port is "
	"1024\n"
	"  NAME                 a VM of 'cradle vm start'\n"
	"\n"
	"  USAGE        what is charged to the container, its page cache included\n"
	"  WORKING SET  usage less page cache not used lately: what kubelet and crictl show\n"
	"  PEAK         the highest usage so far\n"
	"  PRESSURE     share of the last 10 s in which something waited for memory (PSI)\n"
	"  OOM KILLS    processes killed for memory so far; 'cradle oom' tells about each\n"
	"A '-' is a figure that this agent or its kernel does not have.\n"
	"\n"
	"A plain Kata agent cannot say which containers it has: name them. It does not count OOM\n"
	"kills, and of the guest it gives the kernel's figures only, which overlap.\n"
	"\n"
	"  --json             the figures in bytes, as JSON; with --watch an object a line\n"
	"  --watch[=SECONDS]  again every 2 seconds (1.5 is fine), until interrupted\n"
	"  --html FILE        a page with pictures as well: the guest's memory by owner, limits "
	"as\n"
	"                     lines, OOM kills as marks; with --watch over the time of the run,\n"
	"                     written at its end, also when the VM goes away\n"
	"\n"
	"Examples:\n"
	"  cradle stats hvsock:///tmp/vm.sock:1024\n"
	"  cradle stats --watch=0.5 --json hvsock:///tmp/vm.sock:1024 c1\n"
	"  cradle stats --watch=0.5 --html memory.html hvsock:///tmp/vm.sock:1024\n"
	"\n"
	"Exit code: 0; 1 the agent answered with an error; 125 it could not be asked.\n";

static int stats_main(int argc, char **argv);

const struct command stats_command = {
	.name = "stats",
	.summary = "the memory of containers and of the guest",
	.help = help,
	.main = stats_main,
};

struct stats_options {
	char **positional; /* the address, then containers */
	size_t count;
	bool json, watch, help;
	uint64_t interval_micro;
	const char *html; /* NULL: no page */
};

static int set_interval(const char *text, void *context)
{
	struct stats_options *options = context;
	uint64_t micro;

	options->watch = true;
	if (!text)
		return 0;
	if (parse_decimal_micro(text, &micro) < 0 || micro < 100000 || micro > 86400000000)
		return command_usage_error(&stats_command,
			"--watch: '%s' is not a number of seconds from 0.1 to 86400", text);
	options->interval_micro = micro;
	return 0;
}

/* The page replaces what has its name: never a device, a socket or a folder. */
static int set_html(const char *path, void *context)
{
	struct stats_options *options = context;
	struct stat st;

	if (str_empty(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		return command_usage_error(&stats_command, "--html: '%s' is not a file", path);
	options->html = path;
	return 0;
}

static int parse_arguments(int argc, char **argv, struct stats_options *options)
{
	static const struct command_option table[] = {
		{"json", COMMAND_FLAG, offsetof(struct stats_options, json)},
		{"watch", COMMAND_MAY_VALUE, .take = set_interval},
		{"html", COMMAND_VALUE, .take = set_html},
		{"help", COMMAND_FLAG, offsetof(struct stats_options, help)},
		{NULL},
	};
	int r;

	options->interval_micro = DEFAULT_INTERVAL_MICRO;
	r = command_take_options(&stats_command, argc, argv, table, options);
	options->positional = argv + optind;
	options->count = (size_t)(argc - optind);
	return r;
}

static int failed(const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle stats: %s\n", error_render(err, text, sizeof(text)));
	return err->status == STATUS_UNAVAILABLE ? EXIT_CRADLE_FAILED : 1;
}

static int print_state(
	const struct memory_fetch *fetch, const struct stats_options *options, struct error *err)
{
	static const char clear[] = "\033[H\033[2J";
	bool screen = options->watch && !options->json && isatty(STDOUT_FILENO);
	struct buffer out;
	int r = 0;

	buffer_init(&out, 0);
	if (options->json)
		r = message_to_json(&fetch->state->base, &out, err);
	else if ((!screen || (r = buffer_append(&out, clear, strlen(clear))) == 0) &&
		 (r = stats_table(fetch->state, fetch->plain, &out)) < 0)
		error_errno(err, -r, "print the memory state");
	if (r == 0 && options->watch) {
		if (options->json)
			json_put_on_one_line(&out);
		buffer_append(&out, "\n", 1);
	}
	if (r == 0 && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
		r = error_set(err, STATUS_UNAVAILABLE, errno, "write to standard output");
	buffer_release(&out);
	return r;
}

static int show(struct agent_connection *agent, const struct stats_options *options,
	struct memory_history *history, bool *told, struct error *err)
{
	struct memory_fetch fetch;
	int r = memory_fetch(&fetch, agent, options->positional + 1, options->count - 1, err);

	if (r == 0)
		r = print_state(&fetch, options, err);
	if (r == 0 && options->html)
		r = history_add(history, fetch.state, err);
	if (r == 0 && options->html && !fetch.plain)
		r = memory_fetch_kills(agent, history, err);
	if (r == 0 && fetch.plain && options->count == 1 && !*told) {
		fprintf(stderr, "cradle stats: this agent cannot list its containers: name them\n");
		*told = true;
	}
	memory_fetch_release(&fetch);
	return r;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = 1;
}

/* With a page to be written an interrupt is the end of the run, not of the program; a second one
 * is. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int write_page(const struct memory_history *history, const struct stats_options *options,
	struct error *err)
{
	struct buffer out;
	int r;

	buffer_init(&out, 0);
	r = memory_page(history, options->positional[0], &out);
	if (r == 0)
		r = file_replace(options->html, out.data, out.len, 0644);
	buffer_release(&out);
	return r < 0 ? error_errno(err, -r, "write the page %s", options->html) : 0;
}

static int watch(struct agent_connection *agent, const struct stats_options *options,
	struct memory_history *history, struct error *err)
{
	const struct timespec pause = {.tv_sec = (time_t)(options->interval_micro / 1000000),
		.tv_nsec = (long)(options->interval_micro % 1000000) * 1000};
	bool told = false;
	int r = show(agent, options, history, &told, err);

	/* a page that cannot be written is told now, not after a day of watching */
	if (r == 0 && options->html && options->watch)
		r = write_page(history, options, err);
	while (r == 0 && options->watch && !interrupted) {
		nanosleep(&pause, NULL);
		if (!interrupted)
			r = show(agent, options, history, &told, err);
	}
	return r;
}

static int run(const struct stats_options *options)
{
	struct agent_connection agent = {0};
	struct memory_history history;
	struct error err = ERROR_INIT;
	int r = agent_connection_open(&agent, options->positional[0], &err), page = 0;

	if (r < 0) {
		failed(&err);
		return EXIT_CRADLE_FAILED;
	}
	history_init(&history);
	if (options->html && options->watch)
		catch_signals();
	r = watch(&agent, options, &history, &err);
	if (r < 0)
		r = failed(&err);
	/* what was seen is worth a page, also when the VM has gone away */
	if (options->html && history.count > 0)
		page = write_page(&history, options, &err);
	if (page < 0) {
		failed(&err);
		r = EXIT_CRADLE_FAILED;
	}
	history_release(&history);
	agent_connection_close(&agent);
	return r;
}

static int stats_main(int argc, char **argv)
{
	struct stats_options options = {0};
	int r = parse_arguments(argc, argv, &options);

	if (r != 0)
		return r;
	if (options.help) {
		command_print_help(&stats_command);
		return 0;
	}
	if (options.count == 0)
		return command_usage_error(&stats_command, "an address is missing");
	return run(&options);
}
