/*
 * seccomp: see seccomp.h. launch_plan checks, sandbox/ compiles in a helper, launch's child
 * installs.
 */
#include "kernel/seccomp.h"

#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"

#define SYSCALL_ARGS 6

/* ---- words ---------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	uint32_t action;
	bool with_errno; /* the low half carries a number */
} actions[] = {
	{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true},
	{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG, false},
};

static const struct {
	const char *word;
	enum scmp_compare op;
} operators[] = {
	{"SCMP_CMP_NE", SCMP_CMP_NE},
	{"SCMP_CMP_LT", SCMP_CMP_LT},
	{"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ},
	{"SCMP_CMP_GE", SCMP_CMP_GE},
	{"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static const struct {
	const char *word;
	unsigned flag;
} flag_words[] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
};

/* The action with its errno; EPERM stands for "unset or 0", with which a call would seem to work.
 */
static int parse_action(const char *word, uint32_t errnoret, uint32_t *ret, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(word, actions[i].word))
			continue;
		*ret = actions[i].action;
		if (actions[i].with_errno)
			*ret |= errnoret ? errnoret & 0xffff : EPERM;
		return 0;
	}
	/* Nobody here could answer; what is stopped for an answer would wait for ever. */
	if (str_eq(word, "SCMP_ACT_NOTIFY"))
		return error_invalid(err, "SCMP_ACT_NOTIFY is not supported: there is no listener");
	return error_invalid(err, "seccomp: unknown action \"%.60s\"", word);
}

static int parse_operator(const char *word, enum scmp_compare *ret, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		if (str_eq(word, operators[i].word)) {
			*ret = operators[i].op;
			return 0;
		}
	}
	return error_invalid(err, "seccomp: unknown operator \"%.60s\"", word);
}

/* SCMP_ARCH_X86_64 is x86_64 to libseccomp, and so on for all of them. */
static int parse_architecture(const char *word, uint32_t *ret, struct error *err)
{
	static const char prefix[] = "SCMP_ARCH_";
	char name[32];
	size_t n = 0;

	if (str_starts(word, prefix) && strlen(word) - strlen(prefix) < sizeof(name)) {
		for (const char *p = word + strlen(prefix); *p; p++)
			name[n++] = (char)tolower((unsigned char)*p);
		name[n] = '\0';
		*ret = seccomp_arch_resolve_name(name);
		if (*ret)
			return 0;
	}
	return error_invalid(err, "seccomp: unknown architecture \"%.60s\"", word);
}

static int parse_flag(const char *word, unsigned *ret, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_words); i++) {
		if (str_eq(word, flag_words[i].word)) {
			*ret = flag_words[i].flag;
			return 0;
		}
	}
	return error_invalid(err, "seccomp: unsupported flag \"%.60s\"", word);
}

static int check_rule(const Grpc__LinuxSyscall *rule, struct error *err)
{
	unsigned seen = 0;
	uint32_t action;
	int r = parse_action(rule->action, rule->errnoret, &action, err);

	if (r < 0)
		return r;
	if (rule->n_names == 0)
		return error_invalid(err, "seccomp: a rule without names");
	for (size_t i = 0; i < rule->n_args; i++) {
		enum scmp_compare op;

		r = parse_operator(rule->args[i]->op, &op, err);
		if (r < 0)
			return r;
		if (rule->args[i]->index >= SYSCALL_ARGS)
			return error_invalid(err, "seccomp: argument index %llu is over 5",
				(unsigned long long)rule->args[i]->index);
		if (seen & 1u << rule->args[i]->index)
			return error_invalid(err,
				"seccomp: argument %llu of %.60s is compared twice in one rule",
				(unsigned long long)rule->args[i]->index, rule->names[0]);
		seen |= 1u << rule->args[i]->index;
	}
	return 0;
}

int seccomp_check(const Grpc__LinuxSeccomp *seccomp, struct error *err)
{
	uint32_t value;
	unsigned flag;
	int r = parse_action(seccomp->defaultaction, 0, &value, err);

	for (size_t i = 0; r >= 0 && i < seccomp->n_architectures; i++)
		r = parse_architecture(seccomp->architectures[i], &value, err);
	for (size_t i = 0; r >= 0 && i < seccomp->n_flags; i++)
		r = parse_flag(seccomp->flags[i], &flag, err);
	for (size_t i = 0; r >= 0 && i < seccomp->n_syscalls; i++)
		r = check_rule(seccomp->syscalls[i], err);
	return r;
}

unsigned seccomp_flags(const Grpc__LinuxSeccomp *seccomp)
{
	unsigned flags = 0, flag;

	for (size_t i = 0; seccomp && i < seccomp->n_flags; i++)
		if (parse_flag(seccomp->flags[i], &flag, NULL) == 0)
			flags |= flag;
	return flags;
}

/* ---- compiling ------------------------------------------------------------------------------ */

static int compile_args(
	const Grpc__LinuxSyscall *rule, struct scmp_arg_cmp args[SYSCALL_ARGS], struct error *err)
{
	for (size_t i = 0; i < rule->n_args; i++) {
		const Grpc__LinuxSeccompArg *arg = rule->args[i];
		enum scmp_compare op;
		int r = parse_operator(arg->op, &op, err);

		if (r < 0)
			return r;
		args[i] = (struct scmp_arg_cmp){
			.arg = (unsigned)arg->index,
			.op = op,
			.datum_a = arg->value,
			.datum_b = op == SCMP_CMP_MASKED_EQ ? arg->valuetwo : 0,
		};
	}
	return 0;
}

static int compile_rule(scmp_filter_ctx ctx, const Grpc__LinuxSyscall *rule,
	uint32_t default_action, struct error *err)
{
	struct scmp_arg_cmp args[SYSCALL_ARGS];
	uint32_t action;
	int r = parse_action(rule->action, rule->errnoret, &action, err);

	if (r >= 0)
		r = compile_args(rule, args, err);
	if (r < 0)
		return r;
	if (action == default_action) /* says nothing new, and libseccomp refuses it */
		return 0;
	for (size_t i = 0; i < rule->n_names; i++) {
		int number = seccomp_syscall_resolve_name(rule->names[i]);

		if (number == __NR_SCMP_ERROR) {
			log_record(LOG_WARN, "seccomp", "unknown system call skipped", "syscall",
				rule->names[i], NULL);
			continue;
		}
		r = seccomp_rule_add_array(ctx, action, number, (unsigned)rule->n_args, args);
		if (r < 0)
			return error_errno(err, -r, "seccomp: rule for %.60s", rule->names[i]);
	}
	return 0;
}

static int compile(scmp_filter_ctx ctx, const Grpc__LinuxSeccomp *seccomp, uint32_t default_action,
	struct error *err)
{
	int r;

	for (size_t i = 0; i < seccomp->n_architectures; i++) {
		uint32_t arch;

		r = parse_architecture(seccomp->architectures[i], &arch, err);
		if (r < 0)
			return r;
		r = seccomp_arch_add(ctx, arch);
		if (r < 0 && r != -EEXIST)
			return error_errno(
				err, -r, "seccomp: architecture %.60s", seccomp->architectures[i]);
	}
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		r = compile_rule(ctx, seccomp->syscalls[i], default_action, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int seccomp_compile(const Grpc__LinuxSeccomp *seccomp, int fd, struct error *err)
{
	uint32_t default_action;
	scmp_filter_ctx ctx;
	int r = seccomp_check(seccomp, err);

	if (r >= 0)
		r = parse_action(seccomp->defaultaction, 0, &default_action, err);
	if (r < 0)
		return r;
	ctx = seccomp_init(default_action);
	if (!ctx)
		return error_errno(err, ENOMEM, "seccomp: create a filter");
	r = compile(ctx, seccomp, default_action, err);
	if (r >= 0) {
		r = seccomp_export_bpf(ctx, fd);
		if (r < 0)
			error_errno(err, -r, "seccomp: write the program");
	}
	seccomp_release(ctx);
	return r;
}

/* ---- installing ----------------------------------------------------------------------------- */

int seccomp_install(int fd, unsigned flags, struct error *err)
{
	struct sock_filter filter[BPF_MAXINSNS]; /* 32 KiB */
	struct sock_fprog program = {.filter = filter};
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "seccomp: fstat the program");
	if (st.st_size <= 0 || st.st_size > (off_t)sizeof(filter) ||
		st.st_size % (off_t)sizeof(filter[0]))
		return error_errno(
			err, EINVAL, "seccomp: a program of %lld bytes", (long long)st.st_size);
	n = pread(fd, filter, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return error_errno(err, n < 0 ? errno : EIO, "seccomp: read the program");
	program.len = (unsigned short)((size_t)n / sizeof(filter[0]));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0)
		return error_errno(err, errno, "seccomp: install the filter");
	return 0;
}
