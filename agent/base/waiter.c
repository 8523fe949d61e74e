/* waiter: park on a list, be woken or unlinked. Used by sandbox, storage, memory and services. */
#include "base/waiter.h"

#include "base/cleanup.h"

void waiter_list_init(struct waiter_list *list)
{
	list_init(&list->head);
}

bool waiter_list_empty(const struct waiter_list *list)
{
	return list_empty(&list->head);
}

void waiter_park(struct waiter_list *list, struct waiter *waiter)
{
	list_remove(&waiter->node);
	if (!list->head.next)
		list_init(&list->head);
	list_append(&list->head, &waiter->node);
}

void waiter_unlink(struct waiter *waiter)
{
	list_remove(&waiter->node);
}

static void wake_first(struct list_node *head, int value)
{
	struct waiter *waiter = list_entry(head->next, struct waiter, node);

	list_remove(&waiter->node);
	waiter->wake(waiter, value);
}

bool waiter_wake_one(struct waiter_list *list, int value)
{
	if (waiter_list_empty(list))
		return false;
	wake_first(&list->head, value);
	return true;
}

/*
 * The waiters move to a list on the stack first: those that park again are not in it, those that
 * are unlinked meanwhile leave it, and a wake function may free the owner of the original list.
 */
void waiter_wake_all(struct waiter_list *list, int value)
{
	struct list_node now;

	if (waiter_list_empty(list))
		return;
	now = list->head;
	now.next->prev = &now;
	now.prev->next = &now;
	list_init(&list->head);
	while (!list_empty(&now))
		wake_first(&now, value);
}
