#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char g_path[] = "/tmp/sipward-XXXXXX";

static int start(void **state)
{
    (void)state;
    int fd = mkstemp(g_path);
    return fd < 0 ? -1 : close(fd);
}

static int finish(void **state)
{
    (void)state;
    return unlink(g_path);
}

static char byte_at(size_t i)
{
    return (char)(i * 7 % 251); /* a NUL now and then */
}

static void write_file(size_t n)
{
    FILE *f = fopen(g_path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc(byte_at(i), f);
    assert_int_equal(fclose(f), 0);
}

/* The sizes at which a buffer that doubles is just full among them. */
static const size_t sizes[] = {0, 1, 4096, 8191, 8192, 8193, 16384, 16385, 100000};

static void test_file_read_gives_all_bytes_and_a_nul_behind(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sw_slice s;
        write_file(sizes[i]);
        assert_int_equal(sw_file_read(g_path, 1 << 20, &s), SW_OK);
        assert_int_equal(s.n, sizes[i]);
        for (size_t k = 0; k < s.n; k++)
            assert_int_equal(s.p[k], byte_at(k));
        assert_int_equal(s.p[s.n], 0);
        free((void *)(uintptr_t)s.p);
    }
}

static void test_file_read_takes_max_bytes_and_not_one_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sw_slice s = {NULL, 42};
        write_file(sizes[i] + 1);
        assert_int_equal(sw_file_read(g_path, sizes[i], &s), SW_LIMIT_SIZE);
        assert_null(s.p);
        assert_int_equal(s.n, 42);
        write_file(sizes[i]);
        assert_int_equal(sw_file_read(g_path, sizes[i], &s), SW_OK);
        assert_int_equal(s.n, sizes[i]);
        free((void *)(uintptr_t)s.p);
    }
}

static void test_file_read_of_an_endless_file_ends_at_its_limit(void **state)
{
    struct sw_slice s;
    (void)state;
    assert_int_equal(sw_file_read("/dev/zero", 1 << 20, &s), SW_LIMIT_SIZE);
}

static void test_file_read_says_why_it_failed(void **state)
{
    static const struct {
        const char *path;
        int error;
    } rows[] = {
        {"/nonexistent/file", ENOENT}, {"", ENOENT}, {"/", EISDIR}, {"/dev/null/file", ENOTDIR}};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_slice s = {NULL, 42};
        errno = 0;
        assert_int_equal(sw_file_read(rows[i].path, 100, &s), SW_SYS);
        assert_int_equal(errno, rows[i].error);
        assert_int_equal(s.n, 42);
    }
}

static void test_file_read_leaves_no_descriptor_open(void **state)
{
    struct sw_slice s;
    (void)state;
    write_file(10);
    int before = dup(0);
    close(before);
    assert_int_equal(sw_file_read(g_path, 100, &s), SW_OK);
    free((void *)(uintptr_t)s.p);
    assert_int_equal(sw_file_read(g_path, 5, &s), SW_LIMIT_SIZE);
    assert_int_equal(sw_file_read("/", 5, &s), SW_SYS);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_read_gives_all_bytes_and_a_nul_behind),
        cmocka_unit_test(test_file_read_takes_max_bytes_and_not_one_more),
        cmocka_unit_test(test_file_read_of_an_endless_file_ends_at_its_limit),
        cmocka_unit_test(test_file_read_says_why_it_failed),
        cmocka_unit_test(test_file_read_leaves_no_descriptor_open),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
