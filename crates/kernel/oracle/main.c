/* Computes every operator on fixed inputs.
 *
 * Without an argument: one line "name count digest" a case, the digest being FNV-1a (64 bits) over
 * the little-endian bytes of the values. With the name of a case: its values as bits, one a line.
 * tests/oracle.rs holds the same cases and compares. */
#include "oracle.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t digest;
static usize count;
static int show;

static void emit_word(uint32_t word) {
    for (int i = 0; i < 4; i++) digest = (digest ^ (word >> 8 * i & 0xff)) * 0x100000001b3u;
    count++;
    if (show) printf("%08" PRIx32 "\n", word);
}

/* NaN payloads are outside the specification. */
static void emit_one(float x) { emit_word(isnan(x) ? 0x7fc00000 : bits_of(x)); }

static void emit(const float *x, usize n) {
    for (usize i = 0; i < n; i++) emit_one(x[i]);
}

/* Input i of a tensor: SplitMix64's mixing of (tensor, i); an odd multiple of 2^-24 between -1 and
 * 1, times a power of two from 1/16 to 8. */
static float value(uint32_t tensor, usize i) {
    uint64_t z = ((uint64_t)tensor << 32 | i) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z = z ^ z >> 31;
    int32_t odd = 2 * (int32_t)(z >> 40) + 1 - (1 << 24);
    return (float)odd * 0x1p-24f * ((float)(1 << (z & 7)) * 0.0625f);
}

static float *tensor(uint32_t number, usize n) {
    float *x = malloc((n + 1) * sizeof(float));
    for (usize i = 0; i < n; i++) x[i] = value(number, i);
    return x;
}

static float *room(usize n) { return malloc((n + 1) * sizeof(float)); }

static void case_inputs(void) { emit(tensor(0, 1000), 1000); }

static void case_random(void) {
    uint8_t key[32];
    for (int i = 0; i < 32; i++) key[i] = (uint8_t)(7 * i + 1);
    stream s;
    stream_open(&s, key, 2, (uint64_t)3 << 33 | 5);
    for (int i = 0; i < 10; i++) {
        uint64_t word = stream_u64(&s);
        emit_word((uint32_t)word);
        emit_word((uint32_t)(word >> 32));
    }
    static const uint32_t limits[] = {1, 3, 1000, 0x80000001};
    for (int l = 0; l < 4; l++)
        for (int i = 0; i < 20; i++) emit_word(stream_below(&s, limits[l]));
    for (int i = 0; i < 1000; i++) emit_one(stream_uniform(&s, -1.0f, 2.0f));
    for (int i = 0; i < 5000; i++) emit_one(stream_normal(&s));
    uint32_t order[100];
    stream_permutation(&s, order, 100);
    for (int i = 0; i < 100; i++) emit_word(order[i]);
}

/* Every 1,050,625th pattern of bits that is a number, then values of common size. */
static void sweep(float (*f)(float)) {
    for (uint32_t i = 0; i < 4088; i++) {
        float x = from_bits(i * 1050625);
        if (!isnan(x)) emit_one(f(x));
    }
    for (usize i = 0; i < 3000; i++) emit_one(f(value(1, i)));
}

static float silu(float x) { return x * spec_sigmoid(x); }
static void case_exp(void) { sweep(spec_exp); }
static void case_log(void) { sweep(spec_log); }
static void case_sigmoid(void) { sweep(spec_sigmoid); }
static void case_silu(void) { sweep(silu); }
static void case_tanh(void) { sweep(spec_tanh); }
static void case_gelu(void) { sweep(spec_gelu); }

static void case_function_gradients(void) {
    for (int f = 0; f < 6; f++)
        for (usize i = 0; i < 2000; i++) {
            float dy = value(2, i), x = value(3, i), s = spec_sigmoid(x), t = spec_tanh(x);
            switch (f) {
            case 0: emit_one(dy * spec_exp(x)); break;
            case 1: emit_one(dy / x); break;
            case 2: emit_one(dy * (s * (1.0f - s))); break;
            case 3: emit_one(dy * (s * fmaf(x, 1.0f - s, 1.0f))); break;
            case 4: emit_one(dy * fmaf(-t, t, 1.0f)); break;
            default: emit_one(dy * spec_gelu_slope(x));
            }
        }
}

static void case_gemm(void) {
    static const usize shapes[][3] = {{1, 1, 1}, {7, 33, 257}, {13, 40, 600}, {3, 2, 0}, {40, 5, 30}};
    for (int n = 0; n < 5; n++) {
        usize rows = shapes[n][0], cols = shapes[n][1], depth = shapes[n][2];
        float *a = tensor(4, rows * depth), *b = tensor(5, depth * cols);
        float *old = tensor(6, rows * cols);
        for (int layout = 0; layout < 4; layout++) {
            int ta = layout & 1, tb = layout >> 1;
            for (int accumulate = 0; accumulate < 2; accumulate++)
                for (usize i = 0; i < rows; i++)
                    for (usize j = 0; j < cols; j++)
                        emit_one(block_chain(ta ? a + i : a + i * depth, ta ? rows : 1,
                                             tb ? b + j * depth : b + j, tb ? 1 : cols, 0, depth,
                                             accumulate ? &old[i * cols + j] : NULL));
        }
    }
}

static void norm_case(usize rows, usize cols) {
    float *x = tensor(7, rows * cols), *w = tensor(8, cols), *dy = tensor(9, rows * cols);
    float *inv = room(rows), *gated = room(rows * cols);
    for (usize r = 0; r < rows; r++) {
        float *row = x + r * cols;
        float variance = lane_dot(row, row, cols) / (float)cols;
        inv[r] = 1.0f / sqrtf(variance + 1e-5f);
        for (usize i = 0; i < cols; i++) emit_one((row[i] * inv[r]) * w[i]);
    }
    emit(inv, rows);
    for (usize r = 0; r < rows; r++) {
        float *row = x + r * cols, *d = dy + r * cols;
        float c = (lane_dot3(d, w, row, cols) / (float)cols) * ((inv[r] * inv[r]) * inv[r]);
        for (usize i = 0; i < cols; i++) emit_one(fmaf(-c, row[i], (d[i] * w[i]) * inv[r]));
        for (usize i = 0; i < cols; i++) gated[r * cols + i] = row[i] * inv[r];
    }
    for (usize j = 0; j < cols; j++)
        emit_one(block_chain(dy + j, cols, gated + j, cols, 0, rows, NULL));
}

static void case_rmsnorm(void) {
    norm_case(5, 77);
    norm_case(300, 33);
}

static void case_rope(void) {
    usize batch = 2, seq = 9, heads = 3, half = 11;
    float *cos = tensor(10, seq * half), *sin = tensor(11, seq * half);
    for (int inverse = 0; inverse < 2; inverse++) {
        float *x = tensor(12, batch * seq * heads * 2 * half);
        for (usize head = 0; head < batch * seq * heads; head++)
            for (usize d = 0; d < half; d++) {
                usize table = head / heads % seq * half + d;
                float *first = x + head * 2 * half + d, *second = first + half;
                float a = *first, b = *second, s = inverse ? -sin[table] : sin[table];
                *first = fmaf(a, cos[table], -(b * s));
                *second = fmaf(b, cos[table], a * s);
            }
        emit(x, batch * seq * heads * 2 * half);
    }
}

static void case_attention(void) {
    static const attention_shape shapes[] = {{2, 37, 4, 2, 20}, {1, 270, 2, 1, 5}, {1, 9, 1, 1, 300}};
    for (int n = 0; n < 3; n++) {
        attention_shape s = shapes[n];
        usize queries = s.batch * s.seq * s.heads * s.dim, keys = s.batch * s.seq * s.kv_heads * s.dim;
        usize map = s.batch * s.heads * s.seq * s.seq;
        float *q = tensor(13, queries), *k = tensor(14, keys), *v = tensor(15, keys);
        float *dout = tensor(16, queries), *out = room(queries), *probs = room(map);
        attention(q, k, v, s, 0, 0.125f, out, probs);
        emit(out, queries);
        emit(probs, map);
        float *dq = room(queries), *dk = room(keys), *dv = room(keys);
        attention_backward(dout, q, k, v, probs, s, 0.125f, dq, dk, dv);
        emit(dq, queries);
        emit(dk, keys);
        emit(dv, keys);
    }
}

static void case_attention_cached(void) {
    static const usize pasts[] = {0, 37, 254}, news[] = {5, 1, 4};
    for (int n = 0; n < 3; n++) {
        attention_shape s = {1, news[n], 6, 2, 20};
        usize keys = (pasts[n] + s.seq) * s.kv_heads * s.dim, queries = s.seq * s.heads * s.dim;
        float *q = tensor(17, queries), *k = tensor(18, keys), *v = tensor(19, keys);
        float *out = room(queries);
        attention(q, k, v, s, pasts[n], 0.125f, out, NULL);
        emit(out, queries);
    }
}

static void case_silu_mul(void) {
    for (usize i = 0; i < 2000; i++) emit_one(silu(value(20, i)) * value(21, i));
    for (usize i = 0; i < 2000; i++) {
        float g = value(20, i), dout = value(22, i), s = spec_sigmoid(g);
        emit_one((dout * value(21, i)) * (s * fmaf(g, 1.0f - s, 1.0f)));
        emit_one(dout * (g * s));
    }
}

static void case_softmax(void) {
    usize rows = 20, cols = 77;
    float *x = tensor(23, rows * cols), *dy = tensor(24, rows * cols), *y = room(rows * cols);
    for (usize r = 0; r < rows; r++) softmax(x + r * cols, cols, y + r * cols);
    emit(y, rows * cols);
    for (usize r = 0; r < rows; r++) {
        float d = lane_dot(dy + r * cols, y + r * cols, cols);
        for (usize i = r * cols; i < (r + 1) * cols; i++) emit_one(y[i] * (dy[i] - d));
    }
    for (usize r = 0; r < rows; r++) {
        float *dx = room(cols);
        emit_one(cross_entropy(x + r * cols, r % 5 == 4 ? -100 : (int)(3 * r), cols, 0.0625f, dx));
        emit(dx, cols);
    }
}

static void case_embedding(void) {
    usize vocab = 11, width = 19, positions = 50;
    float *table = tensor(25, vocab * width), *dout = tensor(26, positions * width);
    for (usize t = 0; t < positions; t++) emit(table + t * t % vocab * width, width);
    for (usize i = 0; i < vocab * width; i++) table[i] = 0.0f;
    for (usize t = 0; t < positions; t++)
        for (usize i = 0; i < width; i++) {
            float *to = table + t * t % vocab * width + i;
            *to = *to + dout[t * width + i];
        }
    emit(table, vocab * width);
}

static void case_columns(void) {
    usize rows = 600, cols = 37;
    float *a = tensor(27, rows * cols), *b = tensor(28, rows * cols), *w = tensor(29, cols);
    for (int accumulate = 0; accumulate < 2; accumulate++)
        for (usize j = 0; j < cols; j++) {
            const float *old = accumulate ? w + j : NULL;
            emit_one(block_sum(a + j, cols, rows, old));
            emit_one(block_chain(a + j, cols, b + j, cols, 0, rows, old));
        }
    for (usize r = 0; r < rows; r++) emit_one(sqrtf(lane_dot(a + r * cols, a + r * cols, cols)));
    for (usize i = 0; i < rows * cols; i++) emit_one(a[i] * w[i % cols]);
    for (usize i = 0; i < rows * cols; i++) emit_one(a[i] + w[i % cols]);
}

static void case_elementwise(void) {
    for (usize i = 0; i < 1000; i++) {
        float a = value(30, i), b = value(31, i);
        emit_one(a + b);
        emit_one(a * b);
        emit_one(a / b);
        emit_one(a * 0.37f);
    }
}

static void case_dropout(void) {
    static const float ps[] = {0.0f, 0.1f, 0.5f};
    uint8_t key[32];
    for (int i = 0; i < 32; i++) key[i] = (uint8_t)(200 - i);
    for (int n = 0; n < 3; n++) {
        stream s;
        stream_open(&s, key, 9, 1000 + (uint64_t)n);
        uint64_t threshold = (uint64_t)floor((double)ps[n] * 4294967296.0);
        float factor = 1.0f / (1.0f - ps[n]);
        for (usize i = 0; i < 3000; i++)
            emit_one(stream_word(&s) >= threshold ? value(32, i) * factor : 0.0f);
    }
}

static void case_clip_factor(void) {
    for (usize i = 0; i < 200; i++) {
        float s = fabsf(value(33, i)), max_norm = fabsf(value(34, i));
        float f = max_norm / (sqrtf(s) + from_bits(0x358637bd));
        emit_one(f < 1.0f ? f : 1.0f);
    }
}

static void case_sums(void) {
    static const usize lengths[] = {0, 1, 31, 32, 33, 1000};
    for (int n = 0; n < 6; n++) {
        emit_one(lane_sum(tensor(35, lengths[n]), lengths[n]));
        emit_one(lane_dot(tensor(35, lengths[n]), tensor(36, lengths[n]), lengths[n]));
    }
}

static void case_adamw(void) {
    usize n = 500;
    float *p = tensor(37, n), *m = room(n), *v = room(n), power1 = 1.0f, power2 = 1.0f;
    for (usize i = 0; i < n; i++) m[i] = v[i] = 0.0f;
    for (uint32_t step = 0; step < 4; step++) {
        power1 = power1 * 0.9f;
        power2 = power2 * 0.999f;
        adamw_settings o = {0.002f, 0.9f, 0.999f, 1e-8f, 0.01f, 1.0f - power1, 1.0f - power2};
        adamw(p, tensor(38 + step, n), m, v, n, o);
    }
    emit(p, n);
    emit(m, n);
    emit(v, n);
}

/* Every upper half that is finite, with lower halves at, below and above the middle. */
static void case_round_bf16(void) {
    static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (uint32_t upper = 0; upper < 0x10000; upper += 37)
        for (int i = 0; i < 6; i++) {
            float x = from_bits(upper << 16 | lower[i]);
            if (!isnan(x)) emit_one(spec_bf16(x));
        }
    for (uint32_t i = 0; i < 6; i++) emit_one(spec_bf16(from_bits(0x7f7f0000 | lower[i])));
    for (usize i = 0; i < 3000; i++) emit_one(spec_bf16(value(42, i)));
}

static void case_quantize_rows(void) {
    usize rows = 40, cols = 77;
    float *x = tensor(43, rows * cols), *factors = tensor(44, cols);
    static const uint32_t largest[] = {0x0d7fffff, 0x0d800000, 0x00000001};
    for (usize i = 0; i < cols; i++) {
        x[i] = 0.0f;
        for (usize r = 0; r < 3; r++)
            x[(1 + r) * cols + i] = from_bits(largest[r]) / (float)(1 + i % 3);
        x[4 * cols + i] = i == 0 ? 127.0f : (float)i - 38.5f;
    }
    x[5 * cols + 3] = INFINITY;
    x[6 * cols + 4] = NAN;
    int8_t *q = malloc(cols);
    for (int scaled = 0; scaled < 2; scaled++)
        for (usize r = 0; r < rows; r++) {
            emit_one(quantize_row(x + r * cols, scaled ? factors : NULL, cols, q));
            for (usize i = 0; i < cols; i++) emit_word((uint32_t)(int32_t)q[i]);
        }
    free(q);
}

static int8_t *integers(uint32_t number, usize n) {
    int8_t *all = malloc(n + 1);
    for (usize i = 0; i < n; i++) {
        uint32_t byte = bits_of(value(number, i)) >> 8 & 255;
        all[i] = (int8_t)(byte < 128 ? (int)byte : (int)byte - 256);
    }
    return all;
}

static void case_product_i8(void) {
    static const usize shapes[][3] = {{1, 1, 1}, {7, 33, 257}, {13, 40, 600}, {3, 2, 0}, {40, 5, 30}};
    for (int n_shape = 0; n_shape < 5; n_shape++) {
        usize m = shapes[n_shape][0], n = shapes[n_shape][1], depth = shapes[n_shape][2];
        int8_t *a = integers(45, m * depth), *b = integers(46, depth * n);
        float *sa = tensor(47, m), *sb = tensor(48, n), *c = tensor(49, m * n);
        for (int transposed = 0; transposed < 2; transposed++)
            for (int scaled = 0; scaled < 2; scaled++)
                for (int accumulate = 0; accumulate < 2; accumulate++)
                    for (usize i = 0; i < m; i++)
                        for (usize j = 0; j < n; j++) {
                            int32_t s = 0;
                            for (usize k = 0; k < depth; k++) {
                                int left = a[i * depth + k];
                                int right = b[transposed ? j * depth + k : k * n + j];
                                s += left * right;
                            }
                            float result = (float)s * sa[i];
                            if (scaled) result = result * sb[j];
                            emit_one(accumulate ? c[i * n + j] + result : result);
                        }
        free(a);
        free(b);
    }
}

static void case_relu(void) {
    for (usize i = 0; i < 2000; i++) {
        float x = i == 0 ? 0.0f : i == 1 ? -0.0f : value(50, i);
        emit_one(x <= 0.0f ? 0.0f : x);
        emit_one(x <= 0.0f ? 0.0f : value(51, i));
    }
}

static void case_sgd(void) {
    usize n = 500;
    float *p = tensor(52, n), *v = room(n);
    for (usize i = 0; i < n; i++) v[i] = 0.0f;
    for (uint32_t step = 0; step < 4; step++) sgd(p, tensor(53 + step, n), v, n, 0.05f, 0.9f, 0.01f);
    emit(p, n);
    emit(v, n);
}

static void case_images(void) {
    static const image_shape shapes[] = {{3, 5, 7, 2}, {2, 1, 4, 3}, {1, 8, 8, 5}};
    for (int i = 0; i < 3; i++) {
        image_shape s = shapes[i];
        usize n = s.images * s.height * s.width * s.channels;
        usize pooled = s.images * (s.height / 2) * (s.width / 2) * s.channels;
        float *x = tensor(57, n), *wide = room(9 * n), *back = room(n), *out = room(pooled);
        patches(x, s, wide);
        emit(wide, 9 * n);
        patches_backward(tensor(58, 9 * n), s, back);
        emit(back, n);
        max_pool(x, s, out);
        emit(out, pooled);
        max_pool_backward(tensor(59, pooled), x, s, back);
        emit(back, n);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"inputs", case_inputs},
    {"random", case_random},
    {"exp", case_exp},
    {"log", case_log},
    {"sigmoid", case_sigmoid},
    {"silu", case_silu},
    {"tanh", case_tanh},
    {"gelu", case_gelu},
    {"function_gradients", case_function_gradients},
    {"gemm", case_gemm},
    {"rmsnorm", case_rmsnorm},
    {"rope", case_rope},
    {"attention", case_attention},
    {"attention_cached", case_attention_cached},
    {"silu_mul", case_silu_mul},
    {"softmax", case_softmax},
    {"embedding", case_embedding},
    {"columns", case_columns},
    {"elementwise", case_elementwise},
    {"dropout", case_dropout},
    {"clip_factor", case_clip_factor},
    {"sums", case_sums},
    {"adamw", case_adamw},
    {"round_bf16", case_round_bf16},
    {"quantize_rows", case_quantize_rows},
    {"product_i8", case_product_i8},
    {"relu", case_relu},
    {"sgd", case_sgd},
    {"images", case_images},
};

int main(int argc, char **argv) {
    show = argc > 1;
    for (usize i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (show && strcmp(argv[1], cases[i].name) != 0) continue;
        digest = UINT64_C(0xcbf29ce484222325);
        count = 0;
        cases[i].run();
        if (!show) printf("%s %zu %016" PRIx64 "\n", cases[i].name, count, digest);
    }
    return 0;
}
