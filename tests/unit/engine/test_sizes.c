#include "support/unit.h"

#include "engine/client.h"
#include "engine/server.h"

/* A transaction in Accepted lives for 32 s: over a million of them stand in memory at full load. */
static void test_sizes_transactions_take_at_most_256_bytes(void **state)
{
    (void)state;
    assert_in_range(sizeof(struct sw_server), 1, 256);
    assert_in_range(sizeof(struct sw_client), 1, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_transactions_take_at_most_256_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
