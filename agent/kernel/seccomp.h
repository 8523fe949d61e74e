/*
 * seccomp: an OCI seccomp section compiled by libseccomp to a BPF program in a memfd, once per
 * container (11-22 ms for 300 rules natively, far more under TCG: so in a helper); execs reuse it.
 */
#ifndef KERNEL_SECCOMP_H
#define KERNEL_SECCOMP_H

#include "base/error.h"

#include "oci.pb-c.h"

/* Checks words (actions, architectures, operators, flags); pure. */
int seccomp_check(const Grpc__LinuxSeccomp *seccomp, struct error *err);
/* Compiles and writes the program to fd (an empty memfd). MAY SLEEP (CPU): call in a helper. */
int seccomp_compile(const Grpc__LinuxSeccomp *seccomp, int fd, struct error *err);
/* Installs the program in fd on the calling process with the SECCOMP_FILTER_FLAG_* of the spec. */
int seccomp_install(int fd, unsigned flags, struct error *err);
unsigned seccomp_flags(const Grpc__LinuxSeccomp *seccomp);

#endif
