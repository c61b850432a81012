/* The clock by which certificates are judged: a warning if the kernel says that it is not
 * synchronised, and silence if it is. The system call is answered here: no test sets the machine's
 * clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "support/pki.h"
#include <sys/timex.h>

static int g_answer;

int __wrap_adjtimex(struct timex *t);
int __wrap_adjtimex(struct timex *t)
{
    assert_int_equal(t->modes, 0); /* it asks, and sets nothing */
    return g_answer;
}

static unsigned warnings_of_the_clock(int answer)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    unsigned n = 0;
    g_answer = answer;
    assert_int_equal(sw_config_load("clock.yaml", NULL, &c, &diags), SW_OK);
    for (size_t i = 0; i < diags.count; i++)
        n += diags.d[i].kind == SW_DIAG_WARNING &&
             strstr(diags.d[i].text, "clock is not synchronised") != NULL;
    sw_config_free(&c);
    sw_diags_free(&diags);
    return n;
}

static int make_configuration(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    FILE *f = fopen("clock.yaml", "w");
    if (!f)
        return -1;
    fputs("domains: [example.test]\n"
          "listen: [{name: inside, address: \"127.0.0.1:5060\", transport: udp}]\n"
          "peers: [{name: pbx, address: \"127.0.0.1:6061\", transport: udp}]\n"
          "routes: [{from: pbx, to: pbx}]\n",
          f);
    return fclose(f);
}

static void test_clock_that_is_not_synchronised_is_warned_of(void **state)
{
    (void)state;
    assert_int_equal(warnings_of_the_clock(TIME_ERROR), 1);
}

static void test_clock_that_is_synchronised_or_not_told_of_is_not(void **state)
{
    (void)state;
    assert_int_equal(warnings_of_the_clock(TIME_OK), 0);
    assert_int_equal(warnings_of_the_clock(TIME_INS), 0); /* a leap second is on its way */
    assert_int_equal(warnings_of_the_clock(-1), 0);       /* a container that may not ask */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_that_is_not_synchronised_is_warned_of),
        cmocka_unit_test(test_clock_that_is_synchronised_or_not_told_of_is_not),
    };
    return cmocka_run_group_tests(tests, make_configuration, pki_finish);
}
