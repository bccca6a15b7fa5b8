// 3x3 convolutions of stride 1 by Winograd's minimal filtering; a dilated one on its d x d sub-lattices, which are
// ordinary maps. float32; maps are channels last, (N, H, W, C).
//
//     y = AT [ (G w GT) * (BT x B) ] A        for every tile of x and every pair of channels (chapter 08)
//
// The four steps, for up to BLOCK tiles at a time:
//     weights   u = G w GT        once for all tiles
//     input     v = BT x B        for every tile and input channel
//     products  m = v u           one matrix product for each of the products^2 entries: all of the work is here
//     output    y = AT m A        for every tile and output channel
#include <vector>

#include "matrices.h"
#include "vectors.h"

namespace {

struct Shape { int images, height, width, in, out, dilation; };
struct Tile { int image, row, column; };          // of its first output cell
constexpr int BLOCK = 96;                          // tiles at a time: their v and m should stay in the cache
constexpr int OFFSET = 16;                         // floats between planes, or all would fall into one cache set

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

// y = T x T^t, where T is (P, Q) and x (Q, Q): the transform of a tile, for LANES channels at once.
template <int P, int Q> inline __attribute__((always_inline)) void both_sides(const float (&T)[P][Q], const vec (&x)[Q][Q], vec (&y)[P][P]) {
  vec half[P][Q];
#pragma GCC unroll 8
  for (int j = 0; j < Q; j++)
#pragma GCC unroll 8
    for (int a = 0; a < P; a++) half[a][j] = combine(T[a], &x[0][j], Q);
#pragma GCC unroll 8
  for (int a = 0; a < P; a++)
#pragma GCC unroll 8
    for (int b = 0; b < P; b++) y[a][b] = combine(T[b], half[a], 1);
}

// ---- Tiles of the sub-lattices ---------------------------------------------------------------------------------

template <class S> std::vector<Tile> tiles_of(const Shape& s) {
  std::vector<Tile> tiles;
  const int d = s.dilation, step = d * S::outputs;
  for (int n = 0; n < s.images; n++)
    for (int i = 0; i < std::min(d, s.height); i++)
      for (int j = 0; j < std::min(d, s.width); j++)  // the sub-lattice [i::d, j::d]
        for (int row = i; row < s.height; row += step)
          for (int column = j; column < s.width; column += step) tiles.push_back({n, row, column});
  return tiles;
}

// Where the Q x Q cells of a tile lie, `before` cells before its first one; cells outside of the map are `zeros`.
template <int Q> void find_cells(const float* map, Tile t, int before, const Shape& s, int channels, const float* zeros, const float* (&at)[Q][Q]) {
  for (int i = 0; i < Q; i++)
    for (int j = 0; j < Q; j++) {
      const int row = t.row + (i - before) * s.dilation, column = t.column + (j - before) * s.dilation;
      const bool inside = row >= 0 && row < s.height && column >= 0 && column < s.width;
      at[i][j] = inside ? map + ((size_t(t.image) * s.height + row) * s.width + column) * channels : zeros;
    }
}

// The transform of one tile: out[entry][channel], where the P x P entries lie `plane` apart.
template <int P, int Q> void transform(const float (&T)[P][Q], const float* const (&at)[Q][Q], int channels, float* out, size_t plane) {
  for (int c = 0; c < channels; c += LANES) {
    vec x[Q][Q], y[P][P];
    const int count = channels - c;
#pragma GCC unroll 8
    for (int i = 0; i < Q; i++)
#pragma GCC unroll 8
      for (int j = 0; j < Q; j++) x[i][j] = load(at[i][j] + c, count);
    both_sides(T, x, y);
#pragma GCC unroll 8
    for (int a = 0; a < P; a++)
#pragma GCC unroll 8
      for (int b = 0; b < P; b++) store(out + (a * P + b) * plane + c, y[a][b]);
  }
}

// ---- Products --------------------------------------------------------------------------------------------------

// The part of the next panel of weights that is fetched from memory while one block of tiles is multiplied: the panels
// are far larger than a cache, and each is used once for all tiles of a block.
struct Fetch { const float* from; unsigned step; };  // `step` floats / 65536 a channel

// m[r][k] = sum over c of v[r][c] u[c][k], for R tiles and a panel of outputs.
template <int R> void multiply(const float* v, int stride, int depth, const float* u, Fetch next, float* m) {
  vec sum[R][2] = {};
  size_t at = 0;
  for (int c = 0; c < depth; c++) {
    const vec left = load(u + c * PANEL), right = load(u + c * PANEL + LANES);
    __builtin_prefetch(next.from + (at >> 16), 0, 2);
    at += next.step;
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

// The same for any number of tiles: R at a time, then what is left.
template <int R> void multiply_panel(const float* v, int stride, int rows, int depth, const float* u, Fetch next, float* m) {
  for (; rows >= R; rows -= R, v += R * stride, m += R * PANEL, next.from += size_t(depth) * next.step >> 16) multiply<R>(v, stride, depth, u, next, m);
  if constexpr (R > 1) if (rows > 0) multiply_panel<R - 1>(v, stride, rows, depth, u, next, m);
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

// ---- Weights, outputs, gradients -------------------------------------------------------------------------------

// u[entry][panel][in][PANEL] of weights whose element (out, in, i, j) lies at out * out_step + in * in_step + 3 i + j.
// Flipped, with `out` and `in` exchanged, they carry a gradient back to the input.
template <class S> void prepare(const float* w, float* u, int in, int out, long out_step, long in_step, bool flipped, int threads) {
  constexpr int P = S::products;
  const int panels = round_up(out, PANEL) / PANEL;
#pragma omp parallel for num_threads(threads)
  for (int p = 0; p < panels; p++)
    for (int c = 0; c < in; c++)
      for (int half = 0; half < 2; half++) {
        const int first = p * PANEL + half * LANES;
        vec taps[3][3] = {}, y[P][P];
        for (int lane = 0; lane < std::min(LANES, out - first); lane++)
          for (int tap = 0; tap < 9; tap++)
            taps[tap / 3][tap % 3][lane] = w[(first + lane) * out_step + c * in_step + (flipped ? 8 - tap : tap)];
        both_sides(S::G, taps, y);
        for (int e = 0; e < P * P; e++) store(u + ((size_t(e) * panels + p) * in + c) * PANEL + half * LANES, y[e / P][e % P]);
      }
}

// What is added to the convolution at once: the bias (out), another map, both may be missing; and the ReLU.
struct Ending { const float *bias, *added; bool relu; };

// The output cells of one tile, m[entry][panel][tile][PANEL] at its tile's place.
template <class S> void write_tile(const float* m, size_t plane, size_t panel, Tile t, const Shape& s, Ending end, float* y) {
  constexpr int P = S::products, Q = S::outputs;
  for (int k = 0; k < s.out; k += LANES) {
    const float* from = m + size_t(k / PANEL) * panel + k % PANEL;
    const int count = std::min(LANES, s.out - k);
    vec x[P][P], cells[Q][Q];
#pragma GCC unroll 8
    for (int a = 0; a < P; a++)
#pragma GCC unroll 8
      for (int b = 0; b < P; b++) x[a][b] = load(from + (a * P + b) * plane);
    both_sides(S::AT, x, cells);
    const vec bias = end.bias ? load(end.bias + k, count) : vec{};
    for (int i = 0; i < Q; i++)
      for (int j = 0; j < Q; j++) {
        const int row = t.row + i * s.dilation, column = t.column + j * s.dilation;
        if (row >= s.height || column >= s.width) continue;
        const size_t to = ((size_t(t.image) * s.height + row) * s.width + column) * s.out + k;
        vec value = cells[i][j] + bias;
        if (end.added) value += load(end.added + to, count);
        if (end.relu) value = value < 0 ? vec{} : value;  // NaN stays NaN
        store(y + to, value, count);
      }
  }
}

thread_local Scratch inputs_memory, products_memory, gradient_memory;

template <class S> void forward(const float* x, const float* u, Ending end, float* y, const Shape& s, int threads) {
  constexpr int P2 = S::products * S::products;
  const std::vector<Tile> tiles = tiles_of<S>(s);
  const int total = tiles.size(), blocks = (total + BLOCK - 1) / BLOCK;
  const int depth = round_up(s.in, LANES), panels = round_up(s.out, PANEL) / PANEL;
  const size_t v_plane = size_t(BLOCK) * depth + OFFSET, panel = size_t(BLOCK) * PANEL + OFFSET, m_plane = panel * panels;
  float* v = inputs_memory.get(P2 * v_plane);
  float* m = products_memory.get(P2 * m_plane);
  const std::vector<float> zeros(depth, 0.0f);
#pragma omp parallel num_threads(threads)
  for (int block = 0; block < blocks; block++) {
    const int first = long(total) * block / blocks, count = long(total) * (block + 1) / blocks - first;
#pragma omp for
    for (int t = 0; t < count; t++) {
      const float* at[S::inputs][S::inputs];
      find_cells(x, tiles[first + t], S::before, s, s.in, zeros.data(), at);
      transform(S::BT, at, s.in, v + size_t(t) * depth, v_plane);
    }
#pragma omp for
    for (int j = 0; j < P2 * panels; j++) {
      const float* part = u + size_t(j) * s.in * PANEL;
      const Fetch next{part + (j + 1 < P2 * panels ? s.in * PANEL : 0), unsigned(65536 * PANEL / ((count + ROWS - 1) / ROWS))};
      multiply_panel<ROWS>(v + j / panels * v_plane, depth, count, s.in, part, next, m + j / panels * m_plane + j % panels * panel);
    }
#pragma omp for
    for (int t = 0; t < count; t++) write_tile<S>(m + size_t(t) * PANEL, m_plane, panel, tiles[first + t], s, end, y);
  }
}

// dw (out, in, 3, 3) of a gradient g (N, H, W, out): the same products, summed over the tiles: GT [ sum v (A g AT) ] G.
template <class S> void weight_gradient(const float* x, const float* g, float* dw, const Shape& s, int threads) {
  constexpr int P = S::products, P2 = P * P;
  const std::vector<Tile> tiles = tiles_of<S>(s);
  const int total = tiles.size(), blocks = (total + BLOCK - 1) / BLOCK;
  const int depth = round_up(s.in, LANES), width = round_up(s.out, PANEL);
  const size_t v_plane = size_t(BLOCK) * depth + OFFSET, m_plane = size_t(BLOCK) * width + OFFSET, du_plane = size_t(s.in) * width;
  float* v = inputs_memory.get(P2 * v_plane);
  float* m = products_memory.get(P2 * m_plane);
  float* du = gradient_memory.get(P2 * du_plane);
  const std::vector<float> zeros(std::max(depth, width), 0.0f);
#pragma omp parallel num_threads(threads)
  {
    for (int block = 0; block < blocks; block++) {
      const int first = long(total) * block / blocks, count = long(total) * (block + 1) / blocks - first;
#pragma omp for
      for (int t = 0; t < count; t++) {
        const float *at[S::inputs][S::inputs], *there[S::outputs][S::outputs];
        find_cells(x, tiles[first + t], S::before, s, s.in, zeros.data(), at);
        transform(S::BT, at, s.in, v + size_t(t) * depth, v_plane);
        find_cells(g, tiles[first + t], 0, s, s.out, zeros.data(), there);
        transform(S::A, there, s.out, m + size_t(t) * width, m_plane);
        for (int e = 0; e < P2; e++)  // a panel's second half may lie beyond the last channel
          std::fill(m + e * m_plane + size_t(t) * width + round_up(s.out, LANES), m + e * m_plane + size_t(t + 1) * width, 0.0f);
      }
#pragma omp for
      for (int j = 0; j < P2 * (width / PANEL); j++) {
        const int e = j / (width / PANEL), k = j % (width / PANEL) * PANEL;
        accumulate_rows<ROWS>(v + e * v_plane, depth, s.in, m + e * m_plane + k, width, count, du + e * du_plane + k, width, block == 0);
      }
    }
#pragma omp for
    for (int c = 0; c < s.in; c++)
      for (int k = 0; k < s.out; k += LANES) {
        vec entries[P][P], taps[3][3];
        for (int e = 0; e < P2; e++) entries[e / P][e % P] = load(du + e * du_plane + size_t(c) * width + k);
        both_sides(S::GT, entries, taps);
        for (int lane = 0; lane < std::min(LANES, s.out - k); lane++)
          for (int tap = 0; tap < 9; tap++) dw[(size_t(k + lane) * s.in + c) * 9 + tap] = taps[tap / 3][tap % 3][lane];
      }
  }
}

}  // namespace

// ---- The door: plain C functions, which ctypes calls. `scheme` counts matrices.SCHEMES. ------------------------

#define BY_SCHEME(call) switch (scheme) { case 0: { using S = F43; call; } break; case 1: { using S = F23; call; } break; default: { using S = PAIR; call; } }

extern "C" {
// How many floats `winograd_prepare` writes.
long winograd_size(int scheme, int in, int out) {
  long size = 0;
  BY_SCHEME(size = long(S::products) * S::products * in * round_up(out, PANEL))
  return size;
}

void winograd_prepare(int scheme, const float* w, float* u, int in, int out, long out_step, long in_step, int flipped, int threads) {
  BY_SCHEME(prepare<S>(w, u, in, out, out_step, in_step, flipped, threads))
}

void winograd_forward(int scheme, const float* x, const float* u, const float* bias, const float* added, int relu, float* y, const int* shape, int threads) {
  const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]};
  BY_SCHEME(forward<S>(x, u, Ending{bias, added, relu != 0}, y, s, threads))
}

void winograd_weight_gradient(int scheme, const float* x, const float* g, float* dw, const int* shape, int threads) {
  const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]};
  BY_SCHEME(weight_gradient<S>(x, g, dw, s, threads))
}

// One entry of BT, G or AT (matrix 0, 1, 2), for the test that compares them with matrices.py.
float winograd_entry(int scheme, int matrix, int row, int column) {
  float entry = 0;
  BY_SCHEME(entry = matrix == 0 ? S::BT[row][column] : matrix == 1 ? S::G[row][column] : S::AT[row][column])
  return entry;
}
}
