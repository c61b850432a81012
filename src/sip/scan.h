/* Looking for line ends, sixteen bytes at a time where the processor can. */
#ifndef SW_SIP_SCAN_H
#define SW_SIP_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** The first CR or LF from `p` on, or `end`. No byte behind `end` is read. */
static inline const char *sw_scan_line_end(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    for (; end - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf));
        unsigned where = (unsigned)_mm_movemask_epi8(found);
        if (where)
            return p + __builtin_ctz(where);
    }
#endif
    while (p < end && *p != '\r' && *p != '\n')
        p++;
    return p;
}

#endif
