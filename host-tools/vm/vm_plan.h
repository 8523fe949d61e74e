/*
 * vm_plan: from options to a VM's config: files found, size computed, accelerator chosen. What
 * `cradle run` and `cradle vm start` do before there is a VM; each step fails with words of its
 * own.
 */
#ifndef VM_VM_PLAN_H
#define VM_VM_PLAN_H

#include "failure.h"
#include "vm/sizing.h"
#include "vm/vm_options.h"

#include <limits.h>

/* Emulated guests on a busy machine take their time; real trouble is noticed earlier by its signs.
 */
#define VM_BOOT_TIMEOUT_S 90

/* Not to be copied: its config points into it, and into the options' strings. */
struct vm_plan {
	char arch[16], kernel[PATH_MAX], initrd[PATH_MAX]; /* initrd "": none */
	int disk_fd;					   /* owned; -1 = none */
	const char *disk_fstype;
	struct sizing sizing;
	struct vm_config config;
	bool kvm_on_trial; /* KVM was our choice: vm_boot.h */
};

/* Empty but for the architecture and a config without descriptors. */
void vm_plan_init(struct vm_plan *plan, const struct vm_options *options);
void vm_plan_release(struct vm_plan *plan); /* idempotent; accepts zeroed */
/* Kernel, initrd and disk: given, or what the build made. 0, or -1 with failure. */
int vm_plan_find_guest(
	struct vm_plan *plan, const struct vm_options *options, struct failure *failure);
/* Memory and CPUs; with --explain the sum goes to stderr. 0, or -1 with failure. */
int vm_plan_size(struct vm_plan *plan, const struct vm_options *options, struct failure *failure);
/*
 * Fills the config, but for name and descriptors. say gets a line for the user when KVM is out of
 * the question. MAY SLEEP for about a second (a try of KVM).
 */
void vm_plan_configure(
	struct vm_plan *plan, const struct vm_options *options, void (*say)(const char *text));

#endif
