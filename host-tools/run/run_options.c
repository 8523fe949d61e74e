/* run_options: getopt_long over one table; wrong names are answered with the nearest right one. */
#include "run/run_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "command_options.h"
#include "vm/qemu_command.h"

enum {
	OPT_MEMORY = 256,
	OPT_CPUS,
	OPT_EXPLAIN,
	OPT_STATS,
	OPT_HOLD,
	OPT_VERBOSE,
	OPT_ARCH,
	OPT_ACCEL,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_QEMU,
	OPT_APPEND,
	OPT_LISTEN,
	OPT_NAME,
	OPT_ROOTFS,
	OPT_BUNDLE,
	OPT_BOOT_TIMEOUT,
	OPT_TIMING,
	OPT_TIMEOUT,
	OPT_JSON,
};

static const struct option options[] = {
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"env", required_argument, NULL, 'e'},
	{"workdir", required_argument, NULL, 'w'},
	{"user", required_argument, NULL, 'u'},
	{"interactive", no_argument, NULL, 'i'},
	{"tty", no_argument, NULL, 't'},
	{"explain", no_argument, NULL, OPT_EXPLAIN},
	{"stats", no_argument, NULL, OPT_STATS},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"verbose", no_argument, NULL, OPT_VERBOSE},
	{"arch", required_argument, NULL, OPT_ARCH},
	{"accel", required_argument, NULL, OPT_ACCEL},
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"qemu", required_argument, NULL, OPT_QEMU},
	{"append", required_argument, NULL, OPT_APPEND},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"name", required_argument, NULL, OPT_NAME},
	{"rootfs", required_argument, NULL, OPT_ROOTFS},
	{"bundle", required_argument, NULL, OPT_BUNDLE},
	{"boot-timeout", required_argument, NULL, OPT_BOOT_TIMEOUT},
	{"timing", no_argument, NULL, OPT_TIMING},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int set_size(const char *text, uint64_t *ret)
{
	if (parse_size(text, ret) < 0 || *ret == 0)
		return command_usage_error(&run_command,
			"--memory '%s' is not a size: say 64M, 1G or a number of bytes", text);
	return 0;
}

static int set_cpus(const char *text, uint64_t *ret)
{
	if (parse_decimal_micro(text, ret) < 0 || *ret == 0)
		return command_usage_error(
			&run_command, "--cpus '%s' is not a number of CPUs: say 2 or 0.5", text);
	return 0;
}

static int set_accel(const char *text, enum vm_accel *ret)
{
	static const char *const names[] = {
		[VM_ACCEL_AUTO] = "auto", [VM_ACCEL_KVM] = "kvm", [VM_ACCEL_TCG] = "tcg"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(text, names[i])) {
			*ret = (enum vm_accel)i;
			return 0;
		}
	}
	return command_usage_error(&run_command, "--accel '%s' is not auto, kvm or tcg", text);
}

static int set_arch(const char *text, const char **ret)
{
	if (!qemu_default_program(text))
		return command_usage_error(
			&run_command, "--arch '%s' is not one of %s", text, qemu_arch_names());
	*ret = text;
	return 0;
}

static int set_seconds(const char *text, unsigned *ret)
{
	uint32_t value;

	if (parse_u32(text, &value) < 0 || value == 0 || value > 86400)
		return command_usage_error(&run_command,
			"--boot-timeout '%s' is not a number of seconds (1 to 86400)", text);
	*ret = value;
	return 0;
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
	case OPT_KERNEL:
		return &o->kernel;
	case OPT_INITRD:
		return &o->initrd;
	case OPT_QEMU:
		return &o->qemu;
	case OPT_APPEND:
		return &o->append;
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
	case OPT_EXPLAIN:
		return &o->explain;
	case OPT_STATS:
		return &o->stats;
	case OPT_HOLD:
		return &o->hold;
	case OPT_VERBOSE:
		return &o->verbose;
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
	case OPT_MEMORY:
		return set_size(value, &o->memory_bytes);
	case OPT_CPUS:
		return set_cpus(value, &o->cpus_micro);
	case OPT_ARCH:
		return set_arch(value, &o->arch);
	case OPT_ACCEL:
		return set_accel(value, &o->accel);
	case OPT_BOOT_TIMEOUT:
		return set_seconds(value, &o->boot_timeout_s);
	case OPT_TIMEOUT:
		return set_timeout(o, value);
	case 'e':
		return add_env(o, value);
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
	if (!o->hold && !o->rootfs && !o->bundle)
		return command_usage_error(&run_command,
			"--rootfs (a folder or a tar with a root file system) or --bundle (an OCI "
			"bundle) is missing");
	return 0;
}

/* An environment variable stands in for an option that was not given. */
static void take_environment(struct run_options *o)
{
	const struct {
		const char **option, *variable;
	} rows[] = {
		{&o->kernel, "CRADLE_KERNEL"},
		{&o->initrd, "CRADLE_INITRD"},
		{&o->qemu, "CRADLE_QEMU"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value = getenv(rows[i].variable);

		if (!*rows[i].option && !str_empty(value))
			*rows[i].option = value;
	}
}

int run_options_parse(int argc, char **argv, struct run_options *ret)
{
	struct run_options o = {.accel = VM_ACCEL_AUTO};
	int option, r;

	command_options_begin();
	while ((option = command_next_option(&run_command, argc, argv, "+e:w:u:ith", options)) !=
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
	take_environment(&o);
	*ret = o;
	return 0;
}
