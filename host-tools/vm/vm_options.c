/* vm_options: see the header. */
#include "vm/vm_options.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/strings.h"
#include "nearest.h"
#include "vm/qemu_command.h"

static int set_size(const struct command *command, const char *text, uint64_t *ret)
{
	if (parse_size(text, ret) < 0 || *ret == 0)
		return command_usage_error(command,
			"--memory '%s' is not a size: say 64M, 1G or a number of bytes", text);
	return 0;
}

static int set_cpus(const struct command *command, const char *text, uint64_t *ret)
{
	if (parse_decimal_micro(text, ret) < 0 || *ret == 0)
		return command_usage_error(
			command, "--cpus '%s' is not a number of CPUs: say 2 or 0.5", text);
	return 0;
}

static int set_accel(const struct command *command, const char *text, enum vm_accel *ret)
{
	static const char *const names[] = {
		[VM_ACCEL_AUTO] = "auto", [VM_ACCEL_KVM] = "kvm", [VM_ACCEL_TCG] = "tcg"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(text, names[i])) {
			*ret = (enum vm_accel)i;
			return 0;
		}
	}
	return command_usage_error(command, "--accel '%s' is not auto, kvm or tcg", text);
}

static int set_net(const struct command *command, const char *text, enum vm_net *ret)
{
	static const char *const names[] = {[VM_NET_NONE] = "none", [VM_NET_USER] = "user"};
	struct nearest nearest;

	nearest_init(&nearest, text);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(text, names[i])) {
			*ret = (enum vm_net)i;
			return 0;
		}
		nearest_offer(&nearest, names[i]);
	}
	if (nearest.best)
		return command_usage_error(command,
			"--net '%s' is not none or user; did you mean '%s'?", text, nearest.best);
	return command_usage_error(command, "--net '%s' is not none or user", text);
}

static int set_arch(const struct command *command, const char *text, const char **ret)
{
	if (!qemu_default_program(text))
		return command_usage_error(
			command, "--arch '%s' is not one of %s", text, qemu_arch_names());
	*ret = text;
	return 0;
}

static int set_seconds(const struct command *command, const char *text, unsigned *ret)
{
	uint32_t value;

	if (parse_u32(text, &value) < 0 || value == 0 || value > 86400)
		return command_usage_error(command,
			"--boot-timeout '%s' is not a number of seconds (1 to 86400)", text);
	*ret = value;
	return 0;
}

static int set_text(
	const struct command *command, const char *text, const char *given, const char **ret)
{
	if (str_empty(text))
		return command_usage_error(command, "%s needs a value", given);
	*ret = text;
	return 0;
}

int vm_option_take(const struct command *command, struct vm_options *o, int option,
	const char *value, const char *given)
{
	switch ((enum vm_option)option) {
	case VM_OPT_MEMORY:
		return set_size(command, value, &o->memory_bytes);
	case VM_OPT_CPUS:
		return set_cpus(command, value, &o->cpus_micro);
	case VM_OPT_ARCH:
		return set_arch(command, value, &o->arch);
	case VM_OPT_ACCEL:
		return set_accel(command, value, &o->accel);
	case VM_OPT_NET:
		return set_net(command, value, &o->net);
	case VM_OPT_KERNEL:
		return set_text(command, value, given, &o->kernel);
	case VM_OPT_INITRD:
		return set_text(command, value, given, &o->initrd);
	case VM_OPT_DISK:
		return set_text(command, value, given, &o->disk);
	case VM_OPT_QEMU:
		return set_text(command, value, given, &o->qemu);
	case VM_OPT_APPEND:
		return set_text(command, value, given, &o->append);
	case VM_OPT_BOOT_TIMEOUT:
		return set_seconds(command, value, &o->boot_timeout_s);
	case VM_OPT_EXPLAIN:
		o->explain = true;
		break;
	case VM_OPT_VERBOSE:
		o->verbose = true;
		break;
	case VM_OPT_END:
		break;
	}
	return 0;
}

void vm_options_take_environment(struct vm_options *o)
{
	const struct {
		const char **option, *variable;
	} rows[] = {
		{&o->kernel, "CRADLE_KERNEL"},
		{&o->initrd, "CRADLE_INITRD"},
		{&o->qemu, "CRADLE_QEMU"},
		{&o->virtiofsd, "CRADLE_VIRTIOFSD"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value = getenv(rows[i].variable);

		if (!*rows[i].option && !str_empty(value))
			*rows[i].option = value;
	}
}
