/* kernel_modules: see kernel_modules.h. */
#include "sandbox/kernel_modules.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command.h"
#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"

#define MODPROBE "/sbin/modprobe"

static int check_module(const Grpc__KernelModule *module, size_t i, struct error *err)
{
	if (str_empty(module->name) || module->name[0] == '-')
		return error_invalid(
			err, "kernel_modules[%zu]: '%.64s' is no module's name", i, module->name);
	/* modprobe takes options wherever they stand */
	for (size_t k = 0; k < module->n_parameters; k++)
		if (str_empty(module->parameters[k]) || module->parameters[k][0] == '-')
			return error_invalid(err,
				"kernel_modules[%zu] %.64s: '%.64s' is no parameter", i,
				module->name, module->parameters[k]);
	return 0;
}

int kernel_modules_check(Grpc__KernelModule *const *modules, size_t count, struct error *err)
{
	if (count > KERNEL_MODULES_MAX)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, 0, "kernel_modules: more than %d",
			KERNEL_MODULES_MAX);
	for (size_t i = 0; i < count; i++) {
		int r = check_module(modules[i], i, err);

		if (r < 0)
			return r;
	}
	if (count && access(MODPROBE, X_OK) < 0)
		return error_set(err, STATUS_FAILED_PRECONDITION, ENOENT,
			"kernel_modules[0] '%.64s': this guest has no " MODPROBE, modules[0]->name);
	return 0;
}

static int load_module(const Grpc__KernelModule *module, struct error *err)
{
	static char *env[] = {(char *)"PATH=/bin:/sbin:/usr/bin:/usr/sbin", NULL};
	_cleanup_free_ char **args = calloc(module->n_parameters + 5, sizeof(*args));
	struct command command = {.path = MODPROBE,
		.args = args,
		.env = env,
		.input = -1,
		.timeout_s = HELPER_TIMEOUT_MS / 1000};
	size_t n = 0;

	if (!args)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM, "run " MODPROBE);
	args[n++] = (char *)"modprobe";
	args[n++] = (char *)"-v";
	args[n++] = (char *)"--";
	args[n++] = module->name;
	for (size_t i = 0; i < module->n_parameters; i++)
		args[n++] = module->parameters[i];
	if (command_run(&command, err) < 0)
		return error_prefix(err, MODPROBE " %.64s", module->name);
	log_record(LOG_INFO, "sandbox", "kernel module loaded", "module", module->name, "output",
		command.output, NULL);
	return 0;
}

int kernel_modules_load(Grpc__KernelModule *const *modules, size_t count, struct error *err)
{
	command_unprotect();
	for (size_t i = 0; i < count; i++) {
		int r = load_module(modules[i], err);

		if (r < 0)
			return error_prefix(err, "kernel_modules[%zu]", i);
	}
	return 0;
}
