/*
 * test_groups: cgroups of this test's containers, as the host sees them. container_fill() names
 * them /cradle-test-<pid of the test>/<container id>.
 */
#ifndef TESTS_LIB_TEST_GROUPS_H
#define TESTS_LIB_TEST_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * CRADLE_TEST_CGROUP=v1 in the environment: the agent (agent_fixture.h) sees no cgroup2, as on a
 * machine that has none.
 */
bool groups_v1_only(void);
/* CRADLE_TEST_CGROUP=v1-bare: nor the memory and devices controllers of v1 (g1). */
bool groups_bare(void);
/* Path of the container's group, or of the directory above all of them (id NULL); static buffer. */
const char *group_path(const char *id);
/* First process in the container's group; 0 when there is none (yet). */
pid_t group_first_pid(const char *id);
/* How many groups there are; the directory above counts too: the agent makes and removes it. */
int group_count(void);
/* Does the kernel say that all of it stands still? */
bool group_frozen(const char *id);
/*
 * A control file of the container in a v1 hierarchy ("memory"), its final newline cut off when it
 * is one line; the errno's name when there is none. Static buffer.
 */
const char *group_file(const char *controller, const char *id, const char *file);

#endif
