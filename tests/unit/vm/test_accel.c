/* accel: which CPUs can run a guest under KVM, from the text of /proc/cpuinfo. */
#include "lib/test_main.h"
#include "vm/accel.h"

static void wants_vmx_or_svm_as_whole_words(void **state)
{
	assert_true(accel_cpu_can_virtualize("processor\t: 0\nflags\t\t: fpu vme vmx ssse3\n"));
	assert_true(accel_cpu_can_virtualize("flags\t\t: fpu svm\n"));
	assert_true(accel_cpu_can_virtualize("flags\t\t: svm"));
	assert_false(accel_cpu_can_virtualize("flags\t\t: fpu vme svm_lock xvmx hypervisor\n"));
	assert_false(accel_cpu_can_virtualize("bugs\t\t: vmx\nflags\t\t: fpu\n"));
	assert_false(accel_cpu_can_virtualize("vmx flags\t: ept\n"));
	assert_false(accel_cpu_can_virtualize(""));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(wants_vmx_or_svm_as_whole_words),
};

TEST_MAIN(tests)
