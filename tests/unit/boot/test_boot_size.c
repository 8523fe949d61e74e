/* agent/boot/boot_size.c: what counts as the VM that was asked for, and what is said of another. */
#include <string.h>

#include "boot/boot_size.h"
#include "lib/test_main.h"

#define MIB (1ull << 20)

static char text[256];

static bool differs(const struct agent_config *config, uint64_t mem_total, unsigned cpus)
{
	return boot_size_differs(config, mem_total, cpus, text, sizeof(text));
}

static void within_the_kernels_share(void **state)
{
	struct agent_config config = {
		.vm_memory = 143 * MIB, .vm_kernel_memory = 45 * MIB, .vm_cpus = 2};

	assert_false(differs(&config, 143 * MIB, 2));
	assert_false(differs(&config, 98 * MIB, 2));
	assert_string_equal(text, "");
	assert_true(differs(&config, 98 * MIB - 1, 2));
	assert_true(differs(&config, 143 * MIB + 1, 2));
	/* a share that is larger than the VM is no reason to count below zero */
	config.vm_kernel_memory = 200 * MIB;
	assert_false(differs(&config, 0, 2));
}

static void the_difference_is_named(void **state)
{
	struct agent_config config = {
		.vm_memory = 512 * MIB, .vm_kernel_memory = 50 * MIB, .vm_cpus = 4};

	assert_true(differs(&config, 256 * MIB, 4));
	assert_string_equal(
		text, "MemTotal is 256.0 MiB, of 512.0 MiB less at most 50.0 for the kernel");
	assert_true(differs(&config, 480 * MIB, 1));
	assert_string_equal(text, "1 CPUs are online, of 4");
	assert_true(differs(&config, 256 * MIB, 1));
	assert_non_null(strstr(text, "for the kernel; 1 CPUs"));
}

static void what_is_not_said_is_not_compared(void **state)
{
	struct agent_config config = {0};

	assert_false(differs(&config, 5, 7));
	config.vm_cpus = 7;
	assert_false(differs(&config, 5, 7));
	config.vm_cpus = 0;
	config.vm_memory = 1;
	assert_true(differs(&config, 5, 7));
}

static void this_machine_can_be_read(void **state)
{
	struct agent_config config = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(boot_size_check(&config, &err), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(within_the_kernels_share),
	cmocka_unit_test(the_difference_is_named),
	cmocka_unit_test(what_is_not_said_is_not_compared),
	cmocka_unit_test(this_machine_can_be_read),
};

TEST_MAIN(tests)
