/* Lane sums, lane maxima and block chains. */
#include "oracle.h"

#include <math.h>

static float fold(float lane[32]) {
    for (int w = 16; w >= 1; w /= 2)
        for (int l = 0; l < w; l++) lane[l] = lane[l] + lane[l + w];
    return lane[0];
}

float lane_sum(const float *x, usize n) {
    float lane[32] = {0};
    for (usize i = 0; i < n; i++) lane[i % 32] = lane[i % 32] + x[i];
    return fold(lane);
}

float lane_dot(const float *a, const float *b, usize n) {
    float lane[32] = {0};
    for (usize i = 0; i < n; i++) lane[i % 32] = fmaf(a[i], b[i], lane[i % 32]);
    return fold(lane);
}

float lane_dot3(const float *a, const float *b, const float *c, usize n) {
    float lane[32] = {0};
    for (usize i = 0; i < n; i++) {
        float product = a[i] * b[i];
        lane[i % 32] = fmaf(product, c[i], lane[i % 32]);
    }
    return fold(lane);
}

float lane_max(const float *x, usize n) {
    float lane[32];
    for (int l = 0; l < 32; l++) lane[l] = -INFINITY;
    for (usize i = 0; i < n; i++)
        if (x[i] > lane[i % 32]) lane[i % 32] = x[i];
    for (int w = 16; w >= 1; w /= 2)
        for (int l = 0; l < w; l++)
            if (lane[l + w] > lane[l]) lane[l] = lane[l + w];
    return lane[0];
}

float block_chain(const float *a, usize a_step, const float *b, usize b_step, usize from, usize to,
                  const float *c) {
    float result = c ? *c : 0.0f;
    int stored = c != NULL;
    usize k = from;
    while (k < to) {
        usize end = (k / 256 + 1) * 256;
        if (end > to) end = to;
        float acc = 0.0f;
        for (; k < end; k++) acc = fmaf(a[k * a_step], b[k * b_step], acc);
        result = stored ? result + acc : acc;
        stored = 1;
    }
    return result;
}

float block_sum(const float *x, usize step, usize n, const float *c) {
    float result = c ? *c : 0.0f;
    int stored = c != NULL;
    for (usize from = 0; from < n; from += 256) {
        float acc = 0.0f;
        for (usize k = from; k < n && k < from + 256; k++) acc = acc + x[k * step];
        result = stored ? result + acc : acc;
        stored = 1;
    }
    return result;
}
