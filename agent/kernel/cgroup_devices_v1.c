/* cgroup_devices_v1: see cgroup_devices_v1.h. Called by cgroup_devices. */
#include "kernel/cgroup_devices_v1.h"

#include <errno.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* What the kernel would hold: everything is allowed (or denied) but for these. */
struct state {
	bool allow;
	struct device_rule *exceptions;
	size_t count;
};

static const char *format(struct arena *arena, const struct device_rule *rule)
{
	char major[24] = "*", minor[24] = "*";

	if (rule->major != DEVICE_ANY)
		str_format(major, sizeof(major), "%" PRId64, rule->major);
	if (rule->minor != DEVICE_ANY)
		str_format(minor, sizeof(minor), "%" PRId64, rule->minor);
	return arena_printf(arena, "%c %s:%s %s%s%s", rule->type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c',
		major, minor, rule->access & BPF_DEVCG_ACC_READ ? "r" : "",
		rule->access & BPF_DEVCG_ACC_WRITE ? "w" : "",
		rule->access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
}

/* The kernel joins the access of equal ones. */
static void add_exception(struct state *s, const struct device_rule *rule)
{
	for (size_t i = 0; i < s->count; i++) {
		struct device_rule *e = &s->exceptions[i];

		if (e->type == rule->type && e->major == rule->major && e->minor == rule->minor) {
			e->access |= rule->access;
			return;
		}
	}
	s->exceptions[s->count++] = *rule;
}

static bool covers(int64_t wide, int64_t narrow)
{
	return wide == DEVICE_ANY || wide == narrow;
}

static bool meet(int64_t a, int64_t b)
{
	return covers(a, b) || covers(b, a);
}

static bool only_the_making(const struct device_rule *rule, int access)
{
	const int open = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

	return !rule->allow && access == BPF_DEVCG_ACC_MKNOD && (rule->access & open) == open;
}

/* A rule the way of the whole: takes exceptions away, if it covers them. */
static int remove_exceptions(
	struct state *s, const struct device_rule *rule, struct arena *arena, struct error *err)
{
	for (size_t i = 0; i < s->count; i++) {
		struct device_rule *e = &s->exceptions[i];
		int access = e->access & rule->access;

		if (!access || e->type != rule->type || !meet(e->major, rule->major) ||
			!meet(e->minor, rule->minor))
			continue;
		if (covers(rule->major, e->major) && covers(rule->minor, e->minor)) {
			e->access &= ~access;
		} else if (!only_the_making(rule, access)) {
			const char *text = format(arena, rule), *other = format(arena, e);

			return error_set(err, STATUS_FAILED_PRECONDITION, EOPNOTSUPP,
				"Linux.Resources.Devices: cgroup v1 cannot %s %s beside %s",
				rule->allow ? "allow" : "deny", text ? text : "",
				other ? other : "");
		}
	}
	return 0;
}

static int apply_rule(
	struct state *s, const struct device_rule *rule, struct arena *arena, struct error *err)
{
	static const int types[] = {BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR};

	if (device_rule_is_everything(rule)) {
		s->allow = rule->allow;
		s->count = 0;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct device_rule one = *rule;
		int r;

		if (rule->type != DEVICE_ANY && rule->type != types[i])
			continue;
		one.type = types[i];
		if (rule->allow != s->allow) {
			add_exception(s, &one);
			continue;
		}
		r = remove_exceptions(s, &one, arena, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_state(const struct state *s, struct arena *arena, struct cgroup_writes *ret)
{
	static const char *const files[] = {"devices.deny", "devices.allow"};

	ret->count = 0;
	ret->list = arena_calloc(arena, s->count + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	ret->list[ret->count++] = (struct cgroup_write){"devices", files[s->allow], "a", 0};
	for (size_t i = 0; i < s->count; i++) {
		const char *text;

		if (!s->exceptions[i].access)
			continue;
		text = format(arena, &s->exceptions[i]);
		if (!text)
			return -ENOMEM;
		ret->list[ret->count++] =
			(struct cgroup_write){"devices", files[!s->allow], text, 0};
	}
	return 0;
}

int cgroup_devices_v1_plan(const struct device_rules *rules, struct arena *arena,
	struct cgroup_writes *ret, struct error *err)
{
	struct state s = {.allow = true};
	int r = 0;

	s.exceptions = arena_calloc(arena, 2 * rules->count + 1, sizeof(*s.exceptions));
	for (size_t i = 0; s.exceptions && r == 0 && i < rules->count; i++)
		r = apply_rule(&s, &rules->list[i], arena, err);
	if (r < 0)
		return r;
	if (!s.exceptions || write_state(&s, arena, ret) < 0)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"Linux.Resources.Devices: no room for the rules");
	return 0;
}
