// Operators on rows: norms, softmax, the loss. A row has a warp, or where it is as wide as a
// vocabulary, a block.

#define ROW_OF_WARP (blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32)
#define LANE (threadIdx.x % 32)

DEVICE float row_dot(const float *a, const float *b, int n) {
    float lane = 0.0f;
#pragma unroll 4
    for (int i = LANE; i < n; i += 32) lane = fused(a[i], b[i], lane);
    return tree_sum(lane);
}

KERNEL rmsnorm(const float *x, const float *weight, float eps, float *out, float *inverse, int rows,
               int n) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    x += (long long)row * n;
    out += (long long)row * n;
    float variance = over(row_dot(x, x, n), __int2float_rn(n));
    float inv = over(1.0f, root(add(variance, eps)));
    for (int i = LANE; i < n; i += 32) out[i] = mul(mul(x[i], inv), weight[i]);
    if (LANE == 0) inverse[row] = inv;
}

KERNEL rmsnorm_backward(const float *dy, const float *x, const float *weight, const float *inverse,
                        float *dx, int rows, int n) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    long long at = (long long)row * n;
    dy += at;
    x += at;
    dx += at;
    float lane = 0.0f;
#pragma unroll 4
    for (int i = LANE; i < n; i += 32) lane = fused(mul(dy[i], weight[i]), x[i], lane);
    float s = tree_sum(lane);
    float inv = inverse[row];
    float c = mul(over(s, __int2float_rn(n)), mul(mul(inv, inv), inv));
    for (int i = LANE; i < n; i += 32) dx[i] = fused(-c, x[i], mul(mul(dy[i], weight[i]), inv));
}

KERNEL row_norms(const float *x, float *out, int rows, int n) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    x += (long long)row * n;
    float s = row_dot(x, x, n);
    if (LANE == 0) out[row] = root(s);
}

// The softmax of a causal map in place: row i of each `seq` x `seq` matrix has i + 1 scores; the
// others become +0.
KERNEL causal_softmax(float *map, int rows, int seq) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    float *x = map + (long long)row * seq;
    int n = row % seq + 1;
    float lane = -INFINITE;
    for (int i = LANE; i < n; i += 32)
        if (x[i] > lane) lane = x[i];
    float m = tree_max(lane);
    lane = 0.0f;
    for (int i = LANE; i < n; i += 32) {
        float e = exponential(sub(x[i], m));
        x[i] = e;
        lane = add(lane, e);
    }
    float r = over(1.0f, tree_sum(lane));
    for (int i = LANE; i < seq; i += 32) x[i] = i < n ? mul(x[i], r) : 0.0f;
}

// ds = (p * (g - dot(p, g))) * scale on the unmasked part of each row, in place of g.
KERNEL causal_score_gradient(const float *map, float *gradient, float scale, int rows, int seq) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    const float *p = map + (long long)row * seq;
    float *g = gradient + (long long)row * seq;
    int n = row % seq + 1;
    float d = row_dot(p, g, n);
    for (int i = LANE; i < n; i += 32) g[i] = mul(mul(p[i], sub(g[i], d)), scale);
}

// How many labels count, as a float.
KERNEL count_labels(const int *labels, float *count, int n) {
    __shared__ int part[32];
    int here = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) here += labels[i] != -100;
    here = __reduce_add_sync(WARP, here);
    if (LANE == 0) part[threadIdx.x / 32] = here;
    __syncthreads();
    if (threadIdx.x == 0) {
        int all = 0;
        for (int w = 0; w < blockDim.x / 32; w++) all += part[w];
        *count = __int2float_rn(all);
    }
}

// A block of 256 threads a row. Exponentials go through shared memory, chunk by chunk, where one
// warp adds them lane by lane while the others compute the next ones.
#define CHUNK 2048
KERNEL __launch_bounds__(256)
    cross_entropy(const float *logits, const int *labels, const float *count, float *losses,
                  float *gradient, int vocab) {
    __shared__ float chunk[2][CHUNK];
    __shared__ float share[8][32];
    __shared__ float common[2];
    int row = blockIdx.x, warp = threadIdx.x / 32, lane = LANE;
    const float *x = logits + (long long)row * vocab;
    float *out = gradient ? gradient + (long long)row * vocab : 0;
    int label = labels[row];
    if (label == -100) {
        if (threadIdx.x == 0) losses[row] = 0.0f;
        if (out)
            for (int i = threadIdx.x; i < vocab; i += 256) out[i] = 0.0f;
        return;
    }
    // The gradient may take the place of the logits.
    float at_label = x[label];
    // Each warp takes a run of whole groups of 32, so that a lane's maximum is that of an
    // ascending scan.
    int groups = (vocab + 31) / 32;
    float best = -INFINITE;
    int stop = min(vocab, (int)((long long)groups * (warp + 1) / 8) * 32);
#pragma unroll 4
    for (int i = (int)((long long)groups * warp / 8) * 32 + lane; i < stop; i += 32)
        if (x[i] > best) best = x[i];
    share[warp][lane] = best;
    __syncthreads();
    if (warp == 0) {
        best = share[0][lane];
        for (int w = 1; w < 8; w++)
            if (share[w][lane] > best) best = share[w][lane];
        best = tree_max(best);
        if (lane == 0) common[0] = best;
    }
    __syncthreads();
    float m = common[0];
    float sum = 0.0f;
    int which = 0;
    for (int base = 0; base < vocab; base += CHUNK, which ^= 1) {
        int here = min(CHUNK, vocab - base);
        for (int i = threadIdx.x; i < here; i += 256) {
            float e = exponential(sub(x[base + i], m));
            chunk[which][i] = e;
            if (out) out[base + i] = e;
        }
        __syncthreads();
        if (warp == 0) {
#pragma unroll 8
            for (int i = lane; i < here; i += 32) sum = add(sum, chunk[which][i]);
        }
    }
    if (warp == 0) {
        sum = tree_sum(sum);
        if (lane == 0) {
            common[1] = sum;
            losses[row] = add(logarithm(sum), sub(m, at_label));
        }
    }
    __syncthreads();
    if (out) {
        float r = over(1.0f, common[1]);
        float scale = over(1.0f, *count);
        for (int i = threadIdx.x; i < vocab; i += 256) {
            float g = mul(mul(out[i], r), scale);
            out[i] = i == label ? sub(g, scale) : g;
        }
    }
}

// Lane sums over a whole tensor, by one block: everyone loads, one warp adds.
template <bool SQUARES> DEVICE float lane_sum(const float *x, long long n) {
    __shared__ float chunk[2][4096];
    float sum = 0.0f;
    int which = 0;
    for (long long base = 0; base < n; base += 4096, which ^= 1) {
        int here = (int)min(4096ll, n - base);
        for (int i = threadIdx.x; i < here; i += blockDim.x) chunk[which][i] = x[base + i];
        __syncthreads();
        if (threadIdx.x < 32) {
#pragma unroll 8
            for (int i = LANE; i < here; i += 32) {
                float v = chunk[which][i];
                sum = SQUARES ? fused(v, v, sum) : add(sum, v);
            }
        }
    }
    return threadIdx.x < 32 ? tree_sum(sum) : 0.0f;
}

// With a count, the mean.
KERNEL sum(const float *x, const float *count, float *out, long long n) {
    float s = lane_sum<false>(x, n);
    if (threadIdx.x == 0) *out = count ? over(s, *count) : s;
}

KERNEL sum_squares(const float *x, float *out, long long n, int accumulate) {
    float s = lane_sum<true>(x, n);
    if (threadIdx.x == 0) *out = add(accumulate ? *out : 0.0f, s);
}

// Chains down the columns in blocks of 256 rows. A block of threads has 32 columns and in y 32
// blocks of rows.
// KIND 0: sums of a; 1: sums of a * b, fused; 2: sums of a * (b * inverse), fused.
template <int KIND>
DEVICE void columns(const float *a, const float *b, const float *inverse, float *out, int rows,
                    int cols, bool accumulate) {
    __shared__ float part[32][33];
    int column = blockIdx.x * 32 + threadIdx.x;
    int blocks = (rows + BLOCK - 1) / BLOCK;
    bool first = !accumulate;
    for (int base = 0; base < blocks; base += 32) {
        int start = (base + threadIdx.y) * BLOCK, stop = min(rows, start + BLOCK);
        float acc = 0.0f;
        if (column < cols) {
#pragma unroll 4
            for (int r = start; r < stop; r++) {
                long long at = (long long)r * cols + column;
                if (KIND == 0) acc = add(acc, a[at]);
                if (KIND == 1) acc = fused(a[at], b[at], acc);
                if (KIND == 2) acc = fused(a[at], mul(b[at], inverse[r]), acc);
            }
        }
        part[threadIdx.y][threadIdx.x] = acc;
        __syncthreads();
        if (threadIdx.y == 0 && column < cols) {
            int here = min(32, blocks - base);
            float value = first ? part[0][threadIdx.x] : add(out[column], part[0][threadIdx.x]);
            for (int s = 1; s < here; s++) value = add(value, part[s][threadIdx.x]);
            out[column] = value;
        }
        first = false;
        __syncthreads();
    }
}

KERNEL column_sums(const float *a, float *out, int rows, int cols, int accumulate) {
    columns<0>(a, 0, 0, out, rows, cols, accumulate);
}

KERNEL column_dots(const float *a, const float *b, float *out, int rows, int cols, int accumulate) {
    columns<1>(a, b, 0, out, rows, cols, accumulate);
}

KERNEL norm_weight_gradient(const float *dy, const float *x, const float *inverse, float *out,
                            int rows, int cols) {
    columns<2>(dy, x, inverse, out, rows, cols, false);
}
