/* list: intrusive doubly linked list. A node that is in no list points at itself or is zeroed. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *prev, *next;
};

static inline void list_init(struct list_node *head)
{
	head->prev = head->next = head;
}
/* True for an empty list, and for a node that is in no list (also a zeroed one). */
static inline bool list_empty(const struct list_node *head)
{
	return !head->next || head->next == head;
}
static inline void list_insert_(
	struct list_node *node, struct list_node *prev, struct list_node *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}
static inline void list_append(struct list_node *head, struct list_node *node)
{
	list_insert_(node, head->prev, head);
}
static inline void list_prepend(struct list_node *head, struct list_node *node)
{
	list_insert_(node, head, head->next);
}
/* Idempotent. */
static inline void list_remove(struct list_node *node)
{
	if (node->next) {
		node->prev->next = node->next;
		node->next->prev = node->prev;
	}
	list_init(node);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_for_each(pos, head)                                                                   \
	for (struct list_node *pos = (head)->next; pos != (head); pos = pos->next)
/* pos may be removed (and freed) in the body; no other node may. */
#define list_for_each_safe(pos, head)                                                              \
	for (struct list_node *pos = (head)->next, *next_ = pos->next; pos != (head);              \
		pos = next_, next_ = pos->next)

#endif
