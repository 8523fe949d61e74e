/* boot_min_free: the kernel's own arithmetic. */
#include "lib/test_main.h"
#include "boot/boot_min_free.h"

static void as_the_kernel_counts(void **state)
{
	/* the least and the most the kernel takes; what guests without huge pages showed between */
	assert_int_equal(boot_min_free_kib(0), 128);
	assert_int_equal(boot_min_free_kib(64 * 1024), 1024);
	assert_int_equal(boot_min_free_kib(576 * 1024), 3072);
	assert_int_equal(boot_min_free_kib(4 * 1024 * 1024), 8192);
	assert_int_equal(boot_min_free_kib(4 * 1024 * 1024 - 1), 8191);
	assert_int_equal(boot_min_free_kib(1ull << 40), 262144);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(as_the_kernel_counts),
};
TEST_MAIN(tests)
