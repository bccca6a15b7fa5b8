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
#include "products.h"
#include "tiles.h"

namespace {

constexpr int BLOCK = 96;   // tiles at a time: their v and m should stay in the cache
constexpr int OFFSET = 16;  // floats between rows and planes, or all would fall into one cache set

// ---- Weights, outputs, gradients -------------------------------------------------------------------------------

// Floats from one entry of the prepared weights to the next.
size_t weights_plane(int in, int out) { return size_t(in) * round_up(out, PANEL) + OFFSET; }

// u[entry][panel][in][PANEL] of weights (out, in, 3, 3). Flipped, they carry a gradient back to the input: of weights
// (in, out, 3, 3), since what was an output is read.
template <class S> void prepare(const float* w, float* u, int in, int out, bool flipped, int threads) {
  constexpr int P = S::products;
  const int panels = round_up(out, PANEL) / PANEL;
  const size_t plane = weights_plane(in, out);
  const size_t out_step = flipped ? 9 : size_t(9) * in, in_step = flipped ? size_t(9) * out : 9;
#pragma omp parallel for num_threads(threads)
  for (int p = 0; p < panels; p++)
    for (int c = 0; c < in; c++)
      for (int half = 0; half < 2; half++) {
        const int first = p * PANEL + half * LANES;
        vec taps[3][3] = {}, y[P][P];
        for (int lane = 0; lane < std::min(LANES, out - first); lane++)
          for (int tap = 0; tap < 9; tap++)
            taps[tap / 3][tap % 3][lane] = w[(first + lane) * out_step + c * in_step + (flipped ? 8 - tap : tap)];
        both_sides(S::G, S::G, taps, y);
        for (int e = 0; e < P * P; e++) store(u + e * plane + (size_t(p) * in + c) * PANEL + half * LANES, y[e / P][e % P]);
      }
}

// What is added to the convolution at once: the bias (out), another map, both may be missing; and the ReLU.
struct Ending { const float *bias, *added; bool relu; };

// The output cells of one tile, m[entry][panel][tile][PANEL] at its tile's place.
template <class S, class Rows, class Columns>
void write_cells(const float* m, size_t plane, size_t panel, const Tile& t, const Shape& s, Ending end, float* y) {
  constexpr int P = Rows::products, M = Columns::products;
  for (int k = 0; k < s.out; k += LANES) {
    const float* from = m + size_t(k / PANEL) * panel + k % PANEL;
    const int count = std::min(LANES, s.out - k);
    vec x[P][M], cells[Rows::outputs][Columns::outputs];
#pragma GCC unroll 8
    for (int a = 0; a < P; a++)
#pragma GCC unroll 8
      for (int b = 0; b < M; b++) x[a][b] = load(from + (place<S, Rows>(a) * S::products + place<S, Columns>(b)) * plane);
    both_sides(Rows::AT, Columns::AT, x, cells);
    const vec bias = end.bias ? load(end.bias + k, count) : vec{};
    for (int i = 0; i < Rows::outputs; i++)
      for (int j = 0; j < Columns::outputs; j++) {
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

template <class S> void write_tile(const float* m, size_t plane, size_t panel, const Tile& t, const Shape& s, Ending end, float* y) {
  by_kind<S>(t, [&](auto rows, auto columns) { write_cells<S, decltype(rows), decltype(columns)>(m, plane, panel, t, s, end, y); });
}

thread_local Scratch weights_memory, inputs_memory, products_memory, gradient_memory;

template <class S> void forward(const float* x, const float* u, Ending end, float* y, const Shape& s, int threads) {
  constexpr int P = S::products, P2 = P * P;
  const Tiles tiles = tiles_of<S>(s);
  const int total = tiles.all.size(), blocks = (total + BLOCK - 1) / BLOCK;
  const int depth = round_up(s.in, LANES) + OFFSET, panels = round_up(s.out, PANEL) / PANEL;
  const size_t v_plane = size_t(BLOCK) * depth + OFFSET, panel = size_t(BLOCK) * PANEL + OFFSET, m_plane = panel * panels, u_plane = weights_plane(s.in, s.out);
  float* v = inputs_memory.get(P2 * v_plane);
  float* m = products_memory.get(P2 * m_plane);
  const std::vector<float> zeros(depth, 0.0f);
#pragma omp parallel num_threads(threads)
  for (int block = 0; block < blocks; block++) {
    const int first = long(total) * block / blocks, count = long(total) * (block + 1) / blocks - first;
#pragma omp for
    for (int t = 0; t < count; t++) read_tile<S>(x, tiles.all[first + t], s, zeros.data(), v + size_t(t) * depth, v_plane);
#pragma omp for
    for (int j = 0; j < P2 * panels; j++) {
      const int e = j / panels;
      const Range rows = needing<S>(tiles, e / P, e % P, first, count);
      float* to = m + e * m_plane + j % panels * panel + rows.begin * PANEL;
      const float* from = v + e * v_plane + size_t(rows.begin) * depth;
      multiply_panel(from, depth, rows.size, s.in, u + e * u_plane + size_t(j % panels) * s.in * PANEL, s.out - j % panels * PANEL, to);
    }
#pragma omp for
    for (int t = 0; t < count; t++) write_tile<S>(m + size_t(t) * PANEL, m_plane, panel, tiles.all[first + t], s, end, y);
  }
}

// dw (out, in, 3, 3) of a gradient g (N, H, W, out): the same products, summed over the tiles: GT [ sum v (A g AT) ] G.
template <class S> void weight_gradient(const float* x, const float* g, float* dw, const Shape& s, int threads) {
  constexpr int P = S::products, P2 = P * P;
  const Tiles tiles = tiles_of<S>(s);
  const int total = tiles.all.size(), blocks = (total + BLOCK - 1) / BLOCK;
  const int depth = round_up(s.in, LANES) + OFFSET, width = round_up(s.out, LANES), panels = round_up(s.out, PANEL) / PANEL;
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
        read_tile<S>(x, tiles.all[first + t], s, zeros.data(), v + size_t(t) * depth, v_plane);
        read_gradient<S>(g, tiles.all[first + t], s, zeros.data(), m + size_t(t) * width, m_plane);
      }
#pragma omp for
      for (int j = 0; j < P2 * panels; j++) {
        const int e = j / panels, k = j % panels * PANEL;
        const Range rows = needing<S>(tiles, e / P, e % P, first, count);
        const float *left = v + e * v_plane + size_t(rows.begin) * depth, *right = m + e * m_plane + size_t(rows.begin) * width + k;
        float* sums = du + e * du_plane + k;
        if (width - k == LANES) accumulate_rows<1, ROWS>(left, depth, s.in, right, width, rows.size, sums, width, block == 0);
        else accumulate_rows<2, ROWS>(left, depth, s.in, right, width, rows.size, sums, width, block == 0);
      }
    }
#pragma omp for
    for (int c = 0; c < s.in; c++)
      for (int k = 0; k < s.out; k += LANES) {
        vec entries[P][P], taps[3][3];
        for (int e = 0; e < P2; e++) entries[e / P][e % P] = load(du + e * du_plane + size_t(c) * width + k);
        both_sides(S::GT, S::GT, entries, taps);
        for (int lane = 0; lane < std::min(LANES, s.out - k); lane++)
          for (int tap = 0; tap < 9; tap++) dw[(size_t(k + lane) * s.in + c) * 9 + tap] = taps[tap / 3][tap % 3][lane];
      }
  }
}

}  // namespace

// ---- The door: plain C functions, which ctypes calls. `scheme` counts matrices.SCHEMES. ------------------------

#define BY_SCHEME(call) switch (scheme) { case 0: { using S = F43; call; } break; case 1: { using S = F23; call; } break; case 2: { using S = PAIR; call; } break; default: { using S = F33; call; } }

extern "C" {
// How many floats `winograd_prepare` writes.
long winograd_size(int scheme, int in, int out) {
  long size = 0;
  BY_SCHEME(size = long(S::products) * S::products * weights_plane(in, out))
  return size;
}

void winograd_prepare(int scheme, const float* w, float* u, int in, int out, int threads) {
  BY_SCHEME(prepare<S>(w, u, in, out, false, threads))
}

void winograd_forward(int scheme, const float* x, const float* u, const float* bias, const float* added, int relu, float* y, const int* shape, int threads) {
  const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]};
  BY_SCHEME(forward<S>(x, u, Ending{bias, added, relu != 0}, y, s, threads))
}

// The same with weights that are prepared for this call only, (out, in, 3, 3), or flipped (in, out, 3, 3): their memory
// is taken once, and not anew in every step of a training.
void winograd_convolve(int scheme, const float* x, const float* w, int flipped, float* y, const int* shape, int threads) {
  const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]};
  float* u = weights_memory.get(winograd_size(scheme, s.in, s.out));
  BY_SCHEME(prepare<S>(w, u, s.in, s.out, flipped != 0, threads))
  BY_SCHEME(forward<S>(x, u, Ending{nullptr, nullptr, false}, y, s, threads))
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
