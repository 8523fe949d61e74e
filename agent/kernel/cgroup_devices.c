/* cgroup_devices: see cgroup_devices.h. Called by sandbox/container_create. */
#include "kernel/cgroup_devices.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"

#define ANY (-1)
/* dev_t of the kernel: 12 bits and 20 bits (linux/kdev_t.h). */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

struct device_rule {
	bool allow;
	int type; /* BPF_DEVCG_DEV_*, or ANY */
	int64_t major, minor;
	int access; /* BPF_DEVCG_ACC_* */
};

struct rules {
	struct device_rule *list;
	size_t count;
};

/* What runc gives every container (its specconv package), and tun (agent-api-containers.md 10.2).
 */
static const struct device_rule default_rules[] = {
	{false, ANY, ANY, ANY, ACCESS_ALL},
	{true, BPF_DEVCG_DEV_CHAR, ANY, ANY, BPF_DEVCG_ACC_MKNOD},
	{true, BPF_DEVCG_DEV_BLOCK, ANY, ANY, BPF_DEVCG_ACC_MKNOD},
	{true, BPF_DEVCG_DEV_CHAR, 1, 3, ACCESS_ALL},	  /* null */
	{true, BPF_DEVCG_DEV_CHAR, 1, 5, ACCESS_ALL},	  /* zero */
	{true, BPF_DEVCG_DEV_CHAR, 1, 7, ACCESS_ALL},	  /* full */
	{true, BPF_DEVCG_DEV_CHAR, 1, 8, ACCESS_ALL},	  /* random */
	{true, BPF_DEVCG_DEV_CHAR, 1, 9, ACCESS_ALL},	  /* urandom */
	{true, BPF_DEVCG_DEV_CHAR, 5, 0, ACCESS_ALL},	  /* tty */
	{true, BPF_DEVCG_DEV_CHAR, 5, 1, ACCESS_ALL},	  /* console */
	{true, BPF_DEVCG_DEV_CHAR, 5, 2, ACCESS_ALL},	  /* ptmx */
	{true, BPF_DEVCG_DEV_CHAR, 136, ANY, ACCESS_ALL}, /* pts */
	{true, BPF_DEVCG_DEV_CHAR, 10, 200, ACCESS_ALL},  /* net/tun */
};

/* ---- rules ---------------------------------------------------------------------------------- */

static int parse_type(const char *word)
{
	if (str_empty(word) || str_eq(word, "a"))
		return ANY;
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
	if (ret->major < ANY || ret->major > MAJOR_MAX || ret->minor < ANY ||
		ret->minor > MINOR_MAX)
		return error_invalid(err,
			"Linux.Resources.Devices[%zu]: no device has the number %lld:%lld", i,
			(long long)ret->major, (long long)ret->minor);
	if (ret->major == 0) {
		ret->major = ANY;
		if (ret->minor == 0)
			ret->minor = ANY;
	}
	return 0;
}

static bool is_everything(const struct device_rule *rule)
{
	return rule->type == ANY && rule->major == ANY && rule->minor == ANY &&
	       rule->access == ACCESS_ALL;
}

static void set_defaults(struct rules *rules)
{
	memcpy(rules->list, default_rules, sizeof(default_rules));
	rules->count = ARRAY_SIZE(default_rules);
}

static void add(struct rules *rules, const struct device_rule *rule)
{
	rules->list[rules->count++] = *rule;
}

/* Kata's runtimes strip the rules but not always the nodes: those are there to be used. */
static void add_spec_devices(struct rules *rules, const Grpc__Linux *linux_part)
{
	for (size_t i = 0; i < linux_part->n_devices; i++) {
		const Grpc__LinuxDevice *device = linux_part->devices[i];
		struct device_rule rule = {
			true, parse_type(device->type), device->major, device->minor, ACCESS_ALL};

		/* 'p' is a pipe; numbers are checked by the launch plan */
		if (rule.type < 0 || rule.major < 0 || rule.major > MAJOR_MAX || rule.minor < 0 ||
			rule.minor > MINOR_MAX)
			continue;
		add(rules, &rule);
	}
}

static int add_sent_rules(struct rules *rules, const Grpc__LinuxResources *resources,
	bool *required, struct error *err)
{
	for (size_t i = 0; i < resources->n_devices; i++) {
		struct device_rule rule;
		int r = parse_rule(resources->devices[i], i, &rule, err);

		if (r < 0)
			return r;
		*required = *required || !rule.allow;
		if (!rule.allow && is_everything(&rule))
			set_defaults(rules);
		else
			add(rules, &rule);
	}
	return 0;
}

/* ---- program --------------------------------------------------------------------------------- */

/* Registers: 1 the context, 2 type, 3 what is asked and not yet allowed, 4 major, 5 minor. */
enum { ANSWER, CONTEXT, TYPE, ACCESS, MAJOR, MINOR };

#define PROLOGUE_INSNS 6
#define RULE_INSNS     8
#define END_INSNS      2

static void emit(struct device_program *p, int code, int dst, int src, int off, int32_t imm)
{
	struct bpf_insn *insn = &p->insns[p->count++];

	/* by name: where dst_reg and src_reg lie in their byte depends on the byte order */
	memset(insn, 0, sizeof(*insn));
	insn->code = (uint8_t)code;
	insn->dst_reg = (uint8_t)dst & 0xf;
	insn->src_reg = (uint8_t)src & 0xf;
	insn->off = (int16_t)off;
	insn->imm = imm;
}

static void emit_load(struct device_program *p, int dst, size_t offset)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, (int)offset, 0);
}

static void emit_answer(struct device_program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, ANSWER, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_prologue(struct device_program *p)
{
	/* access_type: the kind of device in the low half, what is asked in the high one */
	emit_load(p, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	emit_load(p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static void emit_verdict(struct device_program *p, const struct device_rule *rule)
{
	if (rule->access == ACCESS_ALL) {
		emit_answer(p, rule->allow);
	} else if (rule->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0, ACCESS_ALL & ~rule->access);
		emit(p, BPF_JMP | BPF_JNE | BPF_K, ACCESS, 0, 2, 0);
		emit_answer(p, true);
	} else {
		emit(p, BPF_ALU64 | BPF_MOV | BPF_X, ANSWER, ACCESS, 0, 0);
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, ANSWER, 0, 0, rule->access);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, ANSWER, 0, 2, 0);
		emit_answer(p, false);
	}
}

/* Each condition that does not hold jumps to what follows the rule. */
static void emit_rule(struct device_program *p, const struct device_rule *rule)
{
	const int reg[] = {TYPE, MAJOR, MINOR};
	const int64_t want[] = {rule->type, rule->major, rule->minor};
	size_t jumps[ARRAY_SIZE(reg)], n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(reg); i++) {
		if (want[i] == ANY)
			continue;
		jumps[n++] = p->count;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, reg[i], 0, 0, (int32_t)want[i]);
	}
	emit_verdict(p, rule);
	while (n-- > 0)
		p->insns[jumps[n]].off = (int16_t)(p->count - jumps[n] - 1);
}

/* The last match decides: so from the last to the first, up to one that matches everything. */
static int build(
	const struct rules *rules, struct arena *arena, struct device_program *p, struct error *err)
{
	size_t i = rules->count;

	p->count = 0;
	p->insns = arena_calloc(
		arena, PROLOGUE_INSNS + END_INSNS + rules->count * RULE_INSNS, sizeof(*p->insns));
	if (!p->insns)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"Linux.Resources.Devices: no room for the program");
	emit_prologue(p);
	while (i > 0 && !is_everything(&rules->list[i - 1]))
		emit_rule(p, &rules->list[--i]);
	emit_answer(p, i > 0 && rules->list[i - 1].allow);
	return 0;
}

int cgroup_devices_plan(const Grpc__Linux *linux_part, const struct device_denied *denied,
	struct arena *arena, struct device_program *ret, struct error *err)
{
	static const Grpc__LinuxResources none = GRPC__LINUX_RESOURCES__INIT;
	static const Grpc__Linux nothing = GRPC__LINUX__INIT;
	const Grpc__LinuxResources *resources;
	struct rules rules = {0};
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
	ret->required = false;
	set_defaults(&rules);
	if (resources->n_devices == 0)
		add_spec_devices(&rules, linux_part);
	r = add_sent_rules(&rules, resources, &ret->required, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < denied->count; i++)
		add(&rules, &(struct device_rule){false, BPF_DEVCG_DEV_BLOCK,
				    major(denied->list[i]), minor(denied->list[i]), ACCESS_ALL});
	return build(&rules, arena, ret, err);
}

/* ---- kernel ---------------------------------------------------------------------------------- */

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(const struct device_program *program)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)program->insns;
	attr.insn_cnt = (uint32_t)program->count;
	attr.license = (uintptr_t) "Apache-2.0";
	str_copy(attr.prog_name, sizeof(attr.prog_name), "cradle_devices");
	fd = bpf(BPF_PROG_LOAD, &attr);
	return fd < 0 ? -errno : fd;
}

/*
 * The kernel checks and compiles a program when it is loaded, the dearest call of a creation; most
 * containers of a pod have the same rules. So the last one is kept, with its instructions to know
 * it by. Its descriptor stays the cache's.
 */
static int load_cached(const struct device_program *program)
{
	static struct {
		int fd;
		struct bpf_insn *insns;
		size_t count;
	} last = {.fd = -1};
	size_t size = program->count * sizeof(*program->insns);
	struct bpf_insn *insns;
	int fd;

	if (last.fd >= 0 && last.count == program->count &&
		memcmp(last.insns, program->insns, size) == 0)
		return last.fd;
	insns = malloc(size);
	if (!insns)
		return -ENOMEM;
	fd = load(program);
	if (fd < 0) {
		free(insns);
		return fd;
	}
	memcpy(insns, program->insns, size);
	close_fd(&last.fd);
	free(last.insns);
	last.fd = fd;
	last.insns = insns;
	last.count = program->count;
	return fd;
}

static int attach(int cgroup_fd, int program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	/* a systemd or runc in the container may put its own below ours: both must agree */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	return bpf(BPF_PROG_ATTACH, &attr) < 0 ? -errno : 0;
}

/* Kata's agent controls no devices on v2: without rules a container is no worse off. */
static void log_once(int r)
{
	static bool logged;

	if (logged)
		return;
	logged = true;
	log_printf(LOG_WARN, "cgroup",
		"devices are not controlled: bpf: %s (the kernel needs CONFIG_BPF_SYSCALL and "
		"CONFIG_CGROUP_BPF)",
		errno_name(-r));
}

int cgroup_devices_attach(int cgroup_fd, const struct device_program *program, struct error *err)
{
	int fd = load_cached(program);
	int r = fd < 0 ? fd : attach(cgroup_fd, fd);

	if (r >= 0)
		return 0;
	if (program->required)
		return error_set(err, STATUS_FAILED_PRECONDITION, -r,
			"Linux.Resources.Devices: deny rules need CONFIG_BPF_SYSCALL and "
			"CONFIG_CGROUP_BPF: bpf: %s the device program",
			fd < 0 ? "load" : "attach");
	log_once(r);
	return 0;
}
