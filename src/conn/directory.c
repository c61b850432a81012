#include "conn/directory.h"

#include "base/flow.h"
#include "base/list.h"
#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 64, KEEP = 1024 };

struct entry {
    struct sw_map_node node;
    uint16_t worker;
};

struct shard {
    pthread_mutex_t lock;
    struct sw_map map;
    struct sw_map_node *spare; /* entries for reuse, linked by next */
    unsigned spare_count;
};

struct sw_directory {
    struct shard shards[SHARDS];
};

struct sw_directory *sw_directory_new(size_t expected)
{
    struct sw_directory *d = calloc(1, sizeof(*d));
    for (int i = 0; d && i < SHARDS; i++) {
        pthread_mutex_init(&d->shards[i].lock, NULL);
        if (sw_map_init(&d->shards[i].map, expected / SHARDS) != SW_OK) {
            sw_directory_free(d);
            return NULL;
        }
    }
    return d;
}

static void free_chain(struct sw_map_node *n)
{
    while (n) {
        struct sw_map_node *next = n->next;
        free(SW_CONTAINER(n, struct entry, node));
        n = next;
    }
}

void sw_directory_free(struct sw_directory *d)
{
    if (!d)
        return;
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &d->shards[i];
        for (size_t b = 0; s->map.count && b <= s->map.mask; b++)
            free_chain(s->map.buckets[b]);
        free_chain(s->spare);
        sw_map_fini(&s->map);
        pthread_mutex_destroy(&s->lock);
    }
    free(d);
}

static struct shard *shard_of(struct sw_directory *d, struct sw_key key)
{
    return &d->shards[key.b % SHARDS];
}

static struct entry *take(struct shard *s)
{
    if (!s->spare)
        return malloc(sizeof(struct entry));
    struct entry *e = SW_CONTAINER(s->spare, struct entry, node);
    s->spare = s->spare->next;
    s->spare_count--;
    return e;
}

static void give(struct shard *s, struct entry *e)
{
    if (s->spare_count >= KEEP) {
        free(e);
        return;
    }
    e->node.next = s->spare;
    s->spare = &e->node;
    s->spare_count++;
}

enum sw_status sw_directory_put(struct sw_directory *d, struct sw_key key, uint16_t worker)
{
    struct shard *s = shard_of(d, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = take(s);
    if (e) {
        e->worker = worker;
        sw_map_add(&s->map, &e->node, key);
    }
    pthread_mutex_unlock(&s->lock);
    return e ? SW_OK : SW_LIMIT_MEMORY;
}

void sw_directory_del(struct sw_directory *d, struct sw_key key, uint16_t worker)
{
    struct shard *s = shard_of(d, key);
    pthread_mutex_lock(&s->lock);
    struct sw_map_node *n = sw_map_get(&s->map, key);
    struct entry *e = n ? SW_CONTAINER(n, struct entry, node) : NULL;
    if (e && e->worker == worker) {
        sw_map_del(&s->map, n);
        give(s, e);
    }
    pthread_mutex_unlock(&s->lock);
}

uint16_t sw_directory_find(struct sw_directory *d, struct sw_key key)
{
    struct shard *s = shard_of(d, key);
    pthread_mutex_lock(&s->lock);
    struct sw_map_node *n = sw_map_get(&s->map, key);
    uint16_t worker = n ? SW_CONTAINER(n, struct entry, node)->worker : SW_WORKER_ANY;
    pthread_mutex_unlock(&s->lock);
    return worker;
}
