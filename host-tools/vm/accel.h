/*
 * accel: KVM or emulation? A device node and even a QEMU that starts are no proof (lab-notes.md):
 * on x86 the CPU must offer vmx or svm, then QEMU is really tried, paused, for a second. What
 * passes both and then says nothing is restarted under TCG by vm_boot.c.
 */
#ifndef VM_ACCEL_H
#define VM_ACCEL_H

#include "vm/vm_config.h"

#include <stdbool.h>
#include <stddef.h>

/* True when the flags of /proc/cpuinfo's text name vmx or svm. Pure. */
bool accel_cpu_can_virtualize(const char *cpuinfo);

/*
 * Chooses for guests of arch on this machine. MAY SLEEP for about a second. why gets one line for
 * the user when the answer is TCG, else "".
 */
enum vm_accel accel_choose(const char *arch, const char *qemu, char *why, size_t size);

#endif
