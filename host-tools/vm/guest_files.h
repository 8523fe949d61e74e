/*
 * guest_files: what the build made for a guest, and how much of its memory the image takes. Used by
 * run/ (to boot it) and size/ (to count it).
 */
#ifndef VM_GUEST_FILES_H
#define VM_GUEST_FILES_H

#include <stddef.h>
#include <stdint.h>

/* build/host/cradle finds build/<arch>/<file>, beside its own folder. 0 or negative errno. */
int guest_file_default(const char *arch, const char *file, char *out, size_t size);
/* Bytes of an initrd once it is unpacked in the guest; 0 when it cannot be read. May sleep. */
uint64_t guest_unpacked_bytes(const char *initrd);

#endif
