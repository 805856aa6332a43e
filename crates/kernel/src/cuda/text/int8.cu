// Products of 8-bit integers on the tensor cores: sums in 32 bits are exact, so their order is free.
// Rows of both operands lie along k and are padded with zeros to a multiple of 64, which add nothing.

#define PAD 64

// A warp a row: y = x * factors, scale = max|y| / 127, q = round(y * (127 / max|y|)). Rows of q are
// `padded` long.
KERNEL quantize_rows(const float *x, const float *factors, signed char *q, float *scales, int rows,
                     int n, int padded) {
    int row = ROW_OF_WARP;
    if (row >= rows) return;
    x += (long long)row * n;
    q += (long long)row * padded;
    u32 most = 0;
    for (int i = LANE; i < n; i += 32) {
        float y = factors ? mul(x[i], factors[i]) : x[i];
        most = max(most, __float_as_uint(y) & 0x7fffffffu);
    }
    most = __reduce_max_sync(WARP, most);
    float m = bits(most);
    bool small = most < 0x0d800000u, wild = most >= 0x7f800000u;
    float inverse = over(127.0f, m);
    for (int i = LANE; i < padded; i += 32) {
        int v = 0;
        if (i < n && !small && !wild) {
            float y = factors ? mul(x[i], factors[i]) : x[i];
            v = (int)(__float_as_uint(add(mul(y, inverse), MAGIC)) - 0x4b400000u);
        }
        q[i] = (signed char)v;
    }
    if (LANE == 0) scales[row] = small ? 0.0f : over(m, 127.0f);
}

// Where 16 bytes of a row lie in a tile of 64-byte rows: exchanged so that eight rows' pieces fall
// on different banks.
DEVICE int place(int row, int piece) { return row * 64 + ((piece ^ (row >> 1 & 3)) << 4); }

DEVICE void load_matrices(u32 *r, const signed char *from) {
    u32 at = (u32)__cvta_generic_to_shared(from);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at));
}

DEVICE void multiply_add(int *c, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#define I8_STAGES 4
#define I8_TILE (128 * 64)

DEVICE void stage_bytes(signed char *to, const signed char *from, int first, int rows, int padded,
                        int k0) {
#pragma unroll
    for (int at = threadIdx.x; at < 128 * 4; at += 256) {
        int row = at / 4, piece = at % 4;
        bool inside = first + row < rows;
        const signed char *source = from + (inside ? (long long)(first + row) * padded + k0 + piece * 16 : 0);
        copy16(to + place(row, piece), source, inside ? 16 : 0);
    }
}

// c_ij = float(sum_k a_ik b_jk) * scale_a_i (* scale_b_j), stored or added; 128 x 128 outputs by
// eight warps of 64 x 32.
KERNEL __launch_bounds__(256, 2)
    product_i8(const signed char *a, const float *scale_a, const signed char *b,
               const float *scale_b, float *c, int m, int n, int padded, int accumulate) {
    extern __shared__ signed char tiles[];
    int lane = LANE, warp = threadIdx.x / 32;
    int row = warp / 4 * 64, column = warp % 4 * 32;
    int i0 = blockIdx.y * 128, j0 = blockIdx.x * 128;
    int steps = padded / PAD;
    int sum[4][4][4] = {};
#pragma unroll
    for (int t = 0; t < I8_STAGES - 1; t++) {
        if (t < steps) {
            stage_bytes(tiles + t * 2 * I8_TILE, a, i0, m, padded, t * PAD);
            stage_bytes(tiles + (t * 2 + 1) * I8_TILE, b, j0, n, padded, t * PAD);
        }
        copies_end_group();
    }
    for (int t = 0; t < steps; t++) {
        copies_wait<I8_STAGES - 2>();
        __syncthreads();
        int next = t + I8_STAGES - 1;
        if (next < steps) {
            signed char *to = tiles + next % I8_STAGES * 2 * I8_TILE;
            stage_bytes(to, a, i0, m, padded, next * PAD);
            stage_bytes(to + I8_TILE, b, j0, n, padded, next * PAD);
        }
        copies_end_group();
        const signed char *left = tiles + t % I8_STAGES * 2 * I8_TILE, *right = left + I8_TILE;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            u32 x[4][4], y[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++)
                load_matrices(x[i], left + place(row + i * 16 + lane % 16, half * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < 2; j++)
                load_matrices(y[j], right + place(column + j * 16 + lane / 16 * 8 + lane % 8,
                                                  half * 2 + lane / 8 % 2));
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply_add(sum[i][j], x[i], y[j / 2] + j % 2 * 2);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int part = 0; part < 4; part++) {
                int r = i0 + row + i * 16 + lane / 4 + part / 2 * 8;
                int s = j0 + column + j * 8 + lane % 4 * 2 + part % 2;
                if (r >= m || s >= n) continue;
                float v = mul(__int2float_rn(sum[i][j][part]), scale_a[r]);
                if (scale_b) v = mul(v, scale_b[s]);
                float *to = c + (long long)r * n + s;
                *to = accumulate ? add(*to, v) : v;
            }
}
