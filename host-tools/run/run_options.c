/* run_options: getopt_long over one table; wrong names are answered with the nearest right one. */
#include "run/run_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "command_options.h"

enum {
	OPT_STATS = 256,
	OPT_HOLD,
	OPT_LISTEN,
	OPT_NAME,
	OPT_ROOTFS,
	OPT_BUNDLE,
	OPT_AGENT_TIMEOUT,
	OPT_TIMING,
	OPT_TIMEOUT,
	OPT_JSON,
};

static const struct option options[] = {
	VM_OPTION_ROWS,
	{"env", required_argument, NULL, 'e'},
	{"volume", required_argument, NULL, 'v'},
	{"workdir", required_argument, NULL, 'w'},
	{"user", required_argument, NULL, 'u'},
	{"interactive", no_argument, NULL, 'i'},
	{"tty", no_argument, NULL, 't'},
	{"stats", no_argument, NULL, OPT_STATS},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"name", required_argument, NULL, OPT_NAME},
	{"rootfs", required_argument, NULL, OPT_ROOTFS},
	{"bundle", required_argument, NULL, OPT_BUNDLE},
	{"agent-timeout", required_argument, NULL, OPT_AGENT_TIMEOUT},
	{"timing", no_argument, NULL, OPT_TIMING},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* A guest on a busy machine, or one that swaps, is slow: it is not given up before this. */
#define AGENT_TIMEOUT_S	    60
#define AGENT_TIMEOUT_MAX_S 86400

static int set_agent_timeout(struct run_options *o, const char *text)
{
	if (parse_u32(text, &o->agent_timeout_s) == 0 && o->agent_timeout_s <= AGENT_TIMEOUT_MAX_S)
		return 0;
	return command_usage_error(&run_command,
		"--agent-timeout '%s' is not a number of seconds (0 to %d)", text,
		AGENT_TIMEOUT_MAX_S);
}

/* Thirty days: the timers of the event loop reach further, the purpose of a limit does not. */
#define TIMEOUT_MAX_MS (30ull * 24 * 3600 * 1000)

static int set_timeout(struct run_options *o, const char *text)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"", 1000}};
	size_t digits = strspn(text, "0123456789");
	char number[16];
	uint64_t value;

	for (size_t i = 0; digits < sizeof(number) && i < ARRAY_SIZE(units); i++) {
		if (!str_eq(text + digits, units[i].suffix))
			continue;
		str_format(number, sizeof(number), "%.*s", (int)digits, text);
		if (parse_u64(number, &value) < 0 || value == 0 ||
			value > TIMEOUT_MAX_MS / units[i].ms)
			break;
		o->timeout_ms = value * units[i].ms;
		o->timeout_text = text;
		return 0;
	}
	return command_usage_error(&run_command,
		"--timeout '%s' is not a time: say 30s, 500ms, 5m or 1h, at most 720h", text);
}

static int add_env(struct run_options *o, char *text)
{
	if (!strchr(text, '=') || text[0] == '=')
		return command_usage_error(&run_command, "--env '%s' is not KEY=VALUE", text);
	if (o->env_count == RUN_ENV_MAX)
		return command_usage_error(&run_command, "more than %d times --env", RUN_ENV_MAX);
	o->env[o->env_count++] = text;
	return 0;
}

/* Options with a value that needs no check of its own. */
static const char **text_option(struct run_options *o, int option)
{
	switch (option) {
	case 'w':
		return &o->workdir;
	case 'u':
		return &o->user;
	case OPT_LISTEN:
		return &o->listen;
	case OPT_NAME:
		return &o->name;
	case OPT_ROOTFS:
		return &o->rootfs;
	case OPT_BUNDLE:
		return &o->bundle;
	default:
		return NULL;
	}
}

static bool *flag_option(struct run_options *o, int option)
{
	switch (option) {
	case 'i':
		return &o->interactive;
	case 't':
		return &o->tty;
	case 'h':
		return &o->help;
	case OPT_STATS:
		return &o->stats;
	case OPT_HOLD:
		return &o->hold;
	case OPT_TIMING:
		return &o->timing;
	case OPT_JSON:
		return &o->json;
	default:
		return NULL;
	}
}

static int take_option(struct run_options *o, int option, char *value, const char *given)
{
	const char **text = text_option(o, option);
	bool *flag = flag_option(o, option);

	if (vm_option_is_ours(option))
		return vm_option_take(&run_command, &o->vm, option, value, given);
	if (flag) {
		*flag = true;
		return 0;
	}
	if (text) {
		if (str_empty(value))
			return command_usage_error(&run_command, "%s needs a value", given);
		*text = value;
		return 0;
	}
	switch (option) {
	case OPT_AGENT_TIMEOUT:
		return set_agent_timeout(o, value);
	case OPT_TIMEOUT:
		return set_timeout(o, value);
	case 'e':
		return add_env(o, value);
	case 'v':
		return volumes_take_option(
			&run_command, o->volumes, &o->volume_count, value, volume_parse);
	default:
		return EXIT_CRADLE_FAILED; /* what is wrong was said */
	}
}

static int check_together(const struct run_options *o)
{
	if (o->hold && o->arg_count)
		return command_usage_error(&run_command,
			"--hold runs no container: '%s' is one word too many", o->args[0]);
	if (o->hold && !o->listen)
		return command_usage_error(
			&run_command, "--hold needs --listen SOCKET: nobody could reach the VM");
	if (o->hold && o->timeout_ms)
		return command_usage_error(
			&run_command, "--timeout limits a container: with --hold there is none");
	if (o->json && !o->timing)
		return command_usage_error(
			&run_command, "--json is the form of what --timing prints: give both");
	if (o->hold && o->bundle)
		return command_usage_error(
			&run_command, "--hold runs no container: --bundle has no place there");
	if (o->hold && o->volume_count)
		return command_usage_error(
			&run_command, "--hold runs no container: --volume has no place there");
	if (!o->hold && !o->rootfs && !o->bundle)
		return command_usage_error(&run_command,
			"--rootfs (a folder or a tar with a root file system) or --bundle (an OCI "
			"bundle) is missing");
	return 0;
}

int run_options_parse(int argc, char **argv, struct run_options *ret)
{
	struct run_options o = {.agent_timeout_s = AGENT_TIMEOUT_S};
	int option, r;

	command_options_begin();
	while ((option = command_next_option(&run_command, argc, argv, "+e:v:w:u:ith", options)) !=
		-1) {
		r = take_option(&o, option, optarg, argv[optind - 1]);
		if (r)
			return r;
	}
	if (o.help) {
		*ret = o;
		return 0;
	}
	o.args = argv + optind;
	o.arg_count = (unsigned)(argc - optind);
	r = check_together(&o);
	if (r)
		return r;
	vm_options_take_environment(&o.vm);
	*ret = o;
	return 0;
}
