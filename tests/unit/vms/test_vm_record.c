/* vm_record: there and back, and files that no keeper wrote. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vms/vm_record.h"

static struct vm_store store;
static struct vm_entry entry;

static int set_up(void **state)
{
	struct error err = ERROR_INIT;

	setenv("CRADLE_STATE", scratch_path("store"), 1);
	return vm_store_open(&store, &err) < 0 || vm_entry_create(&store, "a", &entry, &err) < 0;
}

static void there_and_back(void **state)
{
	struct vm_record record = {.state = VM_RUNNING,
		.arch = "s390x",
		.accel = "tcg",
		.kernel = "/a \"b\"",
		.image = "/i",
		.started_s = 1700000000,
		.asked_memory = 64 << 20,
		.asked_cpus_micro = 1500000,
		.limit_bytes = 64 << 20,
		.vm_bytes = 1ull << 40,
		.kernel_bytes = 54 << 20,
		.cpus = 2,
		.qemu_pid = 77};
	struct vm_record back;
	struct error err = ERROR_INIT;

	assert_int_equal(vm_record_write(&entry, &record), 0);
	assert_int_equal(vm_record_read(&entry, &back, &err), 0);
	assert_memory_equal(&record, &back, sizeof(record));
}

static void nobody_keeps_it(void **state)
{
	struct vm_record record = {.state = VM_RUNNING};

	assert_int_equal(vm_record_judge(&entry, &record), VM_DEAD);
	assert_non_null(strstr(record.reason, "keeper is gone"));
	record = (struct vm_record){.state = VM_DEAD, .reason = "QEMU died"};
	assert_int_equal(vm_record_judge(&entry, &record), VM_DEAD);
	assert_string_equal(record.reason, "QEMU died");
}

static void refuse(const char *text)
{
	struct vm_record record;
	struct error err = ERROR_INIT;

	scratch_file("store/a/vm.json", text);
	if (vm_record_read(&entry, &record, &err) == 0)
		fail_msg("taken: %.100s", text);
	assert_int_equal(record.vm_bytes, 0);
}

static void files_no_keeper_wrote(void **state)
{
	struct vm_record record;
	struct error err = ERROR_INIT;
	char *big = malloc(20001);

	refuse("");
	refuse("[]");
	refuse("{\"state\":\"running\"");
	refuse("{}");
	refuse("{\"state\":7}");
	refuse("{\"state\":\"flying\"}");
	refuse("{\"state\":\"running\",\"vm_bytes\":-1}");
	refuse("{\"state\":\"running\",\"vm_bytes\":\"5\"}");
	refuse("{\"state\":\"running\",\"cpus\":4294967296}");
	refuse("{\"state\":\"running\",\"arch\":5}");
	refuse("{\"state\":\"running\",\"more\":[[[[[[[[1]]]]]]]]}");
	memset(big, ' ', 20000);
	big[20000] = '\0';
	memcpy(big, "{\"state\":\"running\"}", 19);
	refuse(big);
	free(big);
	/* what goes to a terminal is cleaned, what is too long is cut */
	scratch_file("store/a/vm.json", "{\"state\":\"dead\",\"reason\":\"\\u001b[31mred\","
					"\"arch\":\"0123456789012345678\"}");
	assert_int_equal(vm_record_read(&entry, &record, &err), 0);
	assert_string_equal(record.reason, "?[31mred");
	assert_string_equal(record.arch, "012345678901234");
	/* neither a link nor a pipe */
	unlink(scratch_path("store/a/vm.json"));
	scratch_file("other", "{\"state\":\"running\"}");
	assert_int_equal(symlink(scratch_path("other"), scratch_path("store/a/vm.json")), 0);
	assert_true(vm_record_read(&entry, &record, &err) < 0);
	unlink(scratch_path("store/a/vm.json"));
	mkfifo(scratch_path("store/a/vm.json"), 0600);
	assert_true(vm_record_read(&entry, &record, &err) < 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(there_and_back),
	cmocka_unit_test(nobody_keeps_it),
	cmocka_unit_test(files_no_keeper_wrote),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
