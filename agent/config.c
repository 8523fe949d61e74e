/* config: text to struct agent_config; see config.h. Called by main.c. */
#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "base/socket.h"
#include "base/strings.h"
#include "hard_limits.h"

/* A longer word is no word of ours: the longest is an address. */
#define WORD_MAX_LEN 512

#define HOTPLUG_TIMEOUT_DEFAULT_S 3
/* A wait that long is a mistake, and the peer's own deadline has passed. */
#define HOTPLUG_TIMEOUT_MAX_S 3600
/* fcntl(F_SETPIPE_SZ) takes an int, Linux rounds up to a power of two. */
#define PIPE_SIZE_MAX (1u << 30)

const char agent_config_help[] =
	"usage: cradle-agent [--server-addr ADDRESS] [--log-level LEVEL] [--version] [--help]\n"
	"\n"
	"Cradle's guest agent: runs containers for a host that speaks Kata's agent API over "
	"ttrpc.\n"
	"As process 1 of a VM it is configured by the kernel command line (agent.server_addr=,\n"
	"agent.log=, agent.hotplug_timeout=...). As an ordinary process, for tests and debugging:\n"
	"\n"
	"  --server-addr ADDRESS  where to listen: vsock://CID:PORT (CID -1: any), unix://PATH or\n"
	"                         unix://@NAME (default vsock://-1:1024)\n"
	"  --passfd-addr ADDRESS  where stdio connections come in, instead of calls (default: "
	"nowhere;\n"
	"                         as process 1: agent.passfd_listener_port=PORT)\n"
	"  --log-level LEVEL      critical, error, warning, info, debug or trace (default info)\n"
	"  -v, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"Environment: KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL (arguments win).\n"
	"\n"
	"Example, in an empty cgroup2 tree as root:\n"
	"  cradle-agent --server-addr unix:///run/agent.sock &\n"
	"  cradle call unix:///run/agent.sock Health.Check\n";

static void report(const struct config_report *to, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void report(const struct config_report *to, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (!to || !to->report)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	to->report(text, to->context);
}

void agent_config_init(struct agent_config *config)
{
	memset(config, 0, sizeof(*config));
	config->log_level = LOG_INFO;
	str_copy(config->server_addr, sizeof(config->server_addr), CONFIG_SERVER_ADDR_DEFAULT);
	config->hotplug_timeout_s = HOTPLUG_TIMEOUT_DEFAULT_S;
	config->reserve = AGENT_RESERVE_BYTES;
}

/* Each setter: NULL when the value was taken, else why not. */
typedef const char *(*setter_fn)(struct agent_config *config, const char *value);

static const char *set_log_level(struct agent_config *config, const char *value)
{
	int level = log_level_parse(value);

	if (level < 0)
		return "not critical, error, warning, info, debug or trace";
	config->log_level = level;
	return NULL;
}

static const char *set_address(char *out, size_t size, const char *value)
{
	struct address address;

	if (strlen(value) >= size)
		return "longer than 127 bytes";
	if (address_parse(value, &address, NULL) < 0 || address.kind == ADDRESS_HVSOCK)
		return "not vsock://CID:PORT, unix://PATH or unix://@NAME";
	str_copy(out, size, value);
	return NULL;
}

static const char *set_server_addr(struct agent_config *config, const char *value)
{
	return set_address(config->server_addr, sizeof(config->server_addr), value);
}

static const char *set_also_listen(struct agent_config *config, const char *value)
{
	return set_address(config->also_listen, sizeof(config->also_listen), value);
}

static const char *set_passfd_addr(struct agent_config *config, const char *value)
{
	return set_address(config->passfd_addr, sizeof(config->passfd_addr), value);
}

/* As Kata's agent: 0 is "none". */
static const char *set_passfd_port(struct agent_config *config, const char *value)
{
	uint32_t port;

	if (parse_u32(value, &port) < 0 || port == UINT32_MAX)
		return "not a port";
	config->passfd_addr[0] = '\0';
	if (port)
		str_format(config->passfd_addr, sizeof(config->passfd_addr), "vsock://-1:%u", port);
	return NULL;
}

static const char *set_hotplug_timeout(struct agent_config *config, const char *value)
{
	uint32_t seconds;

	if (parse_u32(value, &seconds) < 0 || seconds > HOTPLUG_TIMEOUT_MAX_S)
		return "not a number of seconds up to 3600";
	/* Kata takes 0 as "not said". */
	if (seconds)
		config->hotplug_timeout_s = seconds;
	return NULL;
}

static const char *set_container_pipe_size(struct agent_config *config, const char *value)
{
	uint32_t bytes;

	if (parse_u32(value, &bytes) < 0 || bytes > PIPE_SIZE_MAX)
		return "not a number of bytes from 0 to 1073741824";
	config->container_pipe_size = bytes;
	return NULL;
}

static const char *set_reserve(struct agent_config *config, const char *value)
{
	uint64_t bytes;

	if (parse_u64(value, &bytes) < 0)
		return "not a number of bytes";
	config->reserve = bytes;
	return NULL;
}

static const char *set_vm_memory(struct agent_config *config, const char *value)
{
	return parse_u64(value, &config->vm_memory) < 0 ? "not a number of bytes" : NULL;
}

static const char *set_vm_kernel_memory(struct agent_config *config, const char *value)
{
	return parse_u64(value, &config->vm_kernel_memory) < 0 ? "not a number of bytes" : NULL;
}

static const char *set_vm_cpus(struct agent_config *config, const char *value)
{
	return parse_u32(value, &config->vm_cpus) < 0 ? "not a number of CPUs" : NULL;
}

static const char *set_oom_window(struct agent_config *config, const char *value)
{
	uint32_t ms;

	if (parse_u32(value, &ms) < 0 || ms > OOM_WINDOW_MAX_MS)
		return "not a number of milliseconds up to 60000";
	config->oom_window_ms = ms;
	return NULL;
}

static const char *set_stall_guard(struct agent_config *config, const char *value)
{
	return stall_options_parse(value, &config->stall_guard)
		       ? NULL
		       : "not off, report or kill, with ,PERCENT and ,SECONDS";
}

static const char *set_skip_modules(struct agent_config *config, const char *value)
{
	if (strlen(value) >= sizeof(config->skip_modules))
		return "longer than 127 bytes";
	str_copy(config->skip_modules, sizeof(config->skip_modules), value);
	return NULL;
}

static const char *set_root_serial(struct agent_config *config, const char *value)
{
	if (strlen(value) >= sizeof(config->root_serial))
		return "longer than a serial number";
	str_copy(config->root_serial, sizeof(config->root_serial), value);
	return NULL;
}

/* The kernel takes a list: the first is the launcher's guess. */
static const char *set_root_fstype(struct agent_config *config, const char *value)
{
	size_t len = strcspn(value, ",");

	if (len >= sizeof(config->root_fstype))
		return "no file system has so long a name";
	str_format(config->root_fstype, sizeof(config->root_fstype), "%.*s", (int)len, value);
	return NULL;
}

static const char *set_cgroup_no_v1(struct agent_config *config, const char *value)
{
	/* The kernel also takes a list of controllers; only "all" leaves v2 alone. */
	if (strcmp(value, "all") == 0)
		config->cgroup_v2 = true;
	return NULL;
}

static const char *set_unified_hierarchy(struct agent_config *config, const char *value)
{
	bool on;

	if (parse_bool(value, &on) < 0)
		return "not true, false or a number";
	if (on)
		config->cgroup_v2 = true;
	return NULL;
}

static const struct {
	const char *key;
	setter_fn set;
} options[] = {
	{"agent.log", set_log_level},
	{"agent.server_addr", set_server_addr},
	{"agent.passfd_listener_port", set_passfd_port},
	{"agent.hotplug_timeout", set_hotplug_timeout},
	{"agent.container_pipe_size", set_container_pipe_size},
	{"cradle.also_listen", set_also_listen},
	{"cradle.reserve", set_reserve},
	{"cradle.memory", set_vm_memory},
	{"cradle.kernel_memory", set_vm_kernel_memory},
	{"cradle.cpus", set_vm_cpus},
	{"cradle.oom_window", set_oom_window},
	{"cradle.stall_guard", set_stall_guard},
	{"cradle.skip_modules", set_skip_modules},
	{"cradle.root", set_root_serial},
	{"rootfstype", set_root_fstype},
	{"cgroup_no_v1", set_cgroup_no_v1},
	{"systemd.unified_cgroup_hierarchy", set_unified_hierarchy},
};

static void apply(struct agent_config *config, const char *source, const char *key,
	const char *value, setter_fn set, const struct config_report *to)
{
	const char *why = set(config, value);

	if (why)
		report(to, "%s: %s=%.80s is ignored: %s", source, key, value, why);
}

static void apply_word(struct agent_config *config, char *word, const struct config_report *to)
{
	char *equals = strchr(word, '='), *value;
	size_t len;

	if (!equals)
		return;
	*equals = '\0';
	value = equals + 1;
	/* Linux takes quotes off a value only when they are its first and last character. */
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].key, word) == 0)
			apply(config, "kernel command line", word, value, options[i].set, to);
}

/*
 * Copies the next word (cut to what fits) and moves *text behind it; false at the end. A quote at
 * the word's very start is dropped with its partner, as Linux does ("a.b=c d" is the word a.b=c d).
 */
static bool next_word(const char **text, char *word, size_t size)
{
	const char *in = *text, *end;
	bool quoted = false;
	size_t len;

	while (isspace((unsigned char)*in))
		in++;
	if (!*in)
		return false;
	for (end = in; *end && (quoted || !isspace((unsigned char)*end)); end++)
		if (*end == '"')
			quoted = !quoted;
	*text = end;
	if (*in == '"') {
		in++;
		if (end > in && end[-1] == '"')
			end--;
	}
	len = (size_t)(end - in);
	if (len >= size)
		len = size - 1;
	memcpy(word, in, len);
	word[len] = '\0';
	return true;
}

void agent_config_parse_cmdline(
	struct agent_config *config, const char *text, const struct config_report *to)
{
	char word[WORD_MAX_LEN];

	while (next_word(&text, word, sizeof(word)))
		apply_word(config, word, to);
}

void agent_config_parse_environment(struct agent_config *config, const char *server_addr,
	const char *log_level, const struct config_report *to)
{
	if (server_addr)
		apply(config, "environment", "KATA_AGENT_SERVER_ADDR", server_addr, set_server_addr,
			to);
	if (log_level)
		apply(config, "environment", "KATA_AGENT_LOG_LEVEL", log_level, set_log_level, to);
}

/* The value of "--name VALUE" or "--name=VALUE"; *i moves on. NULL: argv[*i] is something else. */
static const char *argument_value(const char *name, int argc, char *const *argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0' || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

enum config_verdict agent_config_parse_arguments(struct agent_config *config, int argc,
	char *const *argv, bool is_init, const struct config_report *to)
{
	static const struct {
		const char *name;
		setter_fn set;
	} arguments[] = {
		{"--server-addr", set_server_addr},
		{"--passfd-addr", set_passfd_addr},
		{"--log-level", set_log_level},
	};

	if (is_init)
		return CONFIG_RUN;
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = NULL,
			   *why = "unknown, or its value is missing";

		if (str_eq(name, "-v") || str_eq(name, "--version"))
			return CONFIG_SHOW_VERSION;
		if (str_eq(name, "-h") || str_eq(name, "--help"))
			return CONFIG_SHOW_HELP;
		for (size_t k = 0; k < ARRAY_SIZE(arguments) && !value; k++) {
			value = argument_value(arguments[k].name, argc, argv, &i);
			if (value)
				why = arguments[k].set(config, value);
		}
		if (why) {
			report(to, "%.80s: %s", value ? value : name, why);
			return CONFIG_WRONG_USAGE;
		}
	}
	return CONFIG_RUN;
}
