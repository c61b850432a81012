/* Memory that runs out when a test says so. The program is linked with --wrap for the functions
 * named in tests/meson.build; the product is the one that is always built. */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Where requests for memory are counted. */
enum fault_layer {
    FAULT_SYSTEM,  /* malloc, calloc, realloc */
    FAULT_ROOM,    /* each place in the rooms that asks an arena, a slab or a table for something */
    FAULT_LIBRARY, /* what the cryptographic library asks for */
    FAULT_LAYERS,
};

enum fault_mode {
    FAULT_NONE,   /* only counted, each layer by itself */
    FAULT_ONCE,   /* number `at` fails */
    FAULT_ON,     /* number `at` and all after it */
    FAULT_CHANCE, /* each with a chance of `at` in 1000 */
};

struct fault {
    enum fault_layer layer;
    enum fault_mode mode;
    uint64_t at, random; /* `random`: seed of FAULT_CHANCE, not 0 */
    bool on;             /* requests are counted, and may fail, only while this is set */
    uint64_t count[FAULT_LAYERS], failed;
};

extern struct fault fault;

#endif
