// What every kernel uses: basic operations with one rounding each, the 32 lanes, the elementary
// functions. A warp's 32 threads are the specification's 32 lanes.
//
// Rounding is written out (`__fmul_rn` and so on), so that no compiler fuses or reorders anything.

typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void

// Steps along k whose terms form one chain (the specification's block).
#define BLOCK 256
#define WARP 0xffffffffu

DEVICE float bits(u32 b) { return __uint_as_float(b); }
DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
DEVICE float sub(float a, float b) { return __fsub_rn(a, b); }
DEVICE float mul(float a, float b) { return __fmul_rn(a, b); }
DEVICE float over(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float root(float a) { return __fsqrt_rn(a); }
DEVICE float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }

#define INFINITE bits(0x7f800000u)

// lane[l] += lane[l + w] for w = 16, 8, 4, 2, 1; every thread gets lane 0.
DEVICE float tree_sum(float lane) {
    for (int w = 16; w > 0; w >>= 1) lane = add(lane, __shfl_down_sync(WARP, lane, w));
    return __shfl_sync(WARP, lane, 0);
}

DEVICE float tree_max(float lane) {
    for (int w = 16; w > 0; w >>= 1) {
        float upper = __shfl_down_sync(WARP, lane, w);
        if (upper > lane) lane = upper;
    }
    return __shfl_sync(WARP, lane, 0);
}

#define MAGIC bits(0x4b400000u)
#define LOG2_E bits(0x3fb8aa3bu)
#define LN2_HIGH bits(0x3f318000u)
#define LN2_LOW bits(0xb95e8083u)

DEVICE float exponential(float x) {
    float t = fused(x, LOG2_E, MAGIC);
    float n = sub(t, MAGIC);
    float r = fused(n, -LN2_HIGH, x);
    r = fused(n, -LN2_LOW, r);
    float p = bits(0x3ab511e8u);
    p = fused(p, r, bits(0x3c091d10u));
    p = fused(p, r, bits(0x3d2aac79u));
    p = fused(p, r, bits(0x3e2aaa49u));
    p = fused(p, r, bits(0x3efffffeu));
    p = fused(p, r, 1.0f);
    p = fused(p, r, 1.0f);
    u32 exponent = (__float_as_uint(t) - 0x4b400000u) << 23;
    float y = bits(__float_as_uint(p) + exponent);
    if (x < -87.0f) y = 0.0f;
    return x <= 88.0f ? y : INFINITE;
}

DEVICE float sigmoid(float x) { return over(1.0f, add(1.0f, exponential(-x))); }

DEVICE float logarithm(float x) {
    bool subnormal = x < bits(0x00800000u);
    float scaled = subnormal ? mul(x, 8388608.0f) : x;
    int exponent = (int)(__float_as_uint(scaled) - 0x3f3504f3u) >> 23;
    float f = sub(bits(__float_as_uint(scaled) - ((u32)exponent << 23)), 1.0f);
    float e = __int2float_rn(exponent + (subnormal ? -23 : 0));
    float z = mul(f, f);
    float p = bits(0xbd9c5ac1u);
    p = fused(p, f, bits(0x3e02adb6u));
    p = fused(p, f, bits(0xbe06c2a1u));
    p = fused(p, f, bits(0x3e116d0eu));
    p = fused(p, f, bits(0xbe2a3922u));
    p = fused(p, f, bits(0x3e4cd004u));
    p = fused(p, f, bits(0xbe800113u));
    p = fused(p, f, bits(0x3eaaaaaau));
    float y = mul(mul(f, z), p);
    y = fused(e, LN2_LOW, y);
    y = fused(-0.5f, z, y);
    y = add(f, y);
    y = fused(e, LN2_HIGH, y);
    if (x == 0.0f) y = -INFINITE;
    if (x == INFINITE) y = x;
    return x >= 0.0f ? y : bits(0x7fc00000u);
}
