// Causal attention on materialised maps [batch, heads, seq, seq]. Query head h of a sequence reads
// key head h / group. Masked terms stand outside every chain: they are skipped, not multiplied by
// zero. Tiles of 64 rows never straddle a block of 256, so all rows of a tile have the same blocks.

#define SIDE 64
#define DEEP 16


// c = a tile's products over `DEEP` values of k: x is [k][row], y is [k][column].
template <typename Allowed>
DEVICE void deep(const float (*x)[SIDE + 4], const float (*y)[SIDE + 4], int row, int column,
                 int from, int to, float (*sum)[4], Allowed allowed) {
    for (int k = from; k < to; k++) {
        float u[4], v[4];
        *(float4 *)u = *(const float4 *)(x[k] + row);
        *(float4 *)v = *(const float4 *)(y[k] + column);
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (allowed(i, k))
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = fused(u[i], v[j], sum[i][j]);
    }
}

// out_ij = chain_d(x_id * y_jd) * scale for j <= i; x has query heads, y key heads.
KERNEL __launch_bounds__(256)
    attention_scores(const float *x, const float *y, float *map, float scale, int scaled, int seq,
                     int heads, int kv_heads, int dim) {
    if (blockIdx.x > blockIdx.y) return;
    __shared__ float left[DEEP][SIDE + 4], right[DEEP][SIDE + 4];
    int batch = blockIdx.z / heads, head = blockIdx.z % heads;
    int kv_head = head / (heads / kv_heads);
    x += ((long long)batch * seq * heads + head) * dim;
    y += ((long long)batch * seq * kv_heads + kv_head) * dim;
    map += (long long)blockIdx.z * seq * seq;
    int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    int i0 = blockIdx.y * SIDE, j0 = blockIdx.x * SIDE;
    float all[4][4], sum[4][4] = {};
    for (int d0 = 0; d0 < dim; d0 += DEEP) {
        for (int at = threadIdx.x; at < DEEP * SIDE; at += 256) {
            int d = at % DEEP, r = at / DEEP;
            bool deep_enough = d0 + d < dim;
            left[d][r] = deep_enough && i0 + r < seq ? x[(long long)(i0 + r) * heads * dim + d0 + d] : 0.0f;
            right[d][r] = deep_enough && j0 + r < seq ? y[(long long)(j0 + r) * kv_heads * dim + d0 + d] : 0.0f;
        }
        __syncthreads();
        auto any = [](int, int) { return true; };
        if (dim - d0 >= DEEP)
            deep(left, right, row, column, 0, DEEP, sum, any);
        else
            deep(left, right, row, column, 0, dim - d0, sum, any);
        __syncthreads();
        if ((d0 + DEEP) % BLOCK == 0 || d0 + DEEP >= dim) {
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    all[i][j] = d0 < BLOCK ? sum[i][j] : add(all[i][j], sum[i][j]);
                    sum[i][j] = 0.0f;
                }
        }
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int r = i0 + row + i, c = j0 + column + j;
            if (r < seq && c <= r)
                map[(long long)r * seq + c] = scaled ? mul(all[i][j], scale) : all[i][j];
        }
}

// out_id = chain over j in 0..=i of map_ij * y_jd; out has query heads, y key heads.
KERNEL __launch_bounds__(256)
    attention_rows(const float *map, const float *y, float *out, int seq, int heads, int kv_heads,
                   int dim) {
    __shared__ float left[DEEP][SIDE + 4], right[DEEP][SIDE + 4];
    int batch = blockIdx.z / heads, head = blockIdx.z % heads;
    int kv_head = head / (heads / kv_heads);
    map += (long long)blockIdx.z * seq * seq;
    y += ((long long)batch * seq * kv_heads + kv_head) * dim;
    out += ((long long)batch * seq * heads + head) * dim;
    int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    int i0 = blockIdx.y * SIDE, c0 = blockIdx.x * SIDE;
    int stop = min(seq, i0 + SIDE);
    float all[4][4], sum[4][4] = {};
    for (int k0 = 0; k0 < stop; k0 += DEEP) {
        for (int at = threadIdx.x; at < DEEP * SIDE; at += 256) {
            int k = at % DEEP, r = at / DEEP;
            left[k][r] = k0 + k < stop && i0 + r < seq ? map[(long long)(i0 + r) * seq + k0 + k] : 0.0f;
            int j = at / SIDE, c = at % SIDE;
            right[j][c] = k0 + j < stop && c0 + c < dim ? y[(long long)(k0 + j) * kv_heads * dim + c0 + c] : 0.0f;
        }
        __syncthreads();
        auto any = [](int, int) { return true; };
        auto causal = [&](int i, int k) { return k0 + k <= i0 + row + i; };
        int deepest = min(DEEP, stop - k0);
        if (k0 + DEEP <= i0) {
            deep(left, right, row, column, 0, DEEP, sum, any);
        } else {
            deep(left, right, row, column, 0, deepest, sum, causal);
        }
        __syncthreads();
        if ((k0 + DEEP) % BLOCK == 0 || k0 + DEEP >= stop) {
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) {
                    all[i][j] = k0 < BLOCK ? sum[i][j] : add(all[i][j], sum[i][j]);
                    sum[i][j] = 0.0f;
                }
        }
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int r = i0 + row + i, c = c0 + column + j;
            if (r < seq && c < dim) out[(long long)r * heads * dim + c] = all[i][j];
        }
}

// out_jd = chain over i in j..seq of map_ij * x_id, the query heads of a group one after another;
// out has key heads, x query heads.
KERNEL __launch_bounds__(256)
    attention_columns(const float *map, const float *x, float *out, int seq, int heads, int kv_heads,
                      int dim) {
    __shared__ float left[DEEP][SIDE + 4], right[DEEP][SIDE + 4];
    int batch = blockIdx.z / kv_heads, kv_head = blockIdx.z % kv_heads;
    int group = heads / kv_heads;
    int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    int j0 = blockIdx.y * SIDE, c0 = blockIdx.x * SIDE;
    float all[4][4], sum[4][4] = {};
    bool first = true;
    for (int head = kv_head * group; head < (kv_head + 1) * group; head++) {
        const float *m = map + ((long long)batch * heads + head) * seq * seq;
        const float *q = x + ((long long)batch * seq * heads + head) * dim;
        for (int k0 = j0; k0 < seq; k0 += DEEP) {
            for (int at = threadIdx.x; at < DEEP * SIDE; at += 256) {
                int k = at / SIDE, c = at % SIDE;
                bool inside = k0 + k < seq;
                left[k][c] = inside && j0 + c < seq ? m[(long long)(k0 + k) * seq + j0 + c] : 0.0f;
                right[k][c] = inside && c0 + c < dim ? q[(long long)(k0 + k) * heads * dim + c0 + c] : 0.0f;
            }
            __syncthreads();
            auto any = [](int, int) { return true; };
            auto causal = [&](int i, int k) { return k0 + k >= j0 + row + i; };
            int deepest = min(DEEP, seq - k0);
            if (k0 >= j0 + SIDE && deepest == DEEP) {
                deep(left, right, row, column, 0, DEEP, sum, any);
            } else {
                deep(left, right, row, column, 0, deepest, sum, causal);
            }
            __syncthreads();
            if ((k0 + DEEP) % BLOCK == 0 || k0 + DEEP >= seq) {
                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 4; j++) {
                        all[i][j] = first ? sum[i][j] : add(all[i][j], sum[i][j]);
                        sum[i][j] = 0.0f;
                    }
                first = false;
            }
        }
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int r = j0 + row + i, c = c0 + column + j;
            if (r < seq && c < dim)
                out[((long long)batch * seq * kv_heads + (long long)r * kv_heads + kv_head) * dim + c] = all[i][j];
        }
}
