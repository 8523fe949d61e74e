/*
 * boot_modules: loads the kernel modules that the initrd carries, in the order it lists them
 * (rootfs-builder/build resolves it from modules.dep). Called by boot once, before any device is
 * needed. Sleeps while a module initialises.
 */
#ifndef BOOT_BOOT_MODULES_H
#define BOOT_BOOT_MODULES_H

#include <stdbool.h>
#include <stddef.h>

#define BOOT_MODULES_LIST "/etc/cradle/modules"

struct boot_modules_result {
	unsigned loaded, skipped, failed; /* one that is loaded already counts as loaded */
};

/* One line of the list: a path, optionally parameters behind a blank. */
struct boot_module {
	char path[256];
	char parameters[256];
};

/*
 * Takes the next module of a list's text and moves *text on: 1, or 0 at the end, or -EINVAL for a
 * line that is no absolute path without "..", or is too long (skipped, the next call goes on behind
 * it). Empty lines and comments (#) are skipped. Pure.
 */
int boot_modules_next(const char **text, struct boot_module *ret);

/*
 * Is this module of those in names, which have commas between them? As the kernel has it '-' and
 * '_' are the same in a name. Pure.
 */
bool boot_modules_named(const struct boot_module *module, const char *names);

/* Loads one module; 0 or negative errno. Replaceable for tests. */
typedef int (*boot_module_load_fn)(const struct boot_module *module, void *context);
/*
 * Loads all of the list. A module that fails is logged with name and errno and the rest goes on; no
 * list at all means a kernel with everything built in. Those named in skip are not loaded: the
 * launcher knows that this VM has no device for them. With load NULL: finit_module(2), and the
 * files, of those skipped as well, are deleted (in an initramfs they would hold memory for ever).
 */
struct boot_modules_result boot_modules_load(
	const char *list_path, const char *skip, boot_module_load_fn load, void *context);

#endif
