/* A unit test program under failing memory: linked with --wrap for cmocka's runner, each test runs
 * once per request for memory that it makes, in a child process, with exactly that one failing.
 *
 * A failed assertion is accepted then (most tests expect success). A crash, a finding of a
 * sanitizer, a hang, or memory that nobody can reach any more is not. Leaks are looked for at the
 * moment of the failed assertion, before cmocka unwinds: what the test still holds stands on its
 * stack, so that only what the code under test lost is found.
 *
 * FAULT_MAX: requests per test and layer that fail; where a test makes more, they are spread from
 * FAULT_SEED on, so that each of them fails with one seed or another. A test that makes very many
 * is slow, as a rule because it repeats the same steps: it gets fewer runs, or a few tests of that
 * kind would take most of the time. A pattern for the names of the tests may be given as the first
 * argument. */
#include "support/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls/openssl_lib.h"
#include <dlfcn.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FAILED = 3, CHILD_LEAKED = 4, CHILD_LIMIT_S = 20 };

/* What a child tells its parent. */
struct report {
    uint64_t count[FAULT_LAYERS];
};

static struct report *g_report;
static bool g_child;

/* cmocka's handlers would call a crash a failed test. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "handle_segv=2:handle_sigbus=2:handle_sigill=2:handle_sigfpe=2";
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction start, CMFixtureFunction finish);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction start, CMFixtureFunction finish);

static _Noreturn void leave(int code)
{
    fault.on = false;
    memcpy(g_report->count, fault.count, sizeof(fault.count));
    fflush(NULL);
    if (!code && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        code = CHILD_LEAKED;
    _exit(code);
}

/* cmocka calls this for every assertion that does not hold. */
void _fail(const char *file, int line)
{
    void (*real)(const char *, int) = NULL;
    if (g_child && fault.failed)
        leave(0);
    *(void **)&real = dlsym(RTLD_NEXT, "_fail");
    real(file, line);
    abort();
}

static _Noreturn void child(const char *name, const struct CMUnitTest *test, int out,
                            const struct fault *how)
{
    g_child = true;
    alarm(CHILD_LIMIT_S);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    fault = *how;
    fault.on = true;
    if (__real__cmocka_run_group_tests(name, test, 1, NULL, NULL) == 0)
        leave(0);
    /* a set-up or tear-down that said so, and knows no more than that */
    _exit(fault.failed ? 0 : CHILD_FAILED);
}

static const char *verdict(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "hangs" : "crashes";
    switch (WEXITSTATUS(status)) {
    case 0:
        return NULL;
    case CHILD_FAILED:
        return "fails although all memory was there";
    case CHILD_LEAKED:
        return "leaks";
    default:
        return "has a finding of a sanitizer";
    }
}

static void show(int out)
{
    char line[4096];
    ssize_t n;
    lseek(out, 0, SEEK_SET);
    while ((n = read(out, line, sizeof(line))) > 0)
        fwrite(line, 1, (size_t)n, stdout);
}

/* One run in a child; false if it ended as it must not. */
static bool run(const char *name, const struct CMUnitTest *test, int out, const struct fault *how)
{
    static const char *const layers[] = {[FAULT_SYSTEM] = "of the system",
                                         [FAULT_ROOM] = "in a room",
                                         [FAULT_LIBRARY] = "of the library"};
    int status = 0;
    if (ftruncate(out, 0) != 0)
        return false;
    lseek(out, 0, SEEK_SET);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(name, test, out, how);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    const char *what = verdict(status);
    if (!what)
        return true;
    show(out);
    printf("%s %s: request %llu %s for memory failed\n", test->name, what,
           (unsigned long long)how->at, layers[how->layer]);
    return false;
}

static uint64_t setting(const char *name, uint64_t standard)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : standard;
}

/* How many of a test's requests fail in each layer. */
static uint64_t samples(const uint64_t count[FAULT_LAYERS])
{
    uint64_t most = setting("FAULT_MAX", 0), total = 0;
    for (int l = 0; l < FAULT_LAYERS; l++)
        total += count[l];
    if (most)
        return most;
    return total > 1000000 ? 1 : total > 10000 ? 2 : 4;
}

/* All runs of one test; how many failures of memory it went through, or UINT64_MAX. */
static uint64_t ladders(const char *name, const struct CMUnitTest *test, int out)
{
    struct fault how = {.mode = FAULT_NONE};
    uint64_t count[FAULT_LAYERS], tried = 0;
    if (!run(name, test, out, &how))
        return UINT64_MAX;
    memcpy(count, g_report->count, sizeof(count));
    uint64_t most = samples(count);
    how.mode = FAULT_ONCE;
    for (how.layer = 0; how.layer < FAULT_LAYERS; how.layer++) {
        uint64_t n = count[how.layer], step = (n + most - 1) / most;
        for (how.at = step ? 1 + setting("FAULT_SEED", 1) % step : 1; how.at <= n; how.at += step)
            if (!run(name, test, out, &how))
                return UINT64_MAX;
            else
                tried++;
    }
    return tried;
}

static const char *pattern(void)
{
    static char line[4096];
    FILE *f = fopen("/proc/self/cmdline", "r");
    size_t n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;
    size_t program = strlen(line) + 1;
    if (f)
        fclose(f);
    return program < n ? line + program : "*";
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction start, CMFixtureFunction finish)
{
    int out = memfd_create("out", MFD_CLOEXEC), bad = 0;
    uint64_t failures = 0;
    void *state = NULL;
    struct sw_tls_lib lib;
    bool ready = sw_tls_lib_open(&lib); /* as the product does, while there is memory */
    sw_tls_lib_close(&lib);
    g_report =
        mmap(NULL, sizeof(*g_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!ready || out < 0 || g_report == MAP_FAILED)
        return 1;
    if (__lsan_disable)   /* what the set-up made is no leak of the test: without memory, */
        __lsan_disable(); /* the library loses entries of tables that it made then */
    int started = start ? start(&state) : 0;
    if (__lsan_enable)
        __lsan_enable();
    if (started != 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        bool wanted = fnmatch(pattern(), tests[i].name, 0) == 0;
        uint64_t n = wanted ? ladders(name, &tests[i], out) : 0;
        failures += n != UINT64_MAX ? n : 0;
        bad += n == UINT64_MAX;
    }
    if (finish && finish(&state) != 0)
        bad++;
    printf("[  PASSED  ] %zu test(s) through %llu failures of memory, FAULT_SEED=%llu\n",
           count - (size_t)bad, (unsigned long long)failures,
           (unsigned long long)setting("FAULT_SEED", 1));
    if (bad)
        printf(" %d FAILED TEST(S)\n", bad);
    return bad;
}
