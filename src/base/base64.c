#include "base/base64.h"

static const char letters[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* value + 1 of each letter; 0: not a letter */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

void sw_base64_put(struct sw_buf *b, const void *p, size_t n)
{
    const uint8_t *u = p;
    while (n >= 3) {
        uint32_t v = (uint32_t)u[0] << 16 | (uint32_t)u[1] << 8 | u[2];
        char four[4] = {letters[v >> 18], letters[v >> 12 & 63], letters[v >> 6 & 63],
                        letters[v & 63]};
        sw_buf_put(b, four, 4);
        u += 3;
        n -= 3;
    }
    if (n) {
        uint32_t v = (uint32_t)u[0] << 16 | (n == 2 ? (uint32_t)u[1] << 8 : 0);
        char three[3] = {letters[v >> 18], letters[v >> 12 & 63], letters[v >> 6 & 63]};
        sw_buf_put(b, three, n + 1);
    }
}

bool sw_base64_get(struct sw_slice s, void *out, size_t n)
{
    uint8_t *u = out;
    uint32_t bits = 0, have = 0;
    size_t done = 0;
    if (s.n != SW_BASE64_LEN(n))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t v = values[(uint8_t)s.p[i]];
        if (!v)
            return false;
        bits = bits << 6 | (uint32_t)(v - 1);
        have += 6;
        if (have >= 8) {
            have -= 8;
            u[done++] = (uint8_t)(bits >> have);
        }
    }
    return done == n && (bits & ((1u << have) - 1)) == 0;
}
