/*
 * oci_checks: what a container sees of what its OCI spec asked for: the same tests against an agent
 * on the host (tests/rpc/test_oci, cgroup v1) and in a guest (tests/vm/test_guest, v2). docs/oci.md
 * lists each field with its test. The container's program is tests/inside, copied by CopyFile.
 */
#ifndef TESTS_LIB_OCI_CHECKS_H
#define TESTS_LIB_OCI_CHECKS_H

#include "lib/agent_fixture.h"

/* Before the first test, once the sandbox is made. */
void oci_checks_begin(struct agent *agent);

void test_oci_user(void **state);
void test_oci_user_namespace(void **state);
void test_oci_joined_user_namespace(void **state);
void test_oci_capabilities(void **state);
void test_oci_limits(void **state);
void test_oci_exec(void **state);
void test_oci_seccomp_actions(void **state);
void test_oci_seccomp_operators(void **state);
void test_oci_seccomp_rest(void **state);
void test_oci_namespaces(void **state);
void test_oci_mount_options(void **state);
void test_oci_mount_refusals(void **state);
void test_oci_paths(void **state);
void test_oci_devices(void **state);
void test_oci_sysctls(void **state);
void test_oci_hooks(void **state);
void test_oci_terminal(void **state);
void test_oci_refused(void **state);

#define OCI_CHECKS                                                                                 \
	cmocka_unit_test(test_oci_user), cmocka_unit_test(test_oci_user_namespace),                \
		cmocka_unit_test(test_oci_joined_user_namespace),                                  \
		cmocka_unit_test(test_oci_capabilities), cmocka_unit_test(test_oci_limits),        \
		cmocka_unit_test(test_oci_exec), cmocka_unit_test(test_oci_seccomp_actions),       \
		cmocka_unit_test(test_oci_seccomp_operators),                                      \
		cmocka_unit_test(test_oci_seccomp_rest), cmocka_unit_test(test_oci_namespaces),    \
		cmocka_unit_test(test_oci_mount_options),                                          \
		cmocka_unit_test(test_oci_mount_refusals), cmocka_unit_test(test_oci_paths),       \
		cmocka_unit_test(test_oci_devices), cmocka_unit_test(test_oci_sysctls),            \
		cmocka_unit_test(test_oci_hooks), cmocka_unit_test(test_oci_terminal),             \
		cmocka_unit_test(test_oci_refused)

#endif
