/* cgroup_device_rules: see cgroup_device_rules.h. */
#include "kernel/cgroup_device_rules.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "hard_limits.h"

/* dev_t of the kernel: 12 bits and 20 bits (linux/kdev_t.h). */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

/* What runc gives every container (its specconv package), and tun (agent-api-containers.md 10.2).
 */
static const struct device_rule default_rules[] = {
	{false, DEVICE_ANY, DEVICE_ANY, DEVICE_ANY, DEVICE_ACCESS_ALL},
	{true, BPF_DEVCG_DEV_CHAR, DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD},
	{true, BPF_DEVCG_DEV_BLOCK, DEVICE_ANY, DEVICE_ANY, BPF_DEVCG_ACC_MKNOD},
	{true, BPF_DEVCG_DEV_CHAR, 1, 3, DEVICE_ACCESS_ALL},		/* null */
	{true, BPF_DEVCG_DEV_CHAR, 1, 5, DEVICE_ACCESS_ALL},		/* zero */
	{true, BPF_DEVCG_DEV_CHAR, 1, 7, DEVICE_ACCESS_ALL},		/* full */
	{true, BPF_DEVCG_DEV_CHAR, 1, 8, DEVICE_ACCESS_ALL},		/* random */
	{true, BPF_DEVCG_DEV_CHAR, 1, 9, DEVICE_ACCESS_ALL},		/* urandom */
	{true, BPF_DEVCG_DEV_CHAR, 5, 0, DEVICE_ACCESS_ALL},		/* tty */
	{true, BPF_DEVCG_DEV_CHAR, 5, 1, DEVICE_ACCESS_ALL},		/* console */
	{true, BPF_DEVCG_DEV_CHAR, 5, 2, DEVICE_ACCESS_ALL},		/* ptmx */
	{true, BPF_DEVCG_DEV_CHAR, 136, DEVICE_ANY, DEVICE_ACCESS_ALL}, /* pts */
	{true, BPF_DEVCG_DEV_CHAR, 10, 200, DEVICE_ACCESS_ALL},		/* net/tun */
};

static int parse_type(const char *word)
{
	if (str_empty(word) || str_eq(word, "a"))
		return DEVICE_ANY;
	if (str_eq(word, "b"))
		return BPF_DEVCG_DEV_BLOCK;
	if (str_eq(word, "c") || str_eq(word, "u"))
		return BPF_DEVCG_DEV_CHAR;
	return -EINVAL;
}

static int parse_access(const char *word)
{
	static const char letters[] = "rwm";
	static const int bits[] = {BPF_DEVCG_ACC_READ, BPF_DEVCG_ACC_WRITE, BPF_DEVCG_ACC_MKNOD};
	int access = 0;

	for (; word && *word; word++) {
		const char *at = strchr(letters, *word);

		if (!at)
			return -EINVAL;
		access |= bits[at - letters];
	}
	return access ? access : -EINVAL;
}

static int parse_rule(
	const Grpc__LinuxDeviceCgroup *sent, size_t i, struct device_rule *ret, struct error *err)
{
	*ret = (struct device_rule){.allow = sent->allow,
		.type = parse_type(sent->type),
		.major = sent->major,
		.minor = sent->minor,
		.access = parse_access(sent->access)};
	if (ret->type == -EINVAL)
		return error_invalid(err,
			"Linux.Resources.Devices[%zu]: type \"%.20s\" is none of a, b, c", i,
			sent->type);
	if (ret->access < 0)
		return error_invalid(err,
			"Linux.Resources.Devices[%zu]: access \"%.20s\": want letters of rwm", i,
			sent->access);
	if (ret->major < DEVICE_ANY || ret->major > MAJOR_MAX || ret->minor < DEVICE_ANY ||
		ret->minor > MINOR_MAX)
		return error_invalid(err,
			"Linux.Resources.Devices[%zu]: no device has the number %lld:%lld", i,
			(long long)ret->major, (long long)ret->minor);
	if (ret->major == 0) {
		ret->major = DEVICE_ANY;
		if (ret->minor == 0)
			ret->minor = DEVICE_ANY;
	}
	return 0;
}

bool device_rule_is_everything(const struct device_rule *rule)
{
	return rule->type == DEVICE_ANY && rule->major == DEVICE_ANY && rule->minor == DEVICE_ANY &&
	       rule->access == DEVICE_ACCESS_ALL;
}

static void set_defaults(struct device_rules *rules)
{
	memcpy(rules->list, default_rules, sizeof(default_rules));
	rules->count = ARRAY_SIZE(default_rules);
}

static void add(struct device_rules *rules, const struct device_rule *rule)
{
	rules->list[rules->count++] = *rule;
}

/* Kata's runtimes strip the rules but not always the nodes: those are there to be used. */
static void add_spec_devices(struct device_rules *rules, const Grpc__Linux *linux_part)
{
	for (size_t i = 0; i < linux_part->n_devices; i++) {
		const Grpc__LinuxDevice *device = linux_part->devices[i];
		struct device_rule rule = {true, parse_type(device->type), device->major,
			device->minor, DEVICE_ACCESS_ALL};

		/* 'p' is a pipe; numbers are checked by the launch plan */
		if (rule.type < 0 || rule.major < 0 || rule.major > MAJOR_MAX || rule.minor < 0 ||
			rule.minor > MINOR_MAX)
			continue;
		add(rules, &rule);
	}
}

static int add_sent_rules(
	struct device_rules *rules, const Grpc__LinuxResources *resources, struct error *err)
{
	for (size_t i = 0; i < resources->n_devices; i++) {
		struct device_rule rule;
		int r = parse_rule(resources->devices[i], i, &rule, err);

		if (r < 0)
			return r;
		rules->required = rules->required || !rule.allow;
		if (!rule.allow && device_rule_is_everything(&rule))
			set_defaults(rules);
		else
			add(rules, &rule);
	}
	return 0;
}

int device_rules_make(const Grpc__Linux *linux_part, bool nodes, const struct device_denied *denied,
	struct arena *arena, struct device_rules *ret, struct error *err)
{
	static const Grpc__LinuxResources none = GRPC__LINUX_RESOURCES__INIT;
	static const Grpc__Linux nothing = GRPC__LINUX__INIT;
	const Grpc__LinuxResources *resources;
	struct device_rules rules = {0};
	int r;

	linux_part = linux_part ? linux_part : &nothing;
	resources = linux_part->resources ? linux_part->resources : &none;
	if (resources->n_devices + linux_part->n_devices > DEVICE_RULES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, E2BIG,
			"Linux.Resources.Devices: more than %d rules", DEVICE_RULES_MAX);
	rules.list = arena_calloc(arena,
		ARRAY_SIZE(default_rules) + resources->n_devices + linux_part->n_devices +
			denied->count,
		sizeof(*rules.list));
	if (!rules.list)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"Linux.Resources.Devices: no room for the rules");
	set_defaults(&rules);
	if (nodes)
		add_spec_devices(&rules, linux_part);
	r = add_sent_rules(&rules, resources, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < denied->count; i++)
		add(&rules,
			&(struct device_rule){false, BPF_DEVCG_DEV_BLOCK, major(denied->list[i]),
				minor(denied->list[i]), DEVICE_ACCESS_ALL});
	*ret = rules;
	return 0;
}
