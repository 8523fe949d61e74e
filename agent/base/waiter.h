/*
 * waiter: park on a list; be woken with a value, or be unlinked. This is how lower layers wake
 * calls they do not know. A waiter is embedded in its owner, is in at most one list, and is
 * unlinked before its wake function runs (so that it may park again or free itself).
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include "base/list.h"

struct waiter {
	struct list_node node;
	/* value >= 0: what was waited for has come (meaning is the list owner's); < 0: negative
	 * errno */
	void (*wake)(struct waiter *waiter, int value);
};

struct waiter_list {
	struct list_node head;
};

void waiter_list_init(struct waiter_list *list);
bool waiter_list_empty(const struct waiter_list *list);
void waiter_park(
	struct waiter_list *list, struct waiter *waiter); /* at the end: first come, first served */
void waiter_unlink(struct waiter *waiter);		  /* idempotent */
/* Wakes the oldest; false when there is none. */
bool waiter_wake_one(struct waiter_list *list, int value);
/* Wakes those that wait now; ones that park again during this are left for the next time. */
void waiter_wake_all(struct waiter_list *list, int value);

#endif
