#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMES_MAX = 1 << 20 };

static float g_times[TIMES_MAX];
static size_t g_time_count, g_time_seen;

double load_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double load_cpu_s(int pid)
{
    char path[384];
    double sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *d = pid ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned long long ns;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum += (double)ns / 1e9;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

double load_pss_kb(int pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    FILE *f = pid ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Pss: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return (double)kb;
}

/* A reservoir that keeps the newest: old times are overwritten from the start. */
void load_time_add(double ms)
{
    g_times[g_time_seen++ % TIMES_MAX] = (float)ms;
    if (g_time_count < TIMES_MAX)
        g_time_count++;
}

static int order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

double load_time_percentile(double p)
{
    if (g_time_count == 0)
        return 0;
    qsort(g_times, g_time_count, sizeof(g_times[0]), order);
    return (double)g_times[(size_t)(p * (double)(g_time_count - 1))];
}
