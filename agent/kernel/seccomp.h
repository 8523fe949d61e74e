/*
 * seccomp: an OCI seccomp section compiled by libseccomp to a BPF program in a memfd, once per
 * container (11-22 ms for 300 rules natively, far more under TCG: so in a helper); execs reuse it.
 *
 * Words and meaning: OCI runtime spec config-linux.md "Seccomp"; agent-api-containers.md section 6.
 * An errno that is unset or 0 means EPERM; names of system calls that libseccomp does not know are
 * skipped and logged; for SCMP_CMP_MASKED_EQ Value is the mask and ValueTwo what must remain.
 */
#ifndef KERNEL_SECCOMP_H
#define KERNEL_SECCOMP_H

#include "base/error.h"

#include "oci.pb-c.h"

/* Checks words (actions, architectures, operators, flags); pure. */
int seccomp_check(const Grpc__LinuxSeccomp *seccomp, struct error *err);
/* Compiles and writes the program to fd (an empty memfd). MAY SLEEP (CPU): call in a helper. */
int seccomp_compile(const Grpc__LinuxSeccomp *seccomp, int fd, struct error *err);
/*
 * Installs the program in fd on the calling process with the SECCOMP_FILTER_FLAG_* of the spec.
 * Needs CAP_SYS_ADMIN or no_new_privs. fd's offset is not used, so many may share it.
 */
int seccomp_install(int fd, unsigned flags, struct error *err);
/* SECCOMP_FILTER_FLAG_* of a section that seccomp_check() has passed; NULL gives 0. */
unsigned seccomp_flags(const Grpc__LinuxSeccomp *seccomp);

#endif
