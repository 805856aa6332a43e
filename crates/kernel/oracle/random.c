/* ChaCha20 (RFC 8439) and the values read from it. */
#include "oracle.h"

#include <math.h>

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t *s, int a, int b, int c, int d) {
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

void stream_open(stream *s, const uint8_t key[32], uint32_t purpose, uint64_t index) {
    for (int i = 0; i < 8; i++) {
        const uint8_t *k = key + 4 * i;
        s->key[i] = k[0] | (uint32_t)k[1] << 8 | (uint32_t)k[2] << 16 | (uint32_t)k[3] << 24;
    }
    s->nonce[0] = purpose;
    s->nonce[1] = (uint32_t)index;
    s->nonce[2] = (uint32_t)(index >> 32);
    s->counter = 0;
    s->used = 16;
}

uint32_t stream_word(stream *s) {
    if (s->used == 16) {
        uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
        for (int i = 0; i < 8; i++) start[4 + i] = s->key[i];
        start[12] = s->counter++;
        for (int i = 0; i < 3; i++) start[13 + i] = s->nonce[i];
        for (int i = 0; i < 16; i++) s->block[i] = start[i];
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 4; i++) quarter(s->block, i, 4 + i, 8 + i, 12 + i);
            for (int i = 0; i < 4; i++)
                quarter(s->block, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
        for (int i = 0; i < 16; i++) s->block[i] += start[i];
        s->used = 0;
    }
    return s->block[s->used++];
}

uint64_t stream_u64(stream *s) {
    uint64_t low = stream_word(s);
    uint64_t high = stream_word(s);
    return low | high << 32;
}

uint32_t stream_below(stream *s, uint32_t n) {
    uint64_t limit = ((uint64_t)1 << 32) / n * n;
    for (;;) {
        uint32_t word = stream_word(s);
        if (word < limit) return word % n;
    }
}

float stream_uniform(stream *s, float low, float high) {
    float unit = (float)(stream_word(s) >> 8) * 0x1p-24f;
    return fmaf(unit, high - low, low);
}

float stream_normal(stream *s) {
    static const uint32_t centre[] = {0x32f16588, 0x34b84b36, 0xb66c7357, 0xb6935ac1, 0x396532db,
                                      0xbaa45408, 0xbb88e4ef, 0x3e7c8f63, 0x3fc02e2f};
    static const uint32_t tail[] = {0xb951f09b, 0x38d3b56b, 0x3ab0dc72, 0xbb70bde7, 0x3bbc127b,
                                    0xbbf9c5d7, 0x3c1aa57e, 0x3f8036db, 0x40354f7e};
    int32_t odd = 2 * (int32_t)(stream_word(s) >> 8) + 1 - (1 << 24);
    float x = (float)odd * 0x1p-24f;
    float w = -spec_log(fmaf(-x, x, 1.0f));
    const uint32_t *table = w < 5.0f ? centre : tail;
    float u = w < 5.0f ? w - 2.5f : sqrtf(w) - 3.0f;
    float p = from_bits(table[0]);
    for (int i = 1; i < 9; i++) p = fmaf(p, u, from_bits(table[i]));
    return (p * x) * from_bits(0x3fb504f3);
}

void stream_permutation(stream *s, uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = stream_below(s, i + 1);
        uint32_t old = order[i];
        order[i] = order[j];
        order[j] = old;
    }
}
