/* qemu_version: which QEMU is this? Asked only when one did not start, by vm.c. */
#ifndef VM_QEMU_VERSION_H
#define VM_QEMU_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* The oldest that cradle is tested with. */
#define QEMU_OLDEST_MAJOR 7
#define QEMU_OLDEST_MINOR 2

/* True: text ("QEMU emulator version 5.2.0 (...)") names a version older than that; it is put into
 * version. Pure. */
bool qemu_version_too_old(const char *text, char *version, size_t size);
/* The same of a program, by its --version. SLEEPS, two seconds at most. */
bool qemu_program_too_old(const char *program, char *version, size_t size);

#endif
