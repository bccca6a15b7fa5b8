// Convolutions that Winograd's filtering does not thin out: strided ones, 1x1, 7x7, and those of few channels. float32,
// channels last, computed as they are written: every output pixel is a sum over taps and input channels.
//
// Images are copied with zeros around them, so that no tap needs to ask whether it lies inside: one at a time, or as many
// small ones as the cache holds. Then some pixels and one or two vectors of output channels are summed up in registers.
#include <vector>

#include "vectors.h"

namespace {

// A convolution as it goes forward: its input and output maps, a side of its kernel, and how it steps.
struct Convolution { int images, in_height, in_width, in, out_height, out_width, out, kernel, stride, dilation, padding; };

// Some images with zeros around each; pixel (row, column) of the first may be asked for beyond its edges.
struct Padded {
  const float* first;
  int images, width, channels;
  size_t size;  // of one image, in floats
  const float* at(int row, int column) const { return first + (long(row) * width + column) * channels; }
};

constexpr size_t HELD = 1 << 16;  // floats that the cache should hold

thread_local Scratch padded_memory, weights_memory;

// Images `begin`, `begin` + 1, ... of a map, as many as the cache holds.
struct Map {
  const float* first;
  int images, height, width, channels, around;

  Padded pad(int begin) const {
    const size_t row = size_t(width + 2 * around) * channels, edge = size_t(around) * channels, inner = size_t(width) * channels;
    const size_t size = (height + 2 * around) * row;
    const int count = std::clamp(int(HELD / size), 1, images - begin);
    float* memory = padded_memory.get(count * size);
    for (int n = 0; n < count; n++) {
      const float* image = first + (begin + n) * height * inner;
      float* to = memory + n * size;
      std::fill(to, to + around * row, 0.0f);
      to += around * row;
      for (int y = 0; y < height; y++, to += row) {
        std::fill(to, to + edge, 0.0f);
        memcpy(to + edge, image + y * inner, inner * sizeof(float));
        std::fill(to + edge + inner, to + row, 0.0f);
      }
      std::fill(to, to + around * row, 0.0f);
    }
    return {memory + around * row + edge, count, width + 2 * around, channels, size};
  }
};

// Where the taps of one output pixel read, and the kernel's part that belongs to each. Taps of a row that read pixels side
// by side are one: `length` floats of the map, which meet as many rows of weights.
struct Taps { int count; const float *from[64], *weights[64]; int length[64]; };

// Pixels that are computed together with N vectors of outputs: their sums stay in the registers.
template <int N> constexpr int PIXELS = N == 1 || LANES == 16 ? 8 : 6;

// y[r][k] = sum over taps and channels, for R pixels that lie so many floats after the one of the taps, and for N vectors
// of outputs from `panel` on.
template <int L, int N, int R> void sum_pixels(const Taps& taps, const size_t (&after)[R], int panel, int width, float (&y)[R][N * L]) {
  vector<L> sum[R][N] = {};
  for (int t = 0; t < taps.count; t++) {
    const float *x = taps.from[t], *w = taps.weights[t] + panel;
    for (int c = 0; c < taps.length[t]; c++) {
      vector<L> part[N];
      for (int n = 0; n < N; n++) part[n] = load<L>(w + c * width + n * L);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) sum[r][n] += x[after[r] + c] * part[n];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) store<L>(&y[r][n * L], sum[r][n]);
}

// A gather goes over the pixels of the map that is written, and says where each tap reads. Forward it reads the input,
// `stride` pixels further on for each output; backward it reads the outputs that a pixel went into, by the same taps only
// for pixels `stride` apart: those are one phase, and are computed together. Backward, taps are counted from the last one,
// so that taps of a row read from left to right too.
struct Forward {
  const Convolution& c;
  int height() const { return c.out_height; }
  int width() const { return c.out_width; }
  int channels() const { return c.out; }
  int apart() const { return 1; }                  // pixels between those of a phase
  int step() const { return c.stride; }            // pixels between what they read
  bool reads(int at, int tap, int& from) const { from = at * c.stride + tap * c.dilation - c.padding; return true; }
};
struct Backward {
  const Convolution& c;
  int height() const { return c.in_height; }
  int width() const { return c.in_width; }
  int channels() const { return c.in; }
  int apart() const { return c.stride; }
  int step() const { return 1; }
  bool reads(int at, int tap, int& from) const {
    const int distance = at + c.padding - (c.kernel - 1 - tap) * c.dilation;
    from = (distance - (distance % c.stride + c.stride) % c.stride) / c.stride;
    return distance % c.stride == 0;
  }
};

// The taps of the pixel in this row and column.
template <class Gather> Taps taps_of(const Gather& gather, const Padded& x, const float* weights, int width, int row, int column) {
  const int side = gather.c.kernel;
  Taps taps{0, {}, {}, {}};
  for (int i = 0, from_row; i < side; i++) {
    if (!gather.reads(row, i, from_row)) continue;
    for (int j = 0, from_column; j < side; j++) {
      if (!gather.reads(column, j, from_column)) continue;
      const float *from = x.at(from_row, from_column), *part = weights + size_t(i * side + j) * x.channels * width;
      const int last = taps.count - 1;
      if (last >= 0 && from == taps.from[last] + taps.length[last] && part == taps.weights[last] + size_t(taps.length[last]) * width)
        taps.length[last] += x.channels;
      else {
        taps.from[taps.count] = from;
        taps.weights[taps.count] = part;
        taps.length[taps.count++] = x.channels;
      }
    }
  }
  return taps;
}

// One phase of the maps that are written: every pixel `apart` from the first, for all its channels.
template <int L, int N, class Gather> void write_phase(const Gather& gather, const Padded& x, const Taps& taps, int first_row, int first_column, int width, float* y) {
  constexpr int R = PIXELS<N>;
  const int apart = gather.apart(), channels = gather.channels(), step = gather.step() * x.channels;
  const int down = (gather.height() - first_row + apart - 1) / apart, across = (gather.width() - first_column + apart - 1) / apart;
  const int pixels = x.images * down * across;
#pragma omp for collapse(2)
  for (int panel = 0; panel < width; panel += N * L)
    for (int first = 0; first < pixels; first += R) {
      size_t after[R], to[R];
      float made[R][N * L];
      const int count = std::min(R, pixels - first);
      int column = first % across, row = first / across % down, image = first / across / down;
      for (int r = 0; r < R; r++) {
        after[r] = image * x.size + (size_t(row) * x.width + column) * step;
        to[r] = ((size_t(image) * gather.height() + first_row + row * apart) * gather.width() + first_column + column * apart) * channels + panel;
        if (r + 1 >= count) continue;  // there may be fewer: the last is computed again
        if (++column < across) continue;
        column = 0;
        if (++row == down) row = 0, image++;
      }
      sum_pixels<L, N, R>(taps, after, panel, width, made);
      for (int r = 0; r < count; r++) copy<N * L>(y + to[r], made[r], channels - panel);
    }
}

template <int L, int N, class Gather> void write_map(const Gather& gather, const Padded& x, const float* weights, int width, float* y) {
  for (int row = 0; row < std::min(gather.apart(), gather.height()); row++)
    for (int column = 0; column < std::min(gather.apart(), gather.width()); column++)
      write_phase<L, N>(gather, x, taps_of(gather, x, weights, width, row, column), row, column, width, y);
}

// The weights (out, in, kernel, kernel) in the order in which they are read: [tap][read][written, filled up to `width`],
// backward from the last tap to the first.
void order_weights(const Convolution& c, const float* w, bool backward, int width, float* ordered) {
  const int taps = c.kernel * c.kernel, read = backward ? c.out : c.in, written = backward ? c.in : c.out;
  std::fill(ordered, ordered + size_t(taps) * read * width, 0.0f);
  for (int a = 0; a < written; a++)
    for (int b = 0; b < read; b++)
      for (int t = 0; t < taps; t++)
        ordered[(size_t(t) * read + b) * width + a] = backward ? w[(size_t(b) * c.in + a + 1) * taps - 1 - t] : w[(size_t(a) * c.in + b) * taps + t];
}

// How far taps reach beyond the map that is read.
int margin(const Convolution& c) { return std::max(c.padding, (c.kernel - 1) * c.dilation - c.padding) + 1; }

template <class Gather> void convolve(const Gather& gather, const Map& map, const float* w, bool backward, float* y, int threads) {
  const Convolution& c = gather.c;
  const int lanes = gather.channels() <= 8 ? 8 : LANES, padded_width = round_up(gather.channels(), gather.channels() <= LANES ? lanes : 2 * LANES);
  float* weights = weights_memory.get(size_t(c.kernel) * c.kernel * map.channels * padded_width);
  order_weights(c, w, backward, padded_width, weights);
  for (int n = 0, images; n < c.images; n += images) {
    const Padded padded = map.pad(n);
    images = padded.images;
    float* to = y + size_t(n) * gather.height() * gather.width() * gather.channels();
#pragma omp parallel num_threads(threads)
    {
      if (padded_width == 8) write_map<8, 1>(gather, padded, weights, padded_width, to);
      else if (padded_width == LANES) write_map<LANES, 1>(gather, padded, weights, padded_width, to);
      else write_map<LANES, 2>(gather, padded, weights, padded_width, to);
    }
  }
}

constexpr int SUMS = std::max(ROWS, 8);  // what add_products sums up at once

// dw[c][k] += sum over pixels of x[pixel][c] g[pixel][k], for R floats of x that lie `after` its first one, and L outputs.
template <int L, int R> void add_products(const Padded& x, long after, const Convolution& c, const float* g, int panel, float* dw) {
  vector<L> sum[R] = {};
  const int step = c.stride * c.in, count = c.out - panel;
  for (int row = 0; row < x.images * c.out_height; row++) {
    const float* from = x.first + after + row / c.out_height * x.size + size_t(row % c.out_height) * c.stride * x.width * c.in;
    const float* gradient = g + size_t(row) * c.out_width * c.out + panel;
    for (int column = 0; column < c.out_width; column++, from += step, gradient += c.out) {
      const vector<L> back = load<L>(gradient, count);
#pragma GCC unroll 12
      for (int r = 0; r < R; r++) sum[r] += from[r] * back;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++) store<L>(dw + r * L, load<L>(dw + r * L) + sum[r]);
}

template <int L, int R> void add_rows(int left, const Padded& x, long after, const Convolution& c, const float* g, int panel, float* dw) {
  if (left >= R) return add_products<L, R>(x, after, c, g, panel, dw);
  if constexpr (R > 1) add_rows<L, R - 1>(left, x, after, c, g, panel, dw);
}

// dw (out, in, kernel, kernel), summed up as [panel][run][its floats, filled up][L]: a run is what one pixel of the output
// meets side by side in the input, without dilation a row of taps, else a tap.
template <int L> void weight_gradient(const Convolution& c, const float* x, const float* g, float* dw, int threads) {
  const int taps = c.kernel * c.kernel, panels = (c.out + L - 1) / L;
  const int run = (c.dilation == 1 ? c.kernel : 1) * c.in, runs = taps * c.in / run, filled = round_up(run, SUMS);
  float* sums = weights_memory.get(size_t(panels) * runs * filled * L);
  std::fill(sums, sums + size_t(panels) * runs * filled * L, 0.0f);
  const Map map{x, c.images, c.in_height, c.in_width, c.in, margin(c)};
  for (int n = 0, images; n < c.images; n += images) {
    const Padded padded = map.pad(n);
    images = padded.images;
    const float* gradient = g + size_t(n) * c.out_height * c.out_width * c.out;
#pragma omp parallel for collapse(3) num_threads(threads)
    for (int p = 0; p < panels; p++)
      for (int number = 0; number < runs; number++)
        for (int at = 0; at < run; at += SUMS) {
          const int tap = number * run / c.in;
          const long after = padded.at(tap / c.kernel * c.dilation - c.padding, tap % c.kernel * c.dilation - c.padding) - padded.first + at;
          add_rows<L, SUMS>(run - at, padded, after, c, gradient, p * L, sums + ((size_t(p) * runs + number) * filled + at) * L);
        }
  }
  for (int k = 0; k < c.out; k++)
    for (int channel = 0; channel < c.in; channel++)
      for (int tap = 0; tap < taps; tap++) {
        const int at = tap * c.in + channel;
        dw[(size_t(k) * c.in + channel) * taps + tap] = sums[((size_t(k / L) * runs + at / run) * filled + at % run) * L + k % L];
      }
}

Convolution read(const int* s) { return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10]}; }

}  // namespace

// ---- The door; `shape` holds the numbers of `Convolution`, kernels have at most 8 x 8 taps. --------------------
extern "C" {
void direct_forward(const float* x, const float* w, float* y, const int* shape, int threads) {
  const Convolution c = read(shape);
  convolve(Forward{c}, {x, c.images, c.in_height, c.in_width, c.in, margin(c)}, w, false, y, threads);
}

void direct_input_gradient(const float* g, const float* w, float* dx, const int* shape, int threads) {
  const Convolution c = read(shape);
  convolve(Backward{c}, {g, c.images, c.out_height, c.out_width, c.out, margin(c)}, w, true, dx, threads);
}

void direct_weight_gradient(const float* x, const float* g, float* dw, const int* shape, int threads) {
  const Convolution c = read(shape);
  if (c.out <= 8) weight_gradient<8>(c, x, g, dw, threads); else weight_gradient<LANES>(c, x, g, dw, threads);
}
}
