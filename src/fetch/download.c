/* libcurl's multi interface behind fetch/download.h. */
#include "fetch/download.h"

#include "base/list.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDIRECTS_MAX = 3, WHY_MAX = 512 };

struct transfer {
    struct sw_list node;
    CURL *easy;
    struct curl_slist *headers;
    void *tag;
    char *p;
    size_t n, cap, max;
    char error[CURL_ERROR_SIZE];
};

struct sw_downloads {
    CURLM *multi;
    struct sw_list running;
    unsigned count;
    void (*done)(void *user, void *tag, struct sw_slice answer, const char *why);
    void *user;
};

struct sw_downloads *sw_downloads_new(void (*done)(void *user, void *tag, struct sw_slice answer,
                                                   const char *why),
                                      void *user)
{
    struct sw_downloads *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    /* the cryptographic library is started already, and is not to be ended */
    if (curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK)
        d->multi = curl_multi_init();
    if (!d->multi) {
        free(d);
        return NULL;
    }
    sw_list_init(&d->running);
    d->done = done;
    d->user = user;
    return d;
}

static void end(struct sw_downloads *d, struct transfer *t, struct sw_slice answer, const char *why)
{
    sw_list_del(&t->node);
    d->count--;
    curl_multi_remove_handle(d->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    d->done(d->user, t->tag, answer, why);
    free(t->p);
    free(t);
}

void sw_downloads_free(struct sw_downloads *d)
{
    if (!d)
        return;
    while (!sw_list_empty(&d->running))
        end(d, SW_CONTAINER(d->running.next, struct transfer, node), (struct sw_slice){0},
            "it is being stopped");
    curl_multi_cleanup(d->multi);
    curl_global_cleanup();
    free(d);
}

bool sw_downloads_room(const struct sw_downloads *d)
{
    return d->count < SW_DOWNLOADS_MAX;
}

static size_t take(char *p, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    size_t n = size * count;
    if (n > t->max - t->n)
        return CURL_WRITEFUNC_ERROR;
    if (t->n + n > t->cap) {
        size_t cap = (t->n + n) * 2;
        char *q = realloc(t->p, cap);
        if (!q)
            return CURL_WRITEFUNC_ERROR;
        t->p = q;
        t->cap = cap;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
    return n;
}

static bool set_body(struct transfer *t, const struct sw_download *x)
{
    char type[128];
    if (!x->body.p)
        return true;
    snprintf(type, sizeof(type), "Content-Type: %s", x->content_type);
    t->headers = curl_slist_append(NULL, type);
    return t->headers && curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)x->body.n) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, x->body.p) == CURLE_OK;
}

static bool set_up(struct transfer *t, const struct sw_download *x)
{
    t->easy = curl_easy_init();
    return t->easy && curl_easy_setopt(t->easy, CURLOPT_URL, x->url) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)x->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK && set_body(t, x);
}

enum sw_status sw_downloads_start(struct sw_downloads *d, const struct sw_download *x)
{
    struct transfer *t = calloc(1, sizeof(*t));
    if (!t)
        return SW_LIMIT_MEMORY;
    t->tag = x->tag;
    t->max = x->bytes_max;
    if (!set_up(t, x) || curl_multi_add_handle(d->multi, t->easy) != CURLM_OK) {
        curl_easy_cleanup(t->easy);
        curl_slist_free_all(t->headers);
        free(t);
        return SW_LIMIT_MEMORY;
    }
    sw_list_add(&d->running, &t->node);
    d->count++;
    return SW_OK;
}

static void ended(struct sw_downloads *d, const CURLMsg *m)
{
    struct transfer *t = NULL;
    char why[WHY_MAX];
    if (curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK || !t)
        return;
    CURLcode code = m->data.result;
    if (code == CURLE_OK) {
        end(d, t, sw_slice(t->p ? t->p : "", t->n), NULL);
        return;
    }
    snprintf(why, sizeof(why), "%s",
             code == CURLE_WRITE_ERROR ? "it is larger than is taken"
             : t->error[0]             ? t->error
                                       : curl_easy_strerror(code));
    end(d, t, (struct sw_slice){0}, why);
}

void sw_downloads_run(struct sw_downloads *d, int timeout_ms)
{
    int running, left;
    CURLMsg *m;
    if (curl_multi_perform(d->multi, &running) == CURLM_OK)
        curl_multi_poll(d->multi, NULL, 0, timeout_ms, NULL);
    curl_multi_perform(d->multi, &running);
    while ((m = curl_multi_info_read(d->multi, &left)))
        if (m->msg == CURLMSG_DONE)
            ended(d, m);
}

void sw_downloads_wake(struct sw_downloads *d)
{
    curl_multi_wakeup(d->multi);
}
