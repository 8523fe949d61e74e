/*
 * oci_container: a container of tests/lib/oci_checks whose spec has room for everything. One at a
 * time: the arrays are static. Its program is /inside with the given verbs.
 */
#ifndef TESTS_LIB_OCI_CONTAINER_H
#define TESTS_LIB_OCI_CONTAINER_H

#include "lib/agent_fixture.h"

#define OCI_SHARED "/run/kata-containers/shared/containers/"
#define OCI_ROOM   24

struct oci {
	struct agent *agent;
	struct test_container c;
	char *args[OCI_ROOM], *caps[5][OCI_ROOM];
	Grpc__Mount mount[OCI_ROOM], *mounts[OCI_ROOM];
	char options[OCI_ROOM][320], *words[OCI_ROOM][40];
	Grpc__LinuxNamespace ns[OCI_ROOM], *namespaces[OCI_ROOM];
	Grpc__LinuxIDMapping map[2], *maps[2];
	Grpc__LinuxSeccomp seccomp;
	Grpc__LinuxSyscall rule[OCI_ROOM], *rules[OCI_ROOM];
	char *names[OCI_ROOM][2];
	Grpc__LinuxSeccompArg arg[OCI_ROOM], *arg_list[OCI_ROOM];
	Grpc__Storage storage[OCI_ROOM], *storages[OCI_ROOM];
	int code; /* of the exit, after oci_run() */
};

extern struct oci oci;

/* A file of the guest, OCI_SHARED name. */
void oci_copy(const char *name, const void *data, size_t len, uint32_t mode);
/* Copies the program; agent must have its sandbox. */
void oci_prepare(struct agent *agent);
/* A container anew; NULL-terminated verbs. */
void oci_fill(const char *verb, ...) __attribute__((sentinel));
/* A tmpfs of the guest at OCI_SHARED name, for the container's life. */
void oci_storage(const char *name, const char *options);
/* options: comma-separated, or NULL. */
Grpc__Mount *oci_mount(
	const char *source, const char *destination, const char *type, const char *options);
void oci_namespace(const char *type, const char *path);
void oci_without_namespace(const char *type);
/* Root of the container is root of the guest, all others are not. */
void oci_map_ids(void);
/* set: 0 bounding, 1 effective, 2 inheritable, 3 permitted, 4 ambient; names with blanks between */
void oci_caps(int set, const char *names);
Grpc__LinuxSyscall *oci_rule(const char *syscall, const char *action, uint32_t errnoret);
void oci_rule_arg(Grpc__LinuxSyscall *rule, uint64_t index, const char *op, uint64_t value,
	uint64_t value_two);
/* Creates, starts, reads, waits, removes; what it printed. */
const char *oci_run(void);
void oci_prints(const char *expected);
/* CreateContainer fails with this code and text. */
void oci_refused(int code, const char *text);

#endif
