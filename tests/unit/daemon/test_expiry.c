/* What ends soon: which days count, and that it is told again while the process runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/expiry.h"
#include "support/pki.h"
#include "sys/log.h"
#include <fcntl.h>
#include <time.h>

enum { DAY_S = 86400 };

static int make_configuration(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA, .days = 400});
    pki_make(&(struct pki_cert){.name = "leaf",
                                .issuer = "ca",
                                .subject = "/CN=leaf",
                                .days = 100,
                                .options = "-addext subjectAltName=URI:sip:example.test"});
    pki_crl("ca", NULL, "ca.crl"); /* for 7 days */
    pki_sh("printf '%%s\\n' 'domains: [example.test]' "
           "'identities: [{name: main, certificate: leaf.pem, key: leaf.key}]' "
           "'trust: [{name: partners, ca: ca.pem, crl: ca.crl}]' "
           "'listen: [{name: outside, address: \"127.0.0.1:5061\", transport: tls, identity: main, "
           "trust: partners, advertise: example.test}]' >conf.yaml");
    return 0;
}

static unsigned ending(const struct sw_config *c, int64_t at_s, const char *words)
{
    struct sw_diags diags = {.path = "conf.yaml"};
    sw_certs_check(c, at_s, &diags);
    unsigned n = diags.warnings;
    for (size_t i = 0; i < diags.count && words; i++)
        if (strstr(diags.d[i].text, words))
            words = NULL;
    if (n)
        assert_null(words);
    sw_diags_free(&diags);
    return n;
}

static void test_expiry_counts_from_30_days_and_a_list_from_its_last_third(void **state)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    int64_t now = (int64_t)time(NULL);
    (void)state;
    assert_int_equal(sw_config_load("conf.yaml", NULL, &c, &diags), SW_OK);
    assert_int_equal(ending(&c, now, NULL), 0);
    assert_int_equal(ending(&c, now + 4 * DAY_S, NULL), 0);
    assert_int_equal(ending(&c, now + 5 * DAY_S, "ca.crl expires on"), 1);
    assert_int_equal(ending(&c, now + 8 * DAY_S, "ca.crl expired on"), 1);
    assert_int_equal(ending(&c, now + 69 * DAY_S, NULL), 1);
    assert_int_equal(ending(&c, now + 71 * DAY_S, "CN = leaf expires on"), 2);
    assert_int_equal(ending(&c, now + 101 * DAY_S, "CN = leaf expired on"), 2);
    assert_int_equal(ending(&c, now + 101 * DAY_S, "used by listener outside"), 2);
    assert_int_equal(ending(&c, now + 401 * DAY_S, "ca: CN = CA expired on"), 3);
    sw_config_free(&c);
    sw_diags_free(&diags);
}

static void test_expiry_is_told_in_the_log(void **state)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    (void)state;
    pki_make(&(struct pki_cert){.name = "leaf",
                                .issuer = "ca",
                                .subject = "/CN=leaf",
                                .days = 10,
                                .options = "-addext subjectAltName=URI:sip:example.test"});
    const struct sw_log_conf log = {.fd = open("log.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600),
                                    .level = SW_LEVEL_WARN};
    assert_int_equal(sw_config_load("conf.yaml", NULL, &c, &diags), SW_OK);
    assert_int_equal(sw_log_open(&log), SW_OK);
    sw_certs_warn(&c, (int64_t)time(NULL));
    sw_log_close();
    struct sw_slice text = pki_read("log.txt");
    assert_non_null(strstr(text.p, "entry=main subject=\"CN = leaf\""));
    assert_non_null(strstr(text.p, "used_by=\"listener outside\""));
    pki_drop(text);
    close(log.fd);
    sw_config_free(&c);
    sw_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry_counts_from_30_days_and_a_list_from_its_last_third),
        cmocka_unit_test(test_expiry_is_told_in_the_log),
    };
    return cmocka_run_group_tests(tests, make_configuration, pki_finish);
}
