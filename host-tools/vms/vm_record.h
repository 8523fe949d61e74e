/*
 * vm_record: what a keeper writes down of its VM, as JSON in the entry's vm.json: what was asked,
 * what was given, how far it is. Written by the keeper alone; readers believe none of it without a
 * look at the lock (vm_store.h), and none of its lengths.
 */
#ifndef VMS_VM_RECORD_H
#define VMS_VM_RECORD_H

#include "vms/vm_store.h"

#include <stdint.h>

#define VM_RECORD_TEXT_MAX 256

enum vm_state { VM_BOOTING, VM_RUNNING, VM_STOPPING, VM_DEAD };

struct vm_record {
	enum vm_state state;
	char reason[VM_RECORD_TEXT_MAX]; /* dead: why */
	char arch[16], accel[8];
	char kernel[VM_RECORD_TEXT_MAX], image[VM_RECORD_TEXT_MAX]; /* image: initrd or disk */
	uint64_t started_s;					    /* Unix time */
	uint64_t asked_memory, asked_cpus_micro; /* 0 = nothing was said: the default */
	uint64_t limit_bytes;			 /* of the containers together */
	uint64_t vm_bytes, kernel_bytes; /* given; kernel_bytes of it never reach MemTotal */
	uint32_t cpus;			 /* given */
	int64_t qemu_pid;		 /* a hint for people: nothing is done with it */
};

const char *vm_state_name(enum vm_state state);
/* 0 or negative errno. May sleep. */
int vm_record_write(const struct vm_entry *entry, const struct vm_record *record);
/*
 * Unknown members are left alone, missing ones are 0 or ""; texts come without control characters.
 * -EPROTO with err: no JSON object, too long, a member of a wrong kind. Then *ret is zeroed.
 */
int vm_record_read(const struct vm_entry *entry, struct vm_record *ret, struct error *err);
/*
 * The state as it is: what the record says, unless nobody keeps the VM. Then it is dead, and
 * record->reason says so if the keeper could not.
 */
enum vm_state vm_record_judge(const struct vm_entry *entry, struct vm_record *record);

#endif
