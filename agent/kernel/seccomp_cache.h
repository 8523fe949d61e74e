/*
 * seccomp_cache: compiled filters by the profile they were made from, because the containers of a
 * pod mostly have the same one and libseccomp takes longer for it than all the rest of a creation.
 * Used by sandbox/container_create. Profiles are compared byte by byte in their wire form, never by
 * a hash.
 * No descriptor is kept: who asks gets a memfd of his own.
 */
#ifndef KERNEL_SECCOMP_CACHE_H
#define KERNEL_SECCOMP_CACHE_H

#include "oci.pb-c.h"

/* A memfd of the caller's own, close-on-exec; -ENOENT when it is not here; other negative errno. */
int seccomp_cache_find(const Grpc__LinuxSeccomp *profile);
/*
 * Keeps what seccomp_compile() wrote to fd (a memfd that may be sealed), in place of the one that
 * was asked for least recently. fd stays the caller's. What cannot be kept is compiled again next
 * time.
 */
void seccomp_cache_keep(const Grpc__LinuxSeccomp *profile, int fd);
void seccomp_cache_clear(void);

#endif
