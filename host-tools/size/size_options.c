/* size_options: see the header. */
#include "size/size_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "command_options.h"
#include "size/size_bundle.h"
#include "vm/qemu_command.h"

#define REPEATS_MAX 32

/* What came in before the order in which it counts is known. */
struct given {
	const char *bundles[SIZING_CONTAINERS_MAX], *configs[REPEATS_MAX],
		*annotations[REPEATS_MAX];
	size_t bundle_count, config_count, annotation_count;
	uint64_t memory_bytes, cpus_micro;
};

enum {
	OPT_MEMORY = 256,
	OPT_CPUS,
	OPT_BUNDLE,
	OPT_ANNOTATION,
	OPT_ARCH,
	OPT_INITRD,
	OPT_RULES,
	OPT_CONFIG,
	OPT_JSON,
};

static const struct option options[] = {
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"bundle", required_argument, NULL, OPT_BUNDLE},
	{"annotation", required_argument, NULL, OPT_ANNOTATION},
	{"arch", required_argument, NULL, OPT_ARCH},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"rules", required_argument, NULL, OPT_RULES},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int repeat(const char **list, size_t *count, size_t max, const char *value)
{
	if (*count == max)
		return command_usage_error(&size_command, "more than %zu times '%s'", max, value);
	list[(*count)++] = value;
	return 0;
}

static int set_arch(const char *text, const char **ret)
{
	if (!qemu_default_program(text))
		return command_usage_error(
			&size_command, "--arch '%s' is not one of %s", text, qemu_arch_names());
	*ret = text;
	return 0;
}

static int take_option(struct size_options *o, struct given *g, int option, const char *value)
{
	switch (option) {
	case OPT_MEMORY:
		if (parse_size(value, &g->memory_bytes) == 0 && g->memory_bytes)
			return 0;
		return command_usage_error(
			&size_command, "--memory '%s' is not a size: say 64M, 1G", value);
	case OPT_CPUS:
		if (parse_decimal_micro(value, &g->cpus_micro) == 0 && g->cpus_micro)
			return 0;
		return command_usage_error(
			&size_command, "--cpus '%s' is not a number of CPUs: say 2 or 0.5", value);
	case OPT_BUNDLE:
		return repeat(g->bundles, &g->bundle_count, SIZING_CONTAINERS_MAX, value);
	case OPT_ANNOTATION:
		return repeat(g->annotations, &g->annotation_count, REPEATS_MAX, value);
	case OPT_CONFIG:
		return repeat(g->configs, &g->config_count, REPEATS_MAX, value);
	case OPT_ARCH:
		return set_arch(value, &o->arch);
	case OPT_INITRD:
		o->initrd = value;
		return 0;
	case OPT_RULES:
		o->predict = true;
		if (sizing_rules_by_name(value, &o->rules) == 0)
			return 0;
		return command_usage_error(
			&size_command, "--rules '%s' is not runtime-rs or go", value);
	case OPT_JSON:
		o->json = true;
		return 0;
	case 'h':
		o->help = true;
		return 0;
	default:
		return EXIT_CRADLE_FAILED; /* what is wrong was said */
	}
}

/* ---- what was given, in its order ---- */

static int refused(const char *what, const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	return command_usage_error(
		&size_command, "%s: %s", what, error_render(err, text, sizeof(text)));
}

static void merge_pod(struct size_options *o, const struct sizing_ask *found)
{
	if (found->memory_bytes || found->cpu_quota || found->cpu_period || found->cpu_shares) {
		o->pod = *found;
		o->has_pod = true;
	}
}

static int read_bundles(struct size_options *o, const struct given *g)
{
	struct error err = ERROR_INIT;
	struct size_bundle bundle;

	for (size_t i = 0; i < g->bundle_count; i++) {
		if (size_bundle_read(g->bundles[i], &bundle, &err) < 0)
			return refused("--bundle", &err);
		if (bundle.sandbox)
			merge_pod(o, &bundle.annotations);
		else
			o->containers[o->count++] = bundle.ask;
	}
	return 0;
}

/* --memory and --cpus: the only container, or what counts instead of its bundle's. */
static int take_flags(struct size_options *o, const struct given *g)
{
	struct sizing_ask *ask = &o->containers[0];

	if (!g->memory_bytes && !g->cpus_micro)
		return 0;
	if (o->count > 1)
		return command_usage_error(&size_command,
			"--memory and --cpus are of one container, and there are %zu bundles",
			o->count);
	o->count = 1;
	if (g->memory_bytes > INT64_MAX || g->cpus_micro > INT64_MAX / SIZING_CPU_PERIOD_US)
		return command_usage_error(&size_command, "no machine is that large");
	if (g->memory_bytes)
		ask->memory_bytes = (int64_t)g->memory_bytes;
	if (g->cpus_micro) {
		/* Of a second, so that a millionth of a CPU can be said. */
		ask->cpu_quota = (int64_t)g->cpus_micro;
		ask->cpu_period = 1000000;
	}
	return 0;
}

/* Keys that change Kata's configuration before anything is computed (host-side.md 1.6). */
static int take_hypervisor_annotation(struct size_options *o, const char *key, const char *value)
{
	struct error err = ERROR_INIT;
	uint64_t mib;

	if (str_eq(key, "default_max_vcpus"))
		key = "default_maxvcpus";
	if (!o->predict)
		return command_usage_error(&size_command,
			"annotation %s is for Kata's runtimes: give --rules, too", key);
	if (sizing_rules_set(&o->config, key, value, &err) < 0)
		return refused("--annotation", &err);
	if (o->rules == SIZING_RULES_GO && str_eq(key, "default_memory") &&
		parse_u64(value, &mib) == 0 && mib < 256)
		return command_usage_error(&size_command,
			"the Go runtime refuses an annotated default_memory under 256");
	return 0;
}

static int take_annotation(struct size_options *o, const char *text)
{
	static const char hypervisor[] = "io.katacontainers.config.hypervisor.";
	char key[128];
	size_t len = strcspn(text, "=");
	const char *value = text + len + 1;
	bool bad = false;

	if (!text[len] || len >= sizeof(key))
		return command_usage_error(
			&size_command, "--annotation '%s' is not KEY=VALUE", text);
	str_format(key, sizeof(key), "%.*s", (int)len, text);
	if (str_starts(key, hypervisor))
		return take_hypervisor_annotation(o, key + strlen(hypervisor), value);
	if (!sizing_ask_annotation(&o->pod, key, value, &bad))
		return command_usage_error(&size_command,
			"annotation '%s' has no say in sizing; "
			"io.kubernetes.cri.sandbox-memory, -cpu-quota, -cpu-period, -cpu-shares "
			"and %s* have",
			key, hypervisor);
	o->has_pod = true;
	if (bad)
		fprintf(stderr, "cradle size: %s: '%s' is no number; it counts as not said\n", key,
			value);
	return 0;
}

static int take_config(struct size_options *o, const char *text)
{
	struct error err = ERROR_INIT;
	char key[64];
	size_t len = strcspn(text, "=");

	if (!o->predict)
		return command_usage_error(
			&size_command, "--config is for Kata's runtimes: give --rules, too");
	if (!text[len] || len >= sizeof(key))
		return command_usage_error(&size_command, "--config '%s' is not KEY=VALUE", text);
	str_format(key, sizeof(key), "%.*s", (int)len, text);
	if (sizing_rules_set(&o->config, key, text + len + 1, &err) < 0)
		return refused("--config", &err);
	return 0;
}

static int settle(struct size_options *o, const struct given *g)
{
	int r = read_bundles(o, g);

	if (o->predict)
		o->config = sizing_rules_shipped(o->rules, o->arch);
	if (r == 0)
		r = take_flags(o, g);
	for (size_t i = 0; r == 0 && i < g->config_count; i++)
		r = take_config(o, g->configs[i]);
	for (size_t i = 0; r == 0 && i < g->annotation_count; i++)
		r = take_annotation(o, g->annotations[i]);
	return r;
}

int size_options_parse(int argc, char **argv, struct size_options *ret)
{
	static struct utsname host; /* its text is the default of --arch */
	struct given g = {.bundle_count = 0};
	int option, r;

	memset(ret, 0, sizeof(*ret));
	ret->arch =
		uname(&host) == 0 && qemu_default_program(host.machine) ? host.machine : "x86_64";
	command_options_begin();
	while ((option = command_next_option(&size_command, argc, argv, "+h", options)) != -1) {
		r = take_option(ret, &g, option, optarg);
		if (r)
			return r;
	}
	if (ret->help)
		return 0;
	if (optind < argc)
		return command_usage_error(
			&size_command, "'%s' is one word too many", argv[optind]);
	if (!ret->initrd && !str_empty(getenv("CRADLE_INITRD")))
		ret->initrd = getenv("CRADLE_INITRD");
	return settle(ret, &g);
}
