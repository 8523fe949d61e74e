/* agent/storage/storage_blk.c, driver "blk-ccw": what it refuses before anything is done. */
#include <string.h>

#include "lib/test_main.h"
#include "storage/storage_driver.h"

static void refuse(const struct storage_request *request, const char *naming)
{
	struct error err = ERROR_INIT;

	assert_true(storage_blk_ccw.check(request, &err) < 0);
	if (!strstr(err.text, naming))
		fail_msg("'%s' is not in: %s", naming, err.text);
}

static void test_check(void **state)
{
	const char *encrypted[] = {"encryption_key=ephemeral"};
	struct storage_request request = {.driver = "blk-ccw",
		.source = "0.0.00d1",
		.fstype = "erofs",
		.mount_point = "/run/x"};
	struct error err = ERROR_INIT;

	assert_int_equal(storage_blk_ccw.check(&request, &err), 0);
	request.source = "/dev/vda";
	refuse(&request, "\"/dev/vda\" is no CCW device number");
	request.source = "02/01";
	refuse(&request, "no CCW device number");
	request.source = NULL;
	refuse(&request, "no CCW device number");
	request.source = "0.0.1";
	request.driver_options = (char **)encrypted;
	request.driver_option_count = 1;
	refuse(&request, "encryption_key");
	request.driver_option_count = 0;
	request.fstype = "";
	refuse(&request, "no file system type");
}

/* Another machine has no channel subsystem: the name is unknown there, as in Kata's agent. */
static void test_where_it_is_known(void **state)
{
#ifdef __s390x__
	assert_ptr_equal(storage_driver_find("blk-ccw"), &storage_blk_ccw);
#else
	assert_null(storage_driver_find("blk-ccw"));
#endif
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_check),
	cmocka_unit_test(test_where_it_is_known),
};
TEST_MAIN(tests)
