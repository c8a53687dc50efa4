/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circular doubly linked lists, linked through members of their elements. A list is a head that
 * is no element; what is in no list is linked to itself. Every function takes constant time.
 */
#ifndef NESTOR_LIB_LIST_H
#define NESTOR_LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The element whose member the link is. */
#define list_element(link, type, member) \
	((type *)(void *)((char *)(link)-offsetof(type, member)))

/* An empty list, or an element that is in none. */
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* To the end of the list; it is in none. */
static inline void list_append(struct list *head, struct list *link)
{
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

/* Out of the list that it is in, if any. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Out of its list, to the end of this one. */
static inline void list_move(struct list *head, struct list *link)
{
	list_remove(link);
	list_append(head, link);
}

/* All elements of `from`, in their order, to the end of the list. */
static inline void list_move_all(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

#endif
