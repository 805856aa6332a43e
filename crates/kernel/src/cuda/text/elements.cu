// Operators on single elements, and lookups.

#define EACH(i, n)                                                                                  \
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

KERNEL embedding(const float *table, const u32 *ids, float *out, u32 n, u32 width) {
    EACH(i, n) out[i] = table[(long long)ids[i / width] * width + i % width];
}

// `table` is zero before. The first position of an id adds those of all of them, ascending.
KERNEL embedding_backward(const float *gradient, const u32 *ids, float *table, int positions,
                          int width) {
    int t = blockIdx.x;
    u32 id = ids[t];
    bool seen = false;
    for (int s = threadIdx.x; s < t; s += blockDim.x) seen |= ids[s] == id;
    if (__syncthreads_or(seen)) return;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float sum = 0.0f;
        for (int s = t; s < positions; s++)
            if (ids[s] == id) sum = add(sum, gradient[(long long)s * width + i]);
        table[(long long)id * width + i] = sum;
    }
}

KERNEL add_bias(float *x, const float *bias, u32 n, u32 width) {
    EACH(i, n) x[i] = add(x[i], bias[i % width]);
}

KERNEL add_assign(float *a, const float *b, u32 n) {
    EACH(i, n) a[i] = add(a[i], b[i]);
}

KERNEL divide(const float *a, const float *b, float *out, u32 n) {
    EACH(i, n) out[i] = over(a[i], b[i]);
}

KERNEL scale(float *x, float factor, u32 n) {
    EACH(i, n) x[i] = mul(x[i], factor);
}

KERNEL scale_by(float *x, const float *factor, u32 n) {
    EACH(i, n) x[i] = mul(x[i], *factor);
}

KERNEL scale_columns(const float *x, const float *factors, float *out, u32 n, u32 width) {
    EACH(i, n) out[i] = mul(x[i], factors[i % width]);
}

// n pairs; a row has `heads` heads of 2 * half values, and one row of each table.
KERNEL rope(float *x, const float *cosines, const float *sines, u32 n, u32 heads, u32 half,
            u32 seq, int inverse) {
    EACH(i, n) {
        u32 d = i % half, head = i / half;
        u32 at = (head / heads % seq) * half + d;
        float c = cosines[at], s = inverse ? -sines[at] : sines[at];
        float *pair = x + (long long)head * 2 * half + d;
        float a = pair[0], b = pair[half];
        pair[0] = fused(a, c, -mul(b, s));
        pair[half] = fused(b, c, mul(a, s));
    }
}

KERNEL silu_mul(const float *gate, const float *up, float *out, u32 n) {
    EACH(i, n) out[i] = mul(mul(gate[i], sigmoid(gate[i])), up[i]);
}

KERNEL silu_mul_backward(const float *dout, const float *gate, const float *up, float *dgate,
                         float *dup, u32 n) {
    EACH(i, n) {
        float g = gate[i], d = dout[i], u = up[i];
        float s = sigmoid(g);
        dup[i] = mul(d, mul(g, s));
        dgate[i] = mul(mul(d, u), mul(s, fused(g, sub(1.0f, s), 1.0f)));
    }
}

KERNEL clip_factor(const float *squares, float *out, float max_norm) {
    float factor = over(max_norm, add(root(*squares), bits(0x358637bdu)));
    *out = factor < 1.0f ? factor : 1.0f;
}

KERNEL next_powers(float *powers, float beta1, float beta2) {
    powers[0] = mul(powers[0], beta1);
    powers[1] = mul(powers[1], beta2);
}

KERNEL adamw(float *param, const float *gradient, float *first, float *second, const float *powers,
             const float *rate, float beta1, float beta2, float eps, float weight_decay,
             u32 n) {
    float lr = *rate;
    float decay = sub(1.0f, mul(lr, weight_decay));
    float step = over(lr, sub(1.0f, powers[0]));
    float bias_root = root(sub(1.0f, powers[1]));
    float rest1 = sub(1.0f, beta1), rest2 = sub(1.0f, beta2);
    EACH(i, n) {
        float g = gradient[i];
        float m = fused(beta1, first[i], mul(rest1, g));
        float v = fused(beta2, second[i], mul(rest2, mul(g, g)));
        first[i] = m;
        second[i] = v;
        float denominator = add(over(root(v), bias_root), eps);
        param[i] = fused(-step, over(m, denominator), mul(param[i], decay));
    }
}

DEVICE void quarter(u32 *s, int a, int b, int c, int d) {
    s[a] += s[b];
    s[d] = __funnelshift_l(s[d] ^ s[a], s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = __funnelshift_l(s[b] ^ s[c], s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = __funnelshift_l(s[d] ^ s[a], s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = __funnelshift_l(s[b] ^ s[c], s[b] ^ s[c], 7);
}

// `noise` holds the key (8 words) and the step (2 words). A thread draws a ChaCha20 block (RFC 8439)
// and takes its 16 elements.
KERNEL dropout(const float *x, const u32 *noise, u32 purpose, u32 slot, u32 slots, u32 threshold,
               float factor, float *out, u32 n) {
    u64 step = noise[8] | (u64)noise[9] << 32;
    u64 index = step * slots + slot;
    EACH(block, (n + 15) / 16) {
        u32 start[16] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u};
#pragma unroll
        for (int i = 0; i < 8; i++) start[4 + i] = noise[i];
        start[12] = block;
        start[13] = purpose;
        start[14] = (u32)index;
        start[15] = (u32)(index >> 32);
        u32 s[16];
#pragma unroll
        for (int i = 0; i < 16; i++) s[i] = start[i];
        for (int round = 0; round < 10; round++) {
            quarter(s, 0, 4, 8, 12);
            quarter(s, 1, 5, 9, 13);
            quarter(s, 2, 6, 10, 14);
            quarter(s, 3, 7, 11, 15);
            quarter(s, 0, 5, 10, 15);
            quarter(s, 1, 6, 11, 12);
            quarter(s, 2, 7, 8, 13);
            quarter(s, 3, 4, 9, 14);
        }
#pragma unroll
        for (int i = 0; i < 16; i++) {
            u32 at = block * 16 + i;
            if (at < n) out[at] = s[i] + start[i] >= threshold ? mul(x[at], factor) : 0.0f;
        }
    }
}

// Raises the flag if there is a NaN or an infinity.
KERNEL find_fault(const u32 *x, u32 *flag, u32 n) {
    bool fault = false;
    EACH(i, n) fault |= (x[i] & 0x7f800000u) == 0x7f800000u;
    if (__any_sync(__activemask(), fault) && fault) *flag = 1;
}
