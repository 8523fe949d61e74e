/*
 * test_groups: cgroups of this test's containers, as the host sees them. container_fill() names
 * them /cradle-test-<pid of the test>/<container id>.
 */
#ifndef TESTS_LIB_TEST_GROUPS_H
#define TESTS_LIB_TEST_GROUPS_H

#include <sys/types.h>

/* Path of the container's group, or of the directory above all of them (id NULL); static buffer. */
const char *group_path(const char *id);
/* First process in the container's group; 0 when there is none (yet). */
pid_t group_first_pid(const char *id);
/* How many groups there are; the directory above counts too: the agent makes and removes it. */
int group_count(void);

#endif
