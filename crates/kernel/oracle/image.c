/* Patches and pools of small images, one value at a time. */
#include "oracle.h"

static usize place(image_shape s, usize image, long y, long x, usize c) {
    return ((image * s.height + (usize)y) * s.width + (usize)x) * s.channels + c;
}

static int inside(image_shape s, long y, long x) {
    return y >= 0 && x >= 0 && y < (long)s.height && x < (long)s.width;
}

void patches(const float *x, image_shape s, float *out) {
    for (usize n = 0; n < s.images; n++)
        for (long row = 0; row < (long)s.height; row++)
            for (long column = 0; column < (long)s.width; column++)
                for (usize c = 0; c < s.channels; c++)
                    for (long ky = -1; ky <= 1; ky++)
                        for (long kx = -1; kx <= 1; kx++) {
                            int in = inside(s, row + ky, column + kx);
                            *out++ = in ? x[place(s, n, row + ky, column + kx, c)] : 0.0f;
                        }
}

/* The patch of pixel (py, px) holds pixel (row, column) at (row - py + 1, column - px + 1). */
void patches_backward(const float *dout, image_shape s, float *dx) {
    for (usize n = 0; n < s.images; n++)
        for (long row = 0; row < (long)s.height; row++)
            for (long column = 0; column < (long)s.width; column++)
                for (usize c = 0; c < s.channels; c++) {
                    float sum = 0.0f;
                    for (long py = row - 1; py <= row + 1; py++)
                        for (long px = column - 1; px <= column + 1; px++) {
                            if (!inside(s, py, px)) continue;
                            usize patch = place(s, n, py, px, 0) / s.channels;
                            usize at = (usize)((row - py + 1) * 3 + (column - px + 1));
                            sum = sum + dout[(patch * s.channels + c) * 9 + at];
                        }
                    dx[place(s, n, row, column, c)] = sum;
                }
}

static usize largest(const float *x, image_shape s, usize n, usize row, usize column, usize c) {
    usize best = place(s, n, (long)(2 * row), (long)(2 * column), c);
    for (usize i = 1; i < 4; i++) {
        usize other = place(s, n, (long)(2 * row + i / 2), (long)(2 * column + i % 2), c);
        if (x[other] > x[best]) best = other;
    }
    return best;
}

void max_pool(const float *x, image_shape s, float *out) {
    for (usize n = 0; n < s.images; n++)
        for (usize row = 0; row < s.height / 2; row++)
            for (usize column = 0; column < s.width / 2; column++)
                for (usize c = 0; c < s.channels; c++)
                    *out++ = x[largest(x, s, n, row, column, c)];
}

void max_pool_backward(const float *dout, const float *x, image_shape s, float *dx) {
    for (usize i = 0; i < s.images * s.height * s.width * s.channels; i++) dx[i] = 0.0f;
    for (usize n = 0; n < s.images; n++)
        for (usize row = 0; row < s.height / 2; row++)
            for (usize column = 0; column < s.width / 2; column++)
                for (usize c = 0; c < s.channels; c++)
                    dx[largest(x, s, n, row, column, c)] = *dout++;
}
