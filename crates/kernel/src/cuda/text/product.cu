// Matrix products. Per output: blocks of 256 along k, within a block one chain of fused
// multiply-adds from +0; the first block is stored (or added), later ones are added.

DEVICE void copy4(void *to, const void *from, int bytes) {
    u32 at = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(at), "l"(from), "r"(bytes));
}

DEVICE void copy16(void *to, const void *from, int bytes) {
    u32 at = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes));
}

DEVICE void copies_end_group() { asm volatile("cp.async.commit_group;"); }

template <int GROUPS> DEVICE void copies_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS));
}

// Copies DEPTH x WIDE values of a matrix to shared memory as [k][i]; what lies outside is zero and
// is never part of a chain. ALONG: a row of the matrix runs along i, else along k.
template <int WIDE, int DEPTH, int STRIDE, bool ALONG>
DEVICE void stage(float *to, const float *from, int leading, int i0, int k0, int width, int depth,
                  bool vectors) {
    if (ALONG) {
        if (vectors) {
#pragma unroll
            for (int at = threadIdx.x; at < WIDE * DEPTH / 4; at += 256) {
                int k = at / (WIDE / 4), i = at % (WIDE / 4) * 4;
                int left = min(4, width - i0 - i);
                int bytes = k0 + k < depth && left > 0 ? left * 4 : 0;
                const float *source = from + (bytes ? (long long)(k0 + k) * leading + i0 + i : 0);
                copy16(to + k * STRIDE + i, source, bytes);
            }
        } else {
#pragma unroll
            for (int at = threadIdx.x; at < WIDE * DEPTH; at += 256) {
                int k = at / WIDE, i = at % WIDE;
                int bytes = k0 + k < depth && i0 + i < width ? 4 : 0;
                const float *source = from + (bytes ? (long long)(k0 + k) * leading + i0 + i : 0);
                copy4(to + k * STRIDE + i, source, bytes);
            }
        }
    } else {
#pragma unroll
        for (int at = threadIdx.x; at < WIDE * DEPTH; at += 256) {
            int k = at % DEPTH, i = at / DEPTH;
            int bytes = k0 + k < depth && i0 + i < width ? 4 : 0;
            const float *source = from + (bytes ? (long long)(i0 + i) * leading + k0 + k : 0);
            copy4(to + k * STRIDE + i, source, bytes);
        }
    }
}

// One tile of c, BM x BN, by 256 threads. A thread's TM x TN outputs lie in groups of four rows and
// four columns, so that a warp reads shared memory in whole lines.
template <int BM, int BN, int BK, int TM, int TN, int STAGES, bool TA, bool TB>
DEVICE void product(const float *__restrict__ a, const float *__restrict__ b, float *c, int m, int n,
                    int k, bool accumulate, bool vectors_a, bool vectors_b) {
    const int STRIDE_A = BM + 4, STRIDE_B = BN + 4;
    const int TILE = BK * (STRIDE_A + STRIDE_B);
    const int ACROSS = BN / TN;
    extern __shared__ float shared[];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int column = (warp % (ACROSS / 8) * 8 + lane % 8) * 4;
    int row = (warp / (ACROSS / 8) * 4 + lane / 8) * 4;
    int i0 = blockIdx.y * BM, j0 = blockIdx.x * BN;
    int lda = TA ? m : k, ldb = TB ? k : n;
    int tiles = (k + BK - 1) / BK;

    float sum[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sum[i][j] = 0.0f;

#pragma unroll
    for (int t = 0; t < STAGES - 1; t++) {
        if (t < tiles) {
            float *to = shared + t * TILE;
            stage<BM, BK, STRIDE_A, TA>(to, a, lda, i0, t * BK, m, k, vectors_a);
            stage<BN, BK, STRIDE_B, !TB>(to + BK * STRIDE_A, b, ldb, j0, t * BK, n, k, vectors_b);
        }
        copies_end_group();
    }
    bool first = !accumulate;
    for (int t = 0; t < tiles; t++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        int next = t + STAGES - 1;
        if (next < tiles) {
            float *to = shared + next % STAGES * TILE;
            stage<BM, BK, STRIDE_A, TA>(to, a, lda, i0, next * BK, m, k, vectors_a);
            stage<BN, BK, STRIDE_B, !TB>(to + BK * STRIDE_A, b, ldb, j0, next * BK, n, k, vectors_b);
        }
        copies_end_group();

        const float *left = shared + t % STAGES * TILE + row;
        const float *right = shared + t % STAGES * TILE + BK * STRIDE_A + column;
        float x[TM], y[TN];
        auto step = [&](int at) {
#pragma unroll
            for (int g = 0; g < TM / 4; g++)
                *(float4 *)(x + 4 * g) = *(const float4 *)(left + at * STRIDE_A + g * (BM / TM * 4));
#pragma unroll
            for (int g = 0; g < TN / 4; g++)
                *(float4 *)(y + 4 * g) = *(const float4 *)(right + at * STRIDE_B + g * (ACROSS * 4));
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++) sum[i][j] = fused(x[i], y[j], sum[i][j]);
        };
        int depth = k - t * BK;
        if (depth >= BK) {
#pragma unroll
            for (int at = 0; at < BK; at++) step(at);
        } else {
#pragma unroll 1
            for (int at = 0; at < depth; at++) step(at);
        }

        if ((t + 1) * BK % BLOCK != 0 && t + 1 != tiles) continue;
#pragma unroll
        for (int i = 0; i < TM; i++) {
            int line = i0 + row + i / 4 * (BM / TM * 4) + i % 4;
            if (line < m) {
#pragma unroll
                for (int g = 0; g < TN / 4; g++) {
                    int at = j0 + column + g * (ACROSS * 4);
                    float *to = c + (long long)line * n + at;
                    if (n % 4 == 0 && at < n) {
                        float4 v = *(float4 *)(sum[i] + 4 * g);
                        if (!first) {
                            float4 old = *(float4 *)to;
                            v.x = add(old.x, v.x);
                            v.y = add(old.y, v.y);
                            v.z = add(old.z, v.z);
                            v.w = add(old.w, v.w);
                        }
                        *(float4 *)to = v;
                    } else {
#pragma unroll
                        for (int j = 0; j < 4; j++)
                            if (at + j < n) to[j] = first ? sum[i][4 * g + j] : add(to[j], sum[i][4 * g + j]);
                    }
                }
            }
#pragma unroll
            for (int j = 0; j < TN; j++) sum[i][j] = 0.0f;
        }
        first = false;
    }
}

#define PRODUCT(NAME, BM, BN, BK, TM, TN, STAGES, BLOCKS, TA, TB)                                   \
    KERNEL __launch_bounds__(256, BLOCKS)                                                           \
        NAME(const float *a, const float *b, float *c, int m, int n, int k, int accumulate,         \
             int vectors_a, int vectors_b) {                                                        \
        product<BM, BN, BK, TM, TN, STAGES, TA, TB>(a, b, c, m, n, k, accumulate, vectors_a,        \
                                                    vectors_b);                                     \
    }

#define PRODUCTS(SIZE, ...)                                                                         \
    PRODUCT(product_##SIZE##_nn, __VA_ARGS__, false, false)                                         \
    PRODUCT(product_##SIZE##_nt, __VA_ARGS__, false, true)                                          \
    PRODUCT(product_##SIZE##_tn, __VA_ARGS__, true, false)                                          \
    PRODUCT(product_##SIZE##_tt, __VA_ARGS__, true, true)

// Rows, columns and depth of a tile, rows and columns of a thread, stages, blocks on a processor.
PRODUCTS(large, 128, 256, 16, 8, 16, 3, 1)
PRODUCTS(medium, 128, 128, 16, 8, 8, 3, 2)
PRODUCTS(small, 64, 64, 16, 4, 4, 3, 3)

// A product with few columns (or, with strides exchanged, few rows): 16 x 8 outputs by 128 threads,
// each slice of threads computing every blockDim.y-th block of 256 along k.
template <bool ROWS_A, bool ROWS_B>
DEVICE void thin(const float *__restrict__ a, const float *__restrict__ b, float *c, int m, int n,
                 int k, int a_i, int a_k, int b_k, int b_j, int c_i, int c_j, bool accumulate) {
    __shared__ float part[8][128];
    // Neighbouring threads share a row where rows run along k, and lie in one where they do not.
    int i = blockIdx.x * 16 + (ROWS_A ? threadIdx.x / 8 : threadIdx.x % 16);
    int j = blockIdx.y * 8 + (ROWS_A ? threadIdx.x % 8 : threadIdx.x / 16);
    bool inside = i < m && j < n;
    const float *x = a + (long long)(inside ? i : 0) * a_i;
    const float *y = b + (long long)(inside ? j : 0) * b_j;
    float *to = c + (long long)i * c_i + (long long)j * c_j;
    int blocks = (k + BLOCK - 1) / BLOCK;
    bool first = !accumulate;
    for (int base = 0; base < blocks; base += blockDim.y) {
        int start = (base + threadIdx.y) * BLOCK, stop = min(k, start + BLOCK);
        float sum = 0.0f;
        int at = start;
        if (inside) {
#pragma unroll 4
            for (; at + 4 <= stop; at += 4) {
                float4 u, v;
                if (ROWS_A) {
                    u = *(const float4 *)(x + at);
                } else {
                    const float *p = x + (long long)at * a_k;
                    u = make_float4(p[0], p[a_k], p[2 * a_k], p[3 * a_k]);
                }
                if (ROWS_B) {
                    v = *(const float4 *)(y + at);
                } else {
                    const float *p = y + (long long)at * b_k;
                    v = make_float4(p[0], p[b_k], p[2 * b_k], p[3 * b_k]);
                }
                sum = fused(u.x, v.x, sum);
                sum = fused(u.y, v.y, sum);
                sum = fused(u.z, v.z, sum);
                sum = fused(u.w, v.w, sum);
            }
            for (; at < stop; at++)
                sum = fused(x[(long long)at * a_k], y[(long long)at * b_k], sum);
        }
        part[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y == 0 && inside) {
            int here = min((int)blockDim.y, blocks - base);
            float value = first ? part[0][threadIdx.x] : add(*to, part[0][threadIdx.x]);
            for (int s = 1; s < here; s++) value = add(value, part[s][threadIdx.x]);
            *to = value;
        }
        first = false;
        __syncthreads();
    }
}

#define THIN(NAME, ROWS_A, ROWS_B)                                                                  \
    KERNEL NAME(const float *a, const float *b, float *c, int m, int n, int k, int a_i, int a_k,    \
                int b_k, int b_j, int c_i, int c_j, int accumulate) {                               \
        thin<ROWS_A, ROWS_B>(a, b, c, m, n, k, a_i, a_k, b_k, b_j, c_i, c_j, accumulate);           \
    }
THIN(thin_plain, false, false)
THIN(thin_rows_b, false, true)
THIN(thin_rows_a, true, false)
THIN(thin_rows, true, true)
