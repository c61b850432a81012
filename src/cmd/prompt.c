#include "cmd/prompt.h"

#include "crypto/hmac.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Signals that end the process: the terminal must show again what is typed before they do. */
static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDS = sizeof(ends) / sizeof(ends[0]) };

static volatile sig_atomic_t g_caught;

static void note(int number)
{
    g_caught = number;
}

/* One line, whole. */
static bool read_line(int fd, char *out, size_t cap)
{
    size_t n = 0;
    char c;
    while (!g_caught && read(fd, &c, 1) == 1) { /* a caught signal ends a read that waits */
        if (c == '\n') {
            out[n] = 0;
            return true;
        }
        if (n + 1 == cap)
            break;
        out[n++] = c;
    }
    sw_wipe(out, cap);
    return false;
}

static bool ask(int fd, const char *question, char *out, size_t cap)
{
    struct termios shown, hidden;
    if (tcgetattr(fd, &shown) != 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    /* TCSAFLUSH: what was typed before the question is no answer */
    bool ok = tcsetattr(fd, TCSAFLUSH, &hidden) == 0 && dprintf(fd, "%s", question) > 0 &&
              read_line(fd, out, cap);
    tcsetattr(fd, TCSAFLUSH, &shown);
    dprintf(fd, "\n");
    return ok;
}

bool sw_prompt_secret(const char *question, char *out, size_t cap)
{
    struct sigaction before[ENDS], catch = {.sa_handler = note};
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    g_caught = 0;
    for (int i = 0; i < ENDS; i++)
        sigaction(ends[i], &catch, &before[i]);
    bool ok = ask(fd, question, out, cap);
    for (int i = 0; i < ENDS; i++)
        sigaction(ends[i], &before[i], NULL);
    close(fd);
    if (g_caught)
        raise(g_caught);
    return ok;
}
