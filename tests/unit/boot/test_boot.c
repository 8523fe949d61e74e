/* agent/boot/boot.c: the table of steps: printed (as documentation), its order, who takes what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "boot/boot.h"
#include "base/file.h"
#include "lib/test_main.h"

static int position(const char *name)
{
	for (size_t i = 0; i < boot_step_count; i++)
		if (strcmp(boot_steps[i].name, name) == 0)
			return (int)i;
	fail_msg("no boot step %s", name);
	return -1;
}

static void test_table(void **state)
{
	printf("# boot steps: name, what its failure does, who takes it\n");
	for (size_t i = 0; i < boot_step_count; i++) {
		const struct boot_step *step = &boot_steps[i];

		printf("# %2zu %-12s %-8s %s\n", i + 1, step->name,
			step->fatal ? "fatal" : "logged", step->init_only ? "process 1" : "always");
		assert_non_null(step->run);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(step->name, boot_steps[k].name);
	}
}

static void test_order(void **state)
{
	static const char *const pairs[][2] = {
		{"mounts", "stdio"},	    /* /dev/null */
		{"mounts", "config"},	    /* /proc/cmdline */
		{"mounts", "modules"},	    /* a module may want /sys */
		{"console", "config"},	    /* what config reports must be seen */
		{"config", "environment"},  /* the environment wins */
		{"environment", "modules"}, /* at the log level asked for */
		{"environment", "size"},    /* the same */
		{"modules", "root"},	    /* the disk's driver */
		{"root", "cgroup"},	    /* mounted in the root that stays */
		{"mounts", "cgroup"},	    /* below /sys */
		{"cgroup", "controllers"},
		{"mounts", "ptmx"},
		{"mounts", "oom"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_true(position(pairs[i][0]) < position(pairs[i][1]));
}

/* As an ordinary process: no mounts, no hostname, but environment and subreaper. */
static void test_ordinary_process(void **state)
{
	struct agent_config config;
	struct boot boot = {&config, NULL};
	struct error err = ERROR_INIT;
	char before[256], after[256];
	int subreaper = 0;

	file_write("/proc/self/oom_score_adj", "0");
	agent_config_init(&config);
	assert_int_equal(gethostname(before, sizeof(before)), 0);
	setenv("KATA_AGENT_SERVER_ADDR", "unix://@from-the-environment", 1);
	assert_int_equal(boot_run(&boot, false, &err), 0);
	assert_string_equal(config.server_addr, "unix://@from-the-environment");
	assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &subreaper), 0);
	assert_int_equal(subreaper, 1);
	assert_int_equal(gethostname(after, sizeof(after)), 0);
	assert_string_equal(before, after);
	/* a service protects itself too, where it may */
	assert_true(file_read("/proc/self/oom_score_adj", after, sizeof(after)) > 0);
	assert_string_equal(
		after, file_write("/proc/self/oom_score_adj", "-1") == 0 ? "-997\n" : "0\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_table),
	cmocka_unit_test(test_order),
	cmocka_unit_test(test_ordinary_process),
};
TEST_MAIN(tests)
