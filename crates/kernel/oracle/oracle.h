/* A second reading of docs/kernel-spec.md, in plain C: one function for each row of its tables.
 *
 * Nothing here was taken from the Rust kernels; what both compute must agree bit for bit. Written
 * for reading: one output at a time, no blocking, no vectors. Compile with -ffp-contract=off, so
 * that a fused operation happens where fmaf is written and nowhere else. */
#ifndef ORACLE_H
#define ORACLE_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "float expressions must be evaluated in float"
#endif

typedef size_t usize;

/* elementary.c */
uint32_t bits_of(float x);
float from_bits(uint32_t bits);
float spec_exp(float x);
float spec_log(float x);
float spec_sigmoid(float x);
float spec_tanh(float x);
float spec_gelu(float x);
float spec_gelu_slope(float x);
float spec_bf16(float x);

/* sums.c: the building blocks. A term function gives operand k of a chain. */
float lane_sum(const float *x, usize n);
float lane_dot(const float *a, const float *b, usize n);
float lane_dot3(const float *a, const float *b, const float *c, usize n);
float lane_max(const float *x, usize n);
/* The block chain over k in from..to of a[k * a_step] * b[k * b_step]; `c` is the old value, or a
 * null pointer when the chain is stored. */
float block_chain(const float *a, usize a_step, const float *b, usize b_step, usize from, usize to,
                  const float *c);
float block_sum(const float *x, usize step, usize n, const float *c);

/* random.c */
typedef struct {
    uint32_t key[8], nonce[3], counter, block[16];
    int used;
} stream;
void stream_open(stream *s, const uint8_t key[32], uint32_t purpose, uint64_t index);
uint32_t stream_word(stream *s);
uint64_t stream_u64(stream *s);
uint32_t stream_below(stream *s, uint32_t n);
float stream_uniform(stream *s, float low, float high);
float stream_normal(stream *s);
void stream_permutation(stream *s, uint32_t *order, uint32_t n);

/* operators.c */
typedef struct {
    usize batch, seq, heads, kv_heads, dim;
} attention_shape;
void attention(const float *q, const float *k, const float *v, attention_shape s, usize past,
               float scale, float *out, float *probs);
void attention_backward(const float *dout, const float *q, const float *k, const float *v,
                        const float *probs, attention_shape s, float scale, float *dq, float *dk,
                        float *dv);
void softmax(const float *x, usize n, float *out);
float cross_entropy(const float *x, int label, usize n, float scale, float *dx);
typedef struct {
    float lr, beta1, beta2, eps, weight_decay, bias1, bias2;
} adamw_settings;
/* Eight-bit integers for y = x, or y = x * factors; returns their scale. */
float quantize_row(const float *x, const float *factors, usize n, signed char *q);
void adamw(float *p, const float *g, float *m, float *v, usize n, adamw_settings o);
void sgd(float *p, const float *g, float *v, usize n, float lr, float momentum, float weight_decay);

/* image.c: images of height * width pixels of so many channels. */
typedef struct {
    usize images, height, width, channels;
} image_shape;
void patches(const float *x, image_shape s, float *out);
void patches_backward(const float *dout, image_shape s, float *dx);
void max_pool(const float *x, image_shape s, float *out);
void max_pool_backward(const float *dout, const float *x, image_shape s, float *dx);

#endif
