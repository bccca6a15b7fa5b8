// The matrix products of minimal filtering: nearly all of the work.
#pragma once
#include "vectors.h"

namespace {

// m[r][k] = sum over c of v[r][c] u[c][k], for R tiles and a panel of outputs.
template <int R> void multiply(const float* v, int stride, int depth, const float* u, float* m) {
  vec sum[R][2] = {};
#pragma GCC unroll 4
  for (int c = 0; c < depth; c++) {
    const vec left = load(u + c * PANEL), right = load(u + c * PANEL + LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      sum[r][0] += v[r * stride + c] * left;
      sum[r][1] += v[r * stride + c] * right;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++) {
    store(m + r * PANEL, sum[r][0]);
    store(m + r * PANEL + LANES, sum[r][1]);
  }
}

// The same for a number of tiles that is known at run time, at most R.
template <int R> void multiply_rows(int rows, const float* v, int stride, int depth, const float* u, float* m) {
  if (rows == R) return multiply<R>(v, stride, depth, u, m);
  if constexpr (R > 1) multiply_rows<R - 1>(rows, v, stride, depth, u, m);
}

// The same for any number of tiles, in equal parts: a last part of one or two would wait for its own sums.
void multiply_panel(const float* v, int stride, int rows, int depth, const float* u, float* m) {
  const int parts = (rows + ROWS - 1) / ROWS;
  for (int part = 0; part < parts; part++) {
    const int from = rows * part / parts, count = rows * (part + 1) / parts - from;
    multiply_rows<ROWS>(count, v + size_t(from) * stride, stride, depth, u, m + from * PANEL);
  }
}

// du[c][k] = sum over tiles of v[t][c] m[t][k], for R input channels and a panel of outputs; added to what is there.
template <int R> void accumulate(const float* v, int v_stride, const float* m, int m_stride, int tiles, float* du, int du_stride, bool first) {
  vec sum[R][2] = {};
  for (int t = 0; t < tiles; t++) {
    const vec left = load(m + size_t(t) * m_stride), right = load(m + size_t(t) * m_stride + LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      sum[r][0] += v[size_t(t) * v_stride + r] * left;
      sum[r][1] += v[size_t(t) * v_stride + r] * right;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++)
    for (int half = 0; half < 2; half++) {
      float* to = du + r * du_stride + half * LANES;
      store(to, first ? sum[r][half] : load(to) + sum[r][half]);
    }
}

template <int R> void accumulate_rows(const float* v, int v_stride, int channels, const float* m, int m_stride, int tiles, float* du, int du_stride, bool first) {
  for (; channels >= R; channels -= R, v += R, du += R * du_stride) accumulate<R>(v, v_stride, m, m_stride, tiles, du, du_stride, first);
  if constexpr (R > 1) if (channels > 0) accumulate_rows<R - 1>(v, v_stride, channels, m, m_stride, tiles, du, du_stride, first);
}

}  // namespace
