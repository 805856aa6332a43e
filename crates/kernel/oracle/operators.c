/* The operators that are more than one line: attention, softmax, the loss, the optimisers. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>

void softmax(const float *x, usize n, float *out) {
    float m = lane_max(x, n);
    for (usize i = 0; i < n; i++) out[i] = spec_exp(x[i] - m);
    float r = 1.0f / lane_sum(out, n);
    for (usize i = 0; i < n; i++) out[i] = out[i] * r;
}

float cross_entropy(const float *x, int label, usize n, float scale, float *dx) {
    if (label == -100) {
        for (usize i = 0; i < n; i++) dx[i] = 0.0f;
        return 0.0f;
    }
    float m = lane_max(x, n);
    for (usize i = 0; i < n; i++) dx[i] = spec_exp(x[i] - m);
    float sum = lane_sum(dx, n);
    float r = 1.0f / sum;
    for (usize i = 0; i < n; i++) dx[i] = (dx[i] * r) * scale;
    dx[label] = dx[label] - scale;
    return spec_log(sum) + (m - x[label]);
}

/* Queries stand at positions past..past + seq; keys and values at 0..past + seq. */
void attention(const float *q, const float *k, const float *v, attention_shape s, usize past,
               float scale, float *out, float *probs) {
    usize total = past + s.seq, q_step = s.heads * s.dim, k_step = s.kv_heads * s.dim;
    float *score = malloc(total * sizeof(float));
    float *p = malloc(total * sizeof(float));
    for (usize b = 0; b < s.batch; b++)
        for (usize h = 0; h < s.heads; h++)
            for (usize i = 0; i < s.seq; i++) {
                usize head = h / (s.heads / s.kv_heads) * s.dim;
                const float *query = q + (b * s.seq + i) * q_step + h * s.dim;
                const float *keys = k + b * total * k_step + head;
                const float *values = v + b * total * k_step + head;
                usize seen = past + i + 1;
                for (usize j = 0; j < seen; j++)
                    score[j] = block_chain(query, 1, keys + j * k_step, 1, 0, s.dim, NULL) * scale;
                softmax(score, seen, p);
                float *to = out + (b * s.seq + i) * q_step + h * s.dim;
                for (usize d = 0; d < s.dim; d++)
                    to[d] = block_chain(p, 1, values + d, k_step, 0, seen, NULL);
                if (probs) {
                    float *row = probs + ((b * s.heads + h) * s.seq + i) * s.seq;
                    for (usize j = 0; j < s.seq; j++) row[j] = j < seen ? p[j] : 0.0f;
                }
            }
    free(score);
    free(p);
}

void attention_backward(const float *dout, const float *q, const float *k, const float *v,
                        const float *probs, attention_shape s, float scale, float *dq, float *dk,
                        float *dv) {
    usize n = s.seq, q_step = s.heads * s.dim, k_step = s.kv_heads * s.dim;
    usize group = s.heads / s.kv_heads;
    float *ds = malloc((n * n + 1) * sizeof(float));
    float *g = malloc((n + 1) * sizeof(float));
    for (usize b = 0; b < s.batch; b++)
        for (usize h = 0; h < s.heads; h++) {
            usize q_at = b * n * q_step + h * s.dim, k_at = b * n * k_step + h / group * s.dim;
            const float *p = probs + (b * s.heads + h) * n * n;
            for (usize i = 0; i < n; i++) {
                const float *gradient = dout + q_at + i * q_step;
                for (usize j = 0; j <= i; j++)
                    g[j] = block_chain(gradient, 1, v + k_at + j * k_step, 1, 0, s.dim, NULL);
                float t = lane_dot(p + i * n, g, i + 1);
                for (usize j = 0; j <= i; j++) ds[i * n + j] = (p[i * n + j] * (g[j] - t)) * scale;
                for (usize d = 0; d < s.dim; d++)
                    dq[q_at + i * q_step + d] =
                        block_chain(ds + i * n, 1, k + k_at + d, k_step, 0, i + 1, NULL);
            }
            int first = h % group == 0;
            for (usize j = 0; j < n; j++)
                for (usize d = 0; d < s.dim; d++) {
                    float *key = dk + k_at + j * k_step + d, *value = dv + k_at + j * k_step + d;
                    *key = block_chain(ds + j, n, q + q_at + d, q_step, j, n, first ? NULL : key);
                    *value =
                        block_chain(p + j, n, dout + q_at + d, q_step, j, n, first ? NULL : value);
                }
        }
    free(ds);
    free(g);
}

void adamw(float *p, const float *g, float *m, float *v, usize n, adamw_settings o) {
    float decay = 1.0f - o.lr * o.weight_decay;
    float step = o.lr / o.bias1;
    float root = sqrtf(o.bias2);
    for (usize i = 0; i < n; i++) {
        m[i] = fmaf(o.beta1, m[i], (1.0f - o.beta1) * g[i]);
        v[i] = fmaf(o.beta2, v[i], (1.0f - o.beta2) * (g[i] * g[i]));
        float denominator = sqrtf(v[i]) / root + o.eps;
        p[i] = fmaf(-step, m[i] / denominator, p[i] * decay);
    }
}

void sgd(float *p, const float *g, float *v, usize n, float lr, float momentum, float weight_decay) {
    for (usize i = 0; i < n; i++) {
        float d = fmaf(weight_decay, p[i], g[i]);
        v[i] = fmaf(momentum, v[i], d);
        p[i] = fmaf(-lr, v[i], p[i]);
    }
}

float quantize_row(const float *x, const float *factors, usize n, signed char *q) {
    uint32_t most = 0;
    for (usize j = 0; j < n; j++) {
        float y = factors ? x[j] * factors[j] : x[j];
        uint32_t size = bits_of(y) & 0x7fffffff;
        if (size > most) most = size;
    }
    float m = from_bits(most), scale = m / 127.0f, inv = 127.0f / m, magic = from_bits(0x4b400000);
    int zero = most < 0x0d800000, invalid = most >= 0x7f800000;
    for (usize j = 0; j < n; j++) {
        float y = factors ? x[j] * factors[j] : x[j];
        float scaled = y * inv;
        float shifted = scaled + magic;
        q[j] = (signed char)(zero || invalid ? 0 : (int)(shifted - magic));
    }
    return zero ? 0.0f : scale;
}
