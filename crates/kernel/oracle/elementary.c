/* exp, sigmoid, log, tanh and gelu as the specification writes them. */
#include "oracle.h"

#include <math.h>
#include <string.h>

uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static float polynomial(const uint32_t *coefficients, int n, float x) {
    float p = from_bits(coefficients[0]);
    for (int i = 1; i < n; i++) p = fmaf(p, x, from_bits(coefficients[i]));
    return p;
}

#define MAGIC from_bits(0x4b400000)
#define LOG2_E from_bits(0x3fb8aa3b)
#define LN2_HIGH from_bits(0x3f318000)
#define LN2_LOW from_bits(0xb95e8083)

float spec_exp(float x) {
    static const uint32_t table[] = {0x3ab511e8, 0x3c091d10, 0x3d2aac79, 0x3e2aaa49,
                                     0x3efffffe, 0x3f800000, 0x3f800000};
    if (x < -87.0f) return 0.0f;
    if (!(x <= 88.0f)) return INFINITY;
    float t = fmaf(x, LOG2_E, MAGIC);
    float n = t - MAGIC;
    float r = fmaf(n, -LN2_HIGH, x);
    r = fmaf(n, -LN2_LOW, r);
    uint32_t p = bits_of(polynomial(table, 7, r));
    return from_bits(p + ((bits_of(t) - bits_of(MAGIC)) << 23));
}

float spec_sigmoid(float x) { return 1.0f / (1.0f + spec_exp(-x)); }

float spec_log(float x) {
    static const uint32_t table[] = {0xbd9c5ac1, 0x3e02adb6, 0xbe06c2a1, 0x3e116d0e,
                                     0xbe2a3922, 0x3e4cd004, 0xbe800113, 0x3eaaaaaa};
    if (x == 0.0f) return -INFINITY;
    if (!(x > 0.0f)) return NAN;
    if (x == INFINITY) return x;
    int shift = 0;
    if (x < FLT_MIN) {
        x = x * 8388608.0f;
        shift = 23;
    }
    /* The difference of the two patterns is positive or negative; floor division by 2^23. */
    int64_t difference = (int64_t)bits_of(x) - 0x3f3504f3;
    int64_t exponent = difference >= 0 ? difference / 8388608 : -((8388607 - difference) / 8388608);
    float f = from_bits((uint32_t)((int64_t)bits_of(x) - exponent * 8388608)) - 1.0f;
    float e = (float)(exponent - shift);
    float z = f * f;
    float p = polynomial(table, 8, f);
    float y = (f * z) * p;
    y = fmaf(e, LN2_LOW, y);
    y = fmaf(-0.5f, z, y);
    y = f + y;
    return fmaf(e, LN2_HIGH, y);
}

float spec_tanh(float x) {
    static const uint32_t table[] = {0xbbba8671, 0x3ca8fc67, 0xbd5c1ad2, 0x3e08837b, 0xbeaaaa99};
    float a = fabsf(x), y;
    if (a < 0.625f) {
        float z = a * a;
        y = fmaf(a * z, polynomial(table, 5, z), a);
    } else {
        y = 1.0f - 2.0f / (spec_exp(a + a) + 1.0f);
    }
    return copysignf(y, x);
}

static float gelu_square(float x) {
    float z = x * x;
    return z < 128.0f ? z : 128.0f;
}

static float gelu_gate(float x) {
    float w = fmaf(gelu_square(x), from_bits(0x3d922279), from_bits(0x3fcc422a));
    return spec_sigmoid(x * w);
}

float spec_gelu(float x) { return x * gelu_gate(x); }

float spec_gelu_slope(float x) {
    float s = gelu_gate(x);
    float w = fmaf(gelu_square(x), from_bits(0x3e5b33b6), from_bits(0x3fcc422a));
    return fmaf(x * (s * (1.0f - s)), w, s);
}

/* The nearer of the two neighbours with 8 significant bits, measured in binary64, which holds all
 * three exactly; beyond the largest finite one lies 2^128, which binary32 calls infinity. */
float spec_bf16(float x) {
    if (isinf(x)) return x;
    float a = fabsf(x);
    uint32_t below = bits_of(a) / 65536, above = below + 1;
    double low = from_bits(below * 65536);
    double high = above == 0x7f80 ? 0x1p128 : from_bits(above * 65536);
    double to_low = a - low, to_high = high - a;
    uint32_t nearest = to_low < to_high ? below : to_high < to_low ? above : below + below % 2;
    return copysignf(from_bits(nearest * 65536), x);
}
