/* cgroup_devices: see cgroup_devices.h. Called by sandbox/container_create and container_update. */
#include "kernel/cgroup_devices.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "kernel/cgroup_device_rules.h"
#include "kernel/cgroup_devices_v1.h"

#define PROGRAM_NAME "cradle_devices"

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
	if (rule->access == DEVICE_ACCESS_ALL) {
		emit_answer(p, rule->allow);
	} else if (rule->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0,
			DEVICE_ACCESS_ALL & ~rule->access);
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
		if (want[i] == DEVICE_ANY)
			continue;
		jumps[n++] = p->count;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, reg[i], 0, 0, (int32_t)want[i]);
	}
	emit_verdict(p, rule);
	while (n-- > 0)
		p->insns[jumps[n]].off = (int16_t)(p->count - jumps[n] - 1);
}

/* The last match decides: so from the last to the first, up to one that matches everything. */
static int build(const struct device_rules *rules, struct arena *arena, struct device_program *p,
	struct error *err)
{
	size_t i = rules->count;

	p->count = 0;
	p->insns = arena_calloc(
		arena, PROLOGUE_INSNS + END_INSNS + rules->count * RULE_INSNS, sizeof(*p->insns));
	if (!p->insns)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"Linux.Resources.Devices: no room for the program");
	emit_prologue(p);
	while (i > 0 && !device_rule_is_everything(&rules->list[i - 1]))
		emit_rule(p, &rules->list[--i]);
	emit_answer(p, i > 0 && rules->list[i - 1].allow);
	return 0;
}

int cgroup_devices_plan(const struct cgroup_root *root, const Grpc__Linux *linux_part, bool nodes,
	const struct device_denied *denied, struct arena *arena, struct device_program *ret,
	struct error *err)
{
	struct device_rules rules;
	int r = device_rules_make(linux_part, nodes, denied, arena, &rules, err);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->required = rules.required;
	if (root && root->v1_only)
		return cgroup_root_v1_has(root, "devices")
			       ? cgroup_devices_v1_plan(&rules, arena, &ret->v1, err)
			       : 0;
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
	str_copy(attr.prog_name, sizeof(attr.prog_name), PROGRAM_NAME);
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

/* Is it one of ours? A container may attach programs of its own to its group. */
static bool is_ours(int program)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)program;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && str_eq(info.name, PROGRAM_NAME);
}

static void detach(int cgroup_fd, int program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	bpf(BPF_PROG_DETACH, &attr);
}

/* Programs that are attached now, by id. At most one is ours, unless a replacement failed. */
static int query(int cgroup_fd, uint32_t *ids, uint32_t room)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = room;
	return bpf(BPF_PROG_QUERY, &attr) < 0 ? -errno : (int)attr.query.prog_cnt;
}

static void detach_ours(int cgroup_fd, const uint32_t *ids, int count)
{
	for (int i = 0; i < count; i++) {
		union bpf_attr attr;
		int fd;

		memset(&attr, 0, sizeof(attr));
		attr.prog_id = ids[i];
		fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue;
		if (is_ours(fd))
			detach(cgroup_fd, fd);
		close(fd);
	}
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

/* v1's rules; also those of a hybrid machine are the program's, which can say more. */
static int apply_v1(
	const struct cgroup *cgroup, const struct device_program *program, struct error *err)
{
	if (program->v1.count)
		return cgroup_limits_apply(cgroup, &program->v1, NULL, err);
	if (program->required)
		return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
			"Linux.Resources.Devices: deny rules need cgroup v1's devices controller, "
			"or cgroup2");
	return 0;
}

static int refused(
	const struct device_program *program, const char *step, int errnum, struct error *err)
{
	if (program->required)
		return error_set(err, STATUS_FAILED_PRECONDITION, errnum,
			"Linux.Resources.Devices: deny rules need CONFIG_BPF_SYSCALL and "
			"CONFIG_CGROUP_BPF: bpf: %s the device program",
			step);
	log_once(-errnum);
	return 0;
}

int cgroup_devices_attach(
	const struct cgroup *cgroup, const struct device_program *program, struct error *err)
{
	_cleanup_fd_ int group = -1;
	int fd, r;

	if (!program->insns)
		return apply_v1(cgroup, program, err);
	fd = load_cached(program);
	group = cgroup_open(cgroup);
	r = fd < 0 ? fd : group < 0 ? group : attach(group, fd);
	return r < 0 ? refused(program, fd < 0 ? "load" : "attach", -r, err) : 0;
}

int cgroup_devices_replace(
	const struct cgroup *cgroup, const struct device_program *program, struct error *err)
{
	uint32_t ids[64];
	_cleanup_fd_ int fd = -1, group = -1;
	int count, r;

	if (!program->insns)
		return apply_v1(cgroup, program, err);
	group = cgroup_open(cgroup);
	count = query(group, ids, ARRAY_SIZE(ids));
	fd = load(program);
	r = fd < 0 ? fd : group < 0 ? group : attach(group, fd);
	if (r < 0)
		return error_set(err, STATUS_FAILED_PRECONDITION, -r,
			"Linux.Resources.Devices: new rules need CONFIG_BPF_SYSCALL and "
			"CONFIG_CGROUP_BPF: bpf: %s the device program",
			fd < 0 ? "load" : "attach");
	/* in between both have to agree: never more than either allows */
	detach_ours(group, ids, count);
	return 0;
}
