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

// A thread's part in copying DEPTH x WIDE values of a [depth, width] matrix to shared memory, row by
// row, 16 bytes at a time. Rows start at multiples of 16 bytes and `width` is a multiple of four.
// What lies outside becomes zero and is never part of a chain.
template <int WIDE, int DEPTH, int STRIDE> struct Copier {
    static const int ROWS = 256 / (WIDE / 4), TIMES = DEPTH / ROWS;
    const float *source;
    int row, place, bytes;
    long long apart;

    DEVICE Copier(const float *from, int first, int width) {
        row = threadIdx.x / (WIDE / 4);
        int i = threadIdx.x % (WIDE / 4) * 4;
        bool inside = first + i < width;
        bytes = inside ? 16 : 0;
        place = row * STRIDE + i;
        source = from + (long long)row * width + (inside ? first + i : 0);
        apart = (long long)ROWS * width;
    }

    // Copies the next DEPTH rows, of which `left` are there.
    DEVICE void copy(float *to, int left) {
#pragma unroll
        for (int r = 0; r < TIMES; r++) {
            bool there = row + r * ROWS < left;
            copy16(to + place + r * ROWS * STRIDE, there ? source + r * apart : source, there ? bytes : 0);
        }
        if (left > DEPTH) source += TIMES * apart;
    }
};

// One step along k of a thread's TM x TN outputs. They lie in groups of four rows and four columns,
// so that a warp reads shared memory in whole lines.
template <int BM, int BN, int TM, int TN>
DEVICE void step(const float *left, const float *right, float (*sum)[TN]) {
    float x[TM], y[TN];
#pragma unroll
    for (int g = 0; g < TM / 4; g++) *(float4 *)(x + 4 * g) = *(const float4 *)(left + g * (BM / TM * 4));
#pragma unroll
    for (int g = 0; g < TN / 4; g++) *(float4 *)(y + 4 * g) = *(const float4 *)(right + g * (BN / TN * 4));
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sum[i][j] = fused(x[i], y[j], sum[i][j]);
}

// One tile, BM x BN, of c = a^T b with a [k, m] and b [k, n], by 256 threads; m and n are multiples
// of four.
template <int BM, int BN, int BK, int TM, int TN, int STAGES>
DEVICE void product_along(const float *a, const float *b, float *c, int m, int n, int k,
                          bool accumulate) {
    const int STRIDE_A = BM + 4, STRIDE_B = BN + 4, TILE = BK * (STRIDE_A + STRIDE_B);
    const int ACROSS = BN / TN;
    extern __shared__ float shared[];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int column = (warp % (ACROSS / 8) * 8 + lane % 8) * 4;
    int row = (warp / (ACROSS / 8) * 4 + lane / 8) * 4;
    int i0 = blockIdx.y * BM, j0 = blockIdx.x * BN;
    Copier<BM, BK, STRIDE_A> copy_a(a, i0, m);
    Copier<BN, BK, STRIDE_B> copy_b(b, j0, n);
    int tiles = (k + BK - 1) / BK;

    float sum[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sum[i][j] = 0.0f;

#pragma unroll
    for (int t = 0; t < STAGES - 1; t++) {
        if (t < tiles) {
            copy_a.copy(shared + t * TILE, k - t * BK);
            copy_b.copy(shared + t * TILE + BK * STRIDE_A, k - t * BK);
        }
        copies_end_group();
    }
    float *corner = c + (long long)(i0 + row) * n + j0 + column;
    int high = m - i0 - row, wide = n - j0 - column;
    bool first = !accumulate;
    int now = 0, next = STAGES - 1;
    for (int t = 0; t < tiles; t++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        if (t + STAGES - 1 < tiles) {
            float *to = shared + next * TILE;
            copy_a.copy(to, k - (t + STAGES - 1) * BK);
            copy_b.copy(to + BK * STRIDE_A, k - (t + STAGES - 1) * BK);
        }
        copies_end_group();
        const float *left = shared + now * TILE + row;
        const float *right = shared + now * TILE + BK * STRIDE_A + column;
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        int depth = k - t * BK;
        if (depth >= BK) {
#pragma unroll
            for (int at = 0; at < BK; at++)
                step<BM, BN, TM, TN>(left + at * STRIDE_A, right + at * STRIDE_B, sum);
        } else {
#pragma unroll 1
            for (int at = 0; at < depth; at++)
                step<BM, BN, TM, TN>(left + at * STRIDE_A, right + at * STRIDE_B, sum);
        }
        if ((t + 1) * BK % BLOCK != 0 && t + 1 != tiles) continue;
        // The end of a block of the chain. Old values are read two rows at a time, before any is
        // written, so that their latencies overlap; for more there are no registers.
#pragma unroll
        for (int i = 0; i < TM; i += 2) {
            const int OFF = i / 4 * (BM / TM * 4) + i % 4;
            float *to = corner + (long long)OFF * n;
            float4 old[2][TN / 4];
            if (!first) {
#pragma unroll
                for (int r = 0; r < 2; r++)
#pragma unroll
                    for (int g = 0; g < TN / 4; g++)
                        if (OFF + r < high && g * (ACROSS * 4) < wide)
                            old[r][g] = *(float4 *)(to + (long long)r * n + g * (ACROSS * 4));
            }
#pragma unroll
            for (int r = 0; r < 2; r++)
#pragma unroll
                for (int g = 0; g < TN / 4; g++) {
                    float *s = sum[i + r] + 4 * g;
                    float4 v = make_float4(s[0], s[1], s[2], s[3]);
                    if (!first) {
                        v.x = add(old[r][g].x, v.x);
                        v.y = add(old[r][g].y, v.y);
                        v.z = add(old[r][g].z, v.z);
                        v.w = add(old[r][g].w, v.w);
                    }
                    if (OFF + r < high && g * (ACROSS * 4) < wide)
                        *(float4 *)(to + (long long)r * n + g * (ACROSS * 4)) = v;
                    s[0] = s[1] = s[2] = s[3] = 0.0f;
                }
        }
        first = false;
    }
}

// Rows, columns and depth of a tile, rows and columns of a thread, stages.
KERNEL __launch_bounds__(256, 1)
    product_large(const float *a, const float *b, float *c, int m, int n, int k, int accumulate) {
    product_along<128, 256, 16, 8, 16, 3>(a, b, c, m, n, k, accumulate);
}

KERNEL __launch_bounds__(256, 2)
    product_medium(const float *a, const float *b, float *c, int m, int n, int k, int accumulate) {
    product_along<128, 128, 16, 8, 8, 3>(a, b, c, m, n, k, accumulate);
}

// Copies 16 x 64 values of a matrix to shared memory as [k][i], one at a time.
// ALONG: a row of the matrix runs along i, else along k.
template <bool ALONG>
DEVICE void stage(float (*to)[68], const float *from, int leading, int i0, int k0, int width, int depth) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int at = r * 256 + threadIdx.x;
        int k = ALONG ? at / 64 : at % 16, i = ALONG ? at % 64 : at / 16;
        bool there = k0 + k < depth && i0 + i < width;
        long long place = ALONG ? (long long)(k0 + k) * leading + i0 + i : (long long)(i0 + i) * leading + k0 + k;
        copy4(&to[k][i], from + (there ? place : 0), there ? 4 : 0);
    }
}

// One tile, 64 x 64, of any product, by 256 threads with 4 x 4 outputs each.
template <bool TA, bool TB>
DEVICE void product(const float *a, const float *b, float *c, int m, int n, int k, bool accumulate) {
    __shared__ float left[3][16][68], right[3][16][68];
    int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    int i0 = blockIdx.y * 64, j0 = blockIdx.x * 64;
    int lda = TA ? m : k, ldb = TB ? k : n;
    int tiles = (k + 15) / 16;
    float sum[4][4] = {}, all[4][4];
    for (int t = 0; t < 2; t++) {
        if (t < tiles) {
            stage<TA>(left[t], a, lda, i0, t * 16, m, k);
            stage<!TB>(right[t], b, ldb, j0, t * 16, n, k);
        }
        copies_end_group();
    }
    if (accumulate)
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                if (i0 + row + i < m && j0 + column + j < n)
                    all[i][j] = c[(long long)(i0 + row + i) * n + j0 + column + j];
    bool first = !accumulate;
    for (int t = 0; t < tiles; t++) {
        copies_wait<1>();
        __syncthreads();
        if (t + 2 < tiles) {
            stage<TA>(left[(t + 2) % 3], a, lda, i0, (t + 2) * 16, m, k);
            stage<!TB>(right[(t + 2) % 3], b, ldb, j0, (t + 2) * 16, n, k);
        }
        copies_end_group();
        const float *x = left[t % 3][0] + row, *y = right[t % 3][0] + column;
        int depth = k - t * 16;
        if (depth >= 16) {
#pragma unroll
            for (int at = 0; at < 16; at++) step<64, 64, 4, 4>(x + at * 68, y + at * 68, sum);
        } else {
#pragma unroll 1
            for (int at = 0; at < depth; at++) step<64, 64, 4, 4>(x + at * 68, y + at * 68, sum);
        }
        if ((t + 1) * 16 % BLOCK != 0 && t + 1 != tiles) continue;
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                all[i][j] = first ? sum[i][j] : add(all[i][j], sum[i][j]);
                sum[i][j] = 0.0f;
            }
        first = false;
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (i0 + row + i < m && j0 + column + j < n)
                c[(long long)(i0 + row + i) * n + j0 + column + j] = all[i][j];
}

#define PRODUCT(NAME, TA, TB)                                                                       \
    KERNEL __launch_bounds__(256, 2)                                                                \
        NAME(const float *a, const float *b, float *c, int m, int n, int k, int accumulate) {       \
        product<TA, TB>(a, b, c, m, n, k, accumulate);                                              \
    }
PRODUCT(product_small_nn, false, false)
PRODUCT(product_small_nt, false, true)
PRODUCT(product_small_tn, true, false)
PRODUCT(product_small_tt, true, true)

// out [cols, rows] = x [rows, cols].
KERNEL __launch_bounds__(256) transpose(const float *x, float *out, int rows, int cols) {
    __shared__ float tile[32][33];
    int column = blockIdx.x * 32 + threadIdx.x % 32, row = blockIdx.y * 32 + threadIdx.x % 32;
    for (int r = threadIdx.x / 32; r < 32; r += 8) {
        int i = blockIdx.y * 32 + r;
        if (i < rows && column < cols) tile[r][threadIdx.x % 32] = x[(long long)i * cols + column];
    }
    __syncthreads();
    for (int r = threadIdx.x / 32; r < 32; r += 8) {
        int j = blockIdx.x * 32 + r;
        if (row < rows && j < cols) out[(long long)j * rows + row] = tile[threadIdx.x % 32][r];
    }
}

// A product with few columns (or, with strides exchanged, few rows), one block of the chain a block
// of threads: 128 rows x 8 columns, a row a thread. Sums of the block go to `c` if there is only
// one block, else to `parts`, [block, m, n], for `thin_fold`.
// ROWS: rows of a run along k and start at multiples of 16 bytes.
template <bool ROWS>
DEVICE void thin(const float *__restrict__ a, const float *__restrict__ b, float *c, float *parts,
                 int m, int n, int k, int a_i, int a_k, int b_k, int b_j, int c_i, int c_j,
                 bool accumulate) {
    __shared__ float right[BLOCK][8];
    int i = blockIdx.x * 128 + threadIdx.x, j0 = blockIdx.y * 8;
    int start = blockIdx.z * BLOCK, depth = min(BLOCK, k - start);
    b += (long long)start * b_k + (long long)j0 * b_j;
    for (int at = threadIdx.x; at < BLOCK * 8; at += 128) {
        // Neighbouring threads read neighbouring values.
        int p = b_k == 1 ? at % BLOCK : at / 8, j = b_k == 1 ? at / BLOCK : at % 8;
        right[p][j] = p < depth && j0 + j < n ? b[(long long)p * b_k + (long long)j * b_j] : 0.0f;
    }
    __syncthreads();
    if (i >= m) return;
    a += (long long)i * a_i + (long long)start * a_k;
    float sum[8] = {};
    auto step = [&](float x, int p) {
        float4 low = *(const float4 *)right[p], high = *(const float4 *)(right[p] + 4);
        sum[0] = fused(x, low.x, sum[0]);
        sum[1] = fused(x, low.y, sum[1]);
        sum[2] = fused(x, low.z, sum[2]);
        sum[3] = fused(x, low.w, sum[3]);
        sum[4] = fused(x, high.x, sum[4]);
        sum[5] = fused(x, high.y, sum[5]);
        sum[6] = fused(x, high.z, sum[6]);
        sum[7] = fused(x, high.w, sum[7]);
    };
    int p = 0;
    if (ROWS) {
#pragma unroll 4
        for (; p + 4 <= depth; p += 4) {
            float4 x = *(const float4 *)(a + p);
            step(x.x, p);
            step(x.y, p + 1);
            step(x.z, p + 2);
            step(x.w, p + 3);
        }
    }
#pragma unroll 8
    for (; p < depth; p++) step(a[(long long)p * a_k], p);
    bool single = gridDim.z == 1;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        if (j0 + j >= n) break;
        if (single) {
            float *to = c + (long long)i * c_i + (long long)(j0 + j) * c_j;
            *to = accumulate ? add(*to, sum[j]) : sum[j];
        } else {
            parts[((long long)blockIdx.z * m + i) * n + j0 + j] = sum[j];
        }
    }
}

KERNEL __launch_bounds__(128)
    thin_rows(const float *a, const float *b, float *c, float *parts, int m, int n, int k, int a_i,
              int a_k, int b_k, int b_j, int c_i, int c_j, int accumulate) {
    thin<true>(a, b, c, parts, m, n, k, a_i, a_k, b_k, b_j, c_i, c_j, accumulate);
}

KERNEL __launch_bounds__(128)
    thin_any(const float *a, const float *b, float *c, float *parts, int m, int n, int k, int a_i,
             int a_k, int b_k, int b_j, int c_i, int c_j, int accumulate) {
    thin<false>(a, b, c, parts, m, n, k, a_i, a_k, b_k, b_j, c_i, c_j, accumulate);
}

// Adds the sums of the blocks, in order.
KERNEL thin_fold(const float *parts, float *c, int m, int n, int blocks, int c_i, int c_j,
                 int accumulate) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= m * n) return;
    float *to = c + (long long)(at / n) * c_i + (long long)(at % n) * c_j;
    float value = parts[at];
    if (accumulate) value = add(*to, value);
#pragma unroll 4
    for (int s = 1; s < blocks; s++) value = add(value, parts[(long long)s * m * n + at]);
    *to = value;
}
