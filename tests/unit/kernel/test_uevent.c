/* agent/kernel/uevent.c: the kernel's messages, whole and broken; who may send them. */
#include "kernel/uevent.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

#define PARSE(text) (memcpy(message, text, sizeof(text)), uevent_parse(message, sizeof(text), &e))

static void test_message(void **state)
{
	char message[256];
	struct uevent e;

	assert_true(PARSE("online@/devices/system/memory/memory33\0ACTION=online\0"
			  "DEVPATH=/devices/system/memory/memory33\0SUBSYSTEM=memory\0SEQNUM=900"));
	assert_string_equal(e.action, "online");
	assert_string_equal(e.subsystem, "memory");
	assert_string_equal(e.devpath, "/devices/system/memory/memory33");
	assert_true(PARSE("add@/devices/x"));
	assert_string_equal(e.subsystem, "");
}

static void test_broken(void **state)
{
	static const char bytes[] = "add@/x\0SUBSYSTEM=memory";
	char message[256];
	struct uevent e = {.action = "untouched"};

	assert_false(PARSE("libudev\0SUBSYSTEM=memory"));
	memcpy(message, bytes, sizeof(bytes));
	assert_false(uevent_parse(message, sizeof(bytes) - 1, &e)); /* cut off: no NUL */
	assert_false(uevent_parse(message, 0, &e));
	assert_string_equal(e.action, "untouched");
}

/* A real socket of the kernel's family; another process of the machine can send to it, too. */
static void test_only_the_kernel_is_believed(void **state)
{
	static const char text[] = "add@/lie\0DEVPATH=/devices/lie";
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(to);
	char buffer[8192];
	struct uevent e;
	int fd = uevent_open(), liar = uevent_open(), r;

	assert_true(fd >= 0 && liar >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	to.nl_groups = 0;
	assert_int_equal(sendto(liar, text, sizeof(text), 0, (struct sockaddr *)&to, sizeof(to)),
		sizeof(text));
	while ((r = uevent_next(fd, buffer, sizeof(buffer), &e)) != 0)
		assert_string_not_equal(e.devpath, "/devices/lie");
	close(fd);
	close(liar);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_message),
	cmocka_unit_test(test_broken),
	cmocka_unit_test(test_only_the_kernel_is_believed),
};
TEST_MAIN(tests)
