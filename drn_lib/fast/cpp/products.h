// The matrix products of minimal filtering: nearly all of the work.
#pragma once
#include "vectors.h"

namespace {

// m[r][k] = sum over c of v[r][c] u[c][k], for R tiles and the first N vectors of a panel of outputs.
template <int N, int R> void multiply(const float* v, int stride, int depth, const float* u, float* m) {
  vec sum[R][N] = {};
#pragma GCC unroll 4
  for (int c = 0; c < depth; c++) {
    vec part[N];
    for (int n = 0; n < N; n++) part[n] = load(u + c * PANEL + n * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
      for (int n = 0; n < N; n++) sum[r][n] += v[r * stride + c] * part[n];
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) store(m + r * PANEL + n * LANES, sum[r][n]);
}

// The same for a number of tiles that is known at run time, at most R.
template <int N, int R> void multiply_rows(int rows, const float* v, int stride, int depth, const float* u, float* m) {
  if (rows == R) return multiply<N, R>(v, stride, depth, u, m);
  if constexpr (R > 1) multiply_rows<N, R - 1>(rows, v, stride, depth, u, m);
}

// The same for any number of tiles, in equal parts: a last part of one or two would wait for its own sums. Of the panel's
// outputs `count` are there.
void multiply_panel(const float* v, int stride, int rows, int depth, const float* u, int count, float* m) {
  const int parts = (rows + ROWS - 1) / ROWS;
  for (int part = 0; part < parts; part++) {
    const int from = rows * part / parts, some = rows * (part + 1) / parts - from;
    const float* first = v + size_t(from) * stride;
    if (count <= LANES) multiply_rows<1, ROWS>(some, first, stride, depth, u, m + from * PANEL);
    else multiply_rows<2, ROWS>(some, first, stride, depth, u, m + from * PANEL);
  }
}

// du[c][k] = sum over tiles of v[t][c] m[t][k], for R input channels and the first N vectors of a panel of outputs; added to
// what is there.
template <int N, int R> void accumulate(const float* v, int v_stride, const float* m, int m_stride, int tiles, float* du, int du_stride, bool first) {
  vec sum[R][N] = {};
  for (int t = 0; t < tiles; t++) {
    vec part[N];
    for (int n = 0; n < N; n++) part[n] = load(m + size_t(t) * m_stride + n * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
      for (int n = 0; n < N; n++) sum[r][n] += v[size_t(t) * v_stride + r] * part[n];
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) {
      float* to = du + r * du_stride + n * LANES;
      store(to, first ? sum[r][n] : load(to) + sum[r][n]);
    }
}

template <int N, int R> void accumulate_rows(const float* v, int v_stride, int channels, const float* m, int m_stride, int tiles, float* du, int du_stride, bool first) {
  for (; channels >= R; channels -= R, v += R, du += R * du_stride) accumulate<N, R>(v, v_stride, m, m_stride, tiles, du, du_stride, first);
  if constexpr (R > 1) if (channels > 0) accumulate_rows<N, R - 1>(v, v_stride, channels, m, m_stride, tiles, du, du_stride, first);
}

}  // namespace
