/* An intrusive doubly linked list: the node stands in the element, so that it costs no memory. */
#ifndef SW_BASE_LIST_H
#define SW_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sw_list {
    struct sw_list *next, *prev;
};

/* The element that holds `node` as its `member`. */
#define SW_CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void sw_list_init(struct sw_list *l)
{
    l->next = l->prev = l;
}

static inline bool sw_list_empty(const struct sw_list *l)
{
    return l->next == l;
}

/** Adds at the end. */
static inline void sw_list_add(struct sw_list *l, struct sw_list *node)
{
    node->prev = l->prev;
    node->next = l;
    l->prev->next = node;
    l->prev = node;
}

/** Takes a node out and leaves it as a list of its own, so that a second removal is harmless. */
static inline void sw_list_del(struct sw_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sw_list_init(node);
}

/** Moves all of `from` to the end of `to`. */
static inline void sw_list_splice(struct sw_list *to, struct sw_list *from)
{
    if (sw_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    sw_list_init(from);
}

#endif
