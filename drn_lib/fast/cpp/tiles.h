// The tiles of a map's sub-lattices, and the transforms of a tile by the three small matrices.
#pragma once
#include <vector>

#include "matrices.h"
#include "vectors.h"

namespace {

struct Shape { int images, height, width, in, out, dilation; };
struct Tile { int image, row, column; bool low, narrow; };  // its first output cell; whether it is short that way

// ---- The three matrices at work --------------------------------------------------------------------------------

// One row of a constant matrix times vectors that lie `step` apart: zeros cost nothing, ones no multiplication.
template <int N> inline __attribute__((always_inline)) vec combine(const float (&row)[N], const vec* x, int step) {
  vec sum{};
  bool empty = true;
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) {
    if (row[i] == 0) continue;
    const vec term = row[i] == 1 ? x[i * step] : row[i] == -1 ? -x[i * step] : row[i] * x[i * step];
    sum = empty ? term : sum + term;
    empty = false;
  }
  return sum;
}

// y = L x R^t, where L is (P, Q), x (Q, N) and R (M, N): the transform of a tile, for LANES channels at once.
template <int P, int Q, int M, int N> inline __attribute__((always_inline)) void both_sides(const float (&L)[P][Q], const float (&R)[M][N], const vec (&x)[Q][N], vec (&y)[P][M]) {
  vec half[P][N];
#pragma GCC unroll 8
  for (int j = 0; j < N; j++)
#pragma GCC unroll 8
    for (int a = 0; a < P; a++) half[a][j] = combine(L[a], &x[0][j], N);
#pragma GCC unroll 8
  for (int a = 0; a < P; a++)
#pragma GCC unroll 8
    for (int b = 0; b < M; b++) y[a][b] = combine(R[b], half[a], 1);
}

// ---- Tiles of the sub-lattices ---------------------------------------------------------------------------------

// Four tiles of four cells cover 14 cells and two that are not there. A short tile has one output less and leaves out one
// product, so 14 = 4 + 4 + 3 + 3. Its products are among those of a whole tile: they take the same weights.
//
// Tiles stand in this order: narrow, whole, low, low and narrow. So those that need a product lie side by side.
constexpr bool ORDER[4][2] = {{false, true}, {false, false}, {true, false}, {true, true}};  // {low, narrow}

struct Tiles { std::vector<Tile> all; int end[4]; };  // `end` of each kind

// The first cells of the tiles of each of the d sub-lattices of a row of `cells`: of the whole tiles, or of the short ones
// that follow them.
template <class S> std::vector<std::vector<int>> starts(int cells, int d, bool is_short) {
  constexpr int most = S::outputs, fewer = S::Short::outputs;
  std::vector<std::vector<int>> found(std::min(d, cells));
  for (int i = 0; i < int(found.size()); i++) {
    const int own = (cells - i + d - 1) / d, count = (own + most - 1) / most;
    const int few = most > fewer ? std::min(count, most * count - own) : 0, whole = count - few;
    for (int t = 0; t < (is_short ? few : whole); t++) found[i].push_back(i + d * (is_short ? whole * most + t * fewer : t * most));
  }
  return found;
}

template <class S> Tiles tiles_of(const Shape& s) {
  Tiles tiles;
  for (int kind = 0; kind < 4; kind++) {
    const auto [low, narrow] = ORDER[kind];
    const auto rows = starts<S>(s.height, s.dilation, low), columns = starts<S>(s.width, s.dilation, narrow);
    for (int n = 0; n < s.images; n++)
      for (const auto& some_rows : rows)
        for (const auto& some_columns : columns)  // these two choose a sub-lattice
          for (int row : some_rows)
            for (int column : some_columns) tiles.all.push_back({n, row, column, low, narrow});
    tiles.end[kind] = tiles.all.size();
  }
  return tiles;
}

// Which of the tiles first, first + 1, ... first + count - 1 need product (a, b), counted from `first`.
struct Range { int begin, size; };
template <class S> Range needing(const Tiles& tiles, int a, int b, int first, int count) {
  const int from = b == S::skipped ? tiles.end[0] : 0, to = a == S::skipped ? tiles.end[1] : tiles.end[b == S::skipped ? 2 : 3];
  const int begin = std::clamp(from - first, 0, count);
  return {begin, std::clamp(to - first, begin, count) - begin};
}

// Calls `work` with the schemes of a tile's rows and columns.
template <class S, class F> void by_kind(const Tile& t, F work) {
  using Short = typename S::Short;
  if (t.low && t.narrow) work(Short{}, Short{});
  else if (t.low) work(Short{}, S{});
  else if (t.narrow) work(S{}, Short{});
  else work(S{}, S{});
}

// The place among the products of S of number a of its scheme R: S itself, or the short one.
template <class S, class R> constexpr int place(int a) { return R::products < S::products && a >= S::skipped ? a + 1 : a; }

// Where the P x Q cells of a tile lie, `before` cells before its first one; cells outside of the map are `zeros`.
template <int P, int Q> void find_cells(const float* map, const Tile& t, int before, const Shape& s, int channels, const float* zeros, const float* (&at)[P][Q]) {
  for (int i = 0; i < P; i++)
    for (int j = 0; j < Q; j++) {
      const int row = t.row + (i - before) * s.dilation, column = t.column + (j - before) * s.dilation;
      const bool inside = row >= 0 && row < s.height && column >= 0 && column < s.width;
      at[i][j] = inside ? map + ((size_t(t.image) * s.height + row) * s.width + column) * channels : zeros;
    }
}

// The transform of one tile by L and R: out[entry][channel], where the entries of S lie `plane` apart.
template <class S, class Rows, class Columns, int P, int Q, int M, int N>
void transform(const float (&L)[P][Q], const float (&R)[M][N], const float* const (&at)[Q][N], int channels, float* out, size_t plane) {
  for (int c = 0; c < channels; c += LANES) {
    vec x[Q][N], y[P][M];
    const int count = channels - c;
#pragma GCC unroll 8
    for (int i = 0; i < Q; i++)
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) x[i][j] = load(at[i][j] + c, count);
    both_sides(L, R, x, y);
#pragma GCC unroll 8
    for (int a = 0; a < P; a++)
#pragma GCC unroll 8
      for (int b = 0; b < M; b++) store(out + (place<S, Rows>(a) * S::products + place<S, Columns>(b)) * plane + c, y[a][b]);
  }
}

// The input transform of a tile of x, and the transform of the same tile of a gradient g of the output.
template <class S> void read_tile(const float* x, const Tile& t, const Shape& s, const float* zeros, float* v, size_t plane) {
  by_kind<S>(t, [&](auto rows, auto columns) {
    using R = decltype(rows); using C = decltype(columns);
    const float* at[R::inputs][C::inputs];
    find_cells(x, t, S::before, s, s.in, zeros, at);
    transform<S, R, C>(R::BT, C::BT, at, s.in, v, plane);
  });
}

template <class S> void read_gradient(const float* g, const Tile& t, const Shape& s, const float* zeros, float* m, size_t plane) {
  by_kind<S>(t, [&](auto rows, auto columns) {
    using R = decltype(rows); using C = decltype(columns);
    const float* at[R::outputs][C::outputs];
    find_cells(g, t, 0, s, s.out, zeros, at);
    transform<S, R, C>(R::A, C::A, at, s.out, m, plane);
  });
}

}  // namespace
