/* relay: the subcommand. A unix socket of our own to an agent, and what went over it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "command_options.h"
#include "relay/relay_server.h"
#include "vms/vm_address.h"
#include "relay/relay_trace.h"

#define DIAL_TIMEOUT_MS 10000

static const char help[] =
	"Usage: cradle relay --listen unix://PATH [--timeout SECONDS] [--record FILE] ADDRESS\n"
	"       cradle relay --show FILE\n"
	"\n"
	"Listens on a unix socket, for its owner and root only, and gives every client a stream "
	"of\n"
	"its own to the agent at ADDRESS. Prints 'ready unix://PATH' once clients can come, and\n"
	"ends by SIGINT or SIGTERM. An agent that restarts or a VM that reboots ends the streams "
	"it\n"
	"had; the relay stays, and new clients wait for the agent.\n"
	"\n"
	"ADDRESS is one of\n"
	"  unix://PATH  unix://@ABSTRACT  vsock://CID:PORT\n"
	"  hvsock://PATH:PORT   the socket of 'cradle run --listen PATH'; the agent's port is "
	"1024\n"
	"  NAME                 a VM of 'cradle vm start'\n"
	"\n"
	"  --listen unix://PATH  where to listen; PATH may be @ABSTRACT\n"
	"  --timeout SECONDS     how long a client waits for the agent (default 10)\n"
	"  --record FILE         write a line of JSON for every ttrpc request and response: time,\n"
	"                        connection, direction, stream, method, bytes, status, "
	"latency_us.\n"
	"                        No payload is written. FILE is added to\n"
	"  --show FILE           print such a file as a table ('-' is standard input)\n"
	"\n"
	"Examples:\n"
	"  cradle relay --listen unix:///tmp/agent.sock hvsock:///tmp/vm.sock:1024 &\n"
	"  cradle call unix:///tmp/agent.sock grpc.Health/Check\n"
	"  cradle relay --listen unix://@agent --record trace.json vsock://42:1024\n"
	"  cradle relay --show trace.json\n"
	"\n"
	"Exit code: 0 ended by a signal, or shown; 125 anything that went wrong.\n";

static int relay_main(int argc, char **argv);

const struct command relay_command = {
	.name = "relay",
	.summary = "a unix socket to an agent, with a record of the calls",
	.help = help,
	.main = relay_main,
};

struct relay_options {
	const char *listen, *record, *show, *timeout, *address;
	bool help;
};

static int failed(const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle relay: %s\n", error_render(err, text, sizeof(text)));
	return EXIT_CRADLE_FAILED;
}

/* ---- arguments ---- */

static int check_together(const struct relay_options *o)
{
	if (o->help || (o->show && !o->listen && !o->address))
		return 0;
	if (o->show)
		return command_usage_error(&relay_command, "--show takes nothing but its file");
	if (!o->listen || !o->address)
		return command_usage_error(&relay_command, "%s is missing",
			o->listen ? "the agent's address" : "--listen unix://PATH");
	return 0;
}

static int parse_arguments(int argc, char **argv, struct relay_options *o)
{
	static const struct command_option table[] = {
		{"listen", COMMAND_TEXT, offsetof(struct relay_options, listen)},
		{"record", COMMAND_TEXT, offsetof(struct relay_options, record)},
		{"show", COMMAND_TEXT, offsetof(struct relay_options, show)},
		{"timeout", COMMAND_TEXT, offsetof(struct relay_options, timeout)},
		{"help", COMMAND_FLAG, offsetof(struct relay_options, help)},
		{NULL},
	};
	int r = command_take_options(&relay_command, argc, argv, table, o);

	if (r)
		return r;
	if (argc - optind > 1)
		return command_usage_error(
			&relay_command, "'%s' is one address too many", argv[optind + 1]);
	o->address = argv[optind];
	return check_together(o);
}

static int fill_config(const struct relay_options *o, struct relay_server_config *config)
{
	struct error err = ERROR_INIT;
	uint64_t micro;

	config->dial_timeout_ms = DIAL_TIMEOUT_MS;
	if (address_parse(o->listen, &config->listen, &err) < 0 ||
		vm_address_parse(o->address, &config->agent, &err) < 0)
		return failed(&err);
	if (config->listen.kind != ADDRESS_UNIX)
		return command_usage_error(&relay_command, "--listen wants unix://PATH");
	if (o->timeout) {
		if (parse_decimal_micro(o->timeout, &micro) < 0 || micro > 86400000000)
			return command_usage_error(&relay_command,
				"--timeout '%s' is not a number of seconds (at most 86400)",
				o->timeout);
		config->dial_timeout_ms = micro / 1000;
	}
	return 0;
}

/* ---- both halves ---- */

static int show(const char *path)
{
	FILE *trace = str_eq(path, "-") ? stdin : fopen(path, "re");
	struct error err = ERROR_INIT;
	int r;

	if (!trace) {
		error_errno(&err, errno, "open %s", path);
		return failed(&err);
	}
	r = relay_show(trace, stdout, &err);
	if (trace != stdin)
		fclose(trace);
	if (r < 0) {
		error_prefix(&err, "%s: ", path);
		return failed(&err);
	}
	return fflush(stdout) == 0 ? 0 : EXIT_CRADLE_FAILED;
}

/* Two descriptors a client; the soft limit is often 1024. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void on_signal(struct event_source *source, uint32_t events)
{
	event_loop_stop(source->loop);
}

static int serve(
	struct event_loop *loop, const struct relay_server_config *config, struct error *err)
{
	struct relay_server *server = relay_server_new(loop, config, err);
	int r;

	if (!server)
		return -EPROTO;
	printf("ready unix://%s\n", config->listen.path);
	if (fflush(stdout) != 0)
		r = error_errno(err, errno, "write to standard output");
	else
		r = event_loop_run(loop);
	relay_server_free(server);
	return r;
}

static int watch_signals(struct event_loop *loop, struct event_source *source, int *ret)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*ret < 0)
		return -errno;
	return event_source_add(loop, source, *ret, EPOLLIN, on_signal, "relay signals");
}

static int relay(const struct relay_server_config *config)
{
	struct event_loop *loop = event_loop_new();
	struct event_source signals = {0};
	struct error err = ERROR_INIT;
	int signal_fd = -1, r;

	if (!loop) {
		error_errno(&err, errno, "make an event loop");
		return failed(&err);
	}
	raise_limit();
	r = watch_signals(loop, &signals, &signal_fd);
	if (r < 0)
		error_errno(&err, -r, "wait for signals");
	else
		r = serve(loop, config, &err);
	event_source_remove(&signals);
	close_fd(&signal_fd);
	event_loop_free(loop);
	return r < 0 ? failed(&err) : 0;
}

/* Other users' calls are nobody's business: mode 0600. */
static FILE *open_record(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

static int relay_main(int argc, char **argv)
{
	struct relay_options options = {0};
	struct relay_server_config config = {0};
	struct error err = ERROR_INIT;
	int r = parse_arguments(argc, argv, &options);

	if (r)
		return r;
	if (options.help) {
		command_print_help(&relay_command);
		return 0;
	}
	if (options.show)
		return show(options.show);
	r = fill_config(&options, &config);
	if (r)
		return r;
	if (options.record) {
		config.record = open_record(options.record);
		if (!config.record) {
			error_errno(&err, errno, "open %s", options.record);
			return failed(&err);
		}
	}
	r = relay(&config);
	if (config.record)
		fclose(config.record);
	return r;
}
