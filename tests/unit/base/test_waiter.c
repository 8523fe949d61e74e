/* Tests agent/base/waiter.c. */
#include "base/waiter.h"

#include <string.h>

#include "base/cleanup.h"
#include "lib/test_main.h"

static struct waiter_list list;
static char order[32];

struct parked {
	struct waiter waiter;
	char name;
	int value;
	bool park_again;
	struct waiter *also_unlink;
};

static void on_wake(struct waiter *waiter, int value)
{
	struct parked *parked = container_of(waiter, struct parked, waiter);
	size_t len = strlen(order);

	order[len] = parked->name;
	order[len + 1] = '\0';
	parked->value = value;
	assert_true(list_empty(&waiter->node));
	if (parked->also_unlink)
		waiter_unlink(parked->also_unlink);
	if (parked->park_again)
		waiter_park(&list, waiter);
}

static int setup(void **state)
{
	waiter_list_init(&list);
	order[0] = '\0';
	return 0;
}

static void test_first_come_first_served(void **state)
{
	struct parked a = {{.wake = on_wake}, 'a'}, b = {{.wake = on_wake}, 'b'};

	assert_false(waiter_wake_one(&list, 1));
	waiter_park(&list, &a.waiter);
	waiter_park(&list, &b.waiter);
	assert_false(waiter_list_empty(&list));
	assert_true(waiter_wake_one(&list, 5));
	assert_string_equal(order, "a");
	assert_int_equal(a.value, 5);
	assert_true(waiter_wake_one(&list, -6));
	assert_int_equal(b.value, -6);
	assert_true(waiter_list_empty(&list));
	assert_false(waiter_wake_one(&list, 1));
}

static void test_unlinked_is_not_woken(void **state)
{
	struct parked a = {{.wake = on_wake}, 'a'}, b = {{.wake = on_wake}, 'b'};

	waiter_unlink(&a.waiter);
	waiter_park(&list, &a.waiter);
	waiter_park(&list, &b.waiter);
	waiter_unlink(&a.waiter);
	waiter_unlink(&a.waiter);
	waiter_wake_all(&list, -5);
	assert_string_equal(order, "b");
	assert_int_equal(b.value, -5);
}

static void test_again_during_wake_all(void **state)
{
	struct parked a = {{.wake = on_wake}, 'a'}, b = {{.wake = on_wake}, 'b'};

	a.park_again = true;
	waiter_park(&list, &a.waiter);
	waiter_park(&list, &b.waiter);
	waiter_wake_all(&list, 0);
	assert_string_equal(order, "ab");
	a.park_again = false;
	waiter_wake_all(&list, 0);
	assert_string_equal(order, "aba");
}

static void test_unlink_during_wake_all(void **state)
{
	struct parked a = {{.wake = on_wake}, 'a'}, b = {{.wake = on_wake}, 'b'},
		      c = {{.wake = on_wake}, 'c'};

	a.also_unlink = &b.waiter;
	waiter_park(&list, &a.waiter);
	waiter_park(&list, &b.waiter);
	waiter_park(&list, &c.waiter);
	waiter_wake_all(&list, 0);
	assert_string_equal(order, "ac");
	assert_true(waiter_list_empty(&list));
}

static void test_park_moves(void **state)
{
	struct waiter_list other = {0};
	struct parked a = {{.wake = on_wake}, 'a'};

	waiter_park(&other, &a.waiter);
	waiter_park(&list, &a.waiter);
	assert_true(waiter_list_empty(&other));
	assert_true(waiter_wake_one(&list, 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_first_come_first_served, setup),
	cmocka_unit_test_setup(test_unlinked_is_not_woken, setup),
	cmocka_unit_test_setup(test_again_during_wake_all, setup),
	cmocka_unit_test_setup(test_unlink_during_wake_all, setup),
	cmocka_unit_test_setup(test_park_moves, setup),
};
TEST_MAIN(tests)
