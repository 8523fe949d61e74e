/* accel: which CPUs can run a guest under KVM, from the text of /proc/cpuinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wants_vmx_or_svm_as_whole_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
