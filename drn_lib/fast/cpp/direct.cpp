// Convolutions that Winograd's filtering does not thin out: strided ones, 1x1, 7x7, and those of few channels. float32,
// channels last, computed as they are written: every output pixel is a sum over taps and input channels.
//
// One image at a time is copied with zeros around it, so that no tap needs to ask whether it lies inside; then ROWS
// pixels of a row and one or two vectors of output channels are summed up in registers.
#include <vector>

#include "vectors.h"

namespace {

// A convolution as it goes forward: its input and output maps, a side of its kernel, and how it steps.
struct Convolution { int images, in_height, in_width, in, out_height, out_width, out, kernel, stride, dilation, padding; };

// One image with zeros around it; pixel (row, column) of the image may be asked for beyond its edges.
struct Padded {
  const float* first;
  int width, channels;
  const float* at(int row, int column) const { return first + (long(row) * width + column) * channels; }
};

thread_local Scratch padded_memory, weights_memory;

Padded pad(const float* image, int height, int width, int channels, int before, int after, float* memory) {
  const int wide = before + width + after;
  const size_t row = size_t(wide) * channels;
  std::fill(memory, memory + before * row, 0.0f);
  for (int y = 0; y < height; y++) {
    float* to = memory + (before + y) * row;
    std::fill(to, to + size_t(before) * channels, 0.0f);
    memcpy(to + size_t(before) * channels, image + size_t(y) * width * channels, size_t(width) * channels * sizeof(float));
    std::fill(to + size_t(before + width) * channels, to + row, 0.0f);
  }
  std::fill(memory + (before + height) * row, memory + (before + height + after) * row, 0.0f);
  return {memory + before * row + size_t(before) * channels, wide, channels};
}

// Where the taps of one output pixel read, and the kernel's part that belongs to each.
struct Taps { int count; const float *from[64], *weights[64]; };

// y[r][k] = sum over taps and channels, for R pixels that lie `step` floats apart in the input, and N vectors of outputs.
template <int L, int N, int R> void sum_pixels(const Taps& taps, int step, int channels, int width, float (&y)[R][N * L]) {
  vector<L> sum[R][N] = {};
  for (int t = 0; t < taps.count; t++) {
    const float *x = taps.from[t], *w = taps.weights[t];
    for (int c = 0; c < channels; c++) {
      vector<L> part[N];
      for (int n = 0; n < N; n++) part[n] = load<L>(w + c * width + n * L);
#pragma GCC unroll 12
      for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) sum[r][n] += x[r * step + c] * part[n];
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) store<L>(&y[r][n * L], sum[r][n]);
}

// A gather goes over the pixels of the map that is written, and says where each tap reads. Forward it reads the input,
// `stride` pixels further on for each output; backward it reads the outputs that a pixel went into, which are the same
// taps only for pixels `stride` apart: those are computed together.
struct Forward {
  const Convolution& c;
  int height() const { return c.out_height; }
  int width() const { return c.out_width; }
  int channels() const { return c.out; }
  int together() const { return 1; }               // pixels between those that are computed together
  int step() const { return c.stride; }            // pixels between what they read
  bool reads(int at, int tap, int& from) const { from = at * c.stride + tap * c.dilation - c.padding; return true; }
};
struct Backward {
  const Convolution& c;
  int height() const { return c.in_height; }
  int width() const { return c.in_width; }
  int channels() const { return c.in; }
  int together() const { return c.stride; }
  int step() const { return 1; }
  bool reads(int at, int tap, int& from) const {
    const int distance = at + c.padding - tap * c.dilation;
    from = (distance - (distance % c.stride + c.stride) % c.stride) / c.stride;
    return distance % c.stride == 0;
  }
};

// One row of the map that is written, for one panel of channels.
template <int L, int N, class Gather> void write_row(const Gather& gather, const Padded& x, const float* weights, int width, int row, int panel, float* y) {
  const Convolution& c = gather.c;
  const int channels = gather.channels(), count = std::min(N * L, channels - panel);
  const size_t tap_size = size_t(x.channels) * width;
  for (int phase = 0; phase < std::min(gather.together(), gather.width()); phase++)
    for (int first = phase; first < gather.width(); first += ROWS * gather.together()) {
      Taps taps{0, {}, {}};
      for (int i = 0, from_row; i < c.kernel; i++) {
        if (!gather.reads(row, i, from_row)) continue;
        for (int j = 0, from_column; j < c.kernel; j++) {
          if (!gather.reads(first, j, from_column)) continue;
          taps.from[taps.count] = x.at(from_row, from_column);
          taps.weights[taps.count++] = weights + (i * c.kernel + j) * tap_size + panel;
        }
      }
      float made[ROWS][N * L];
      sum_pixels<L, N, ROWS>(taps, gather.step() * x.channels, x.channels, width, made);
      for (int r = 0, column = first; r < ROWS && column < gather.width(); r++, column += gather.together())
        memcpy(y + size_t(column) * channels + panel, made[r], count * sizeof(float));
    }
}

template <int L, int N, class Gather> void write_map(const Gather& gather, const Padded& x, const float* weights, int width, float* y) {
#pragma omp for collapse(2)
  for (int row = 0; row < gather.height(); row++)
    for (int panel = 0; panel < width; panel += N * L)
      write_row<L, N>(gather, x, weights, width, row, panel, y + size_t(row) * gather.width() * gather.channels());
}

// The weights (out, in, kernel, kernel) in the order in which they are read: [tap][read][written, filled up to `width`].
void order_weights(const Convolution& c, const float* w, bool backward, int width, float* ordered) {
  const int taps = c.kernel * c.kernel, read = backward ? c.out : c.in, written = backward ? c.in : c.out;
  std::fill(ordered, ordered + size_t(taps) * read * width, 0.0f);
  for (int a = 0; a < written; a++)
    for (int b = 0; b < read; b++)
      for (int t = 0; t < taps; t++)
        ordered[(size_t(t) * read + b) * width + a] = w[(backward ? size_t(b) * c.in + a : size_t(a) * c.in + b) * taps + t];
}

// How far taps reach beyond the map that is read, and what the last pixels of a row read in vain.
int margin(const Convolution& c) { return (c.kernel - 1) * c.dilation + c.padding + 1; }

template <class Gather> void convolve(const Gather& gather, const float* x, int height, int width, int channels, const float* w, bool backward, float* y, int threads) {
  const Convolution& c = gather.c;
  const int lanes = gather.channels() <= 8 ? 8 : LANES, padded_width = round_up(gather.channels(), gather.channels() <= LANES ? lanes : 2 * LANES);
  float* weights = weights_memory.get(size_t(c.kernel) * c.kernel * channels * padded_width);
  order_weights(c, w, backward, padded_width, weights);
  const int around = margin(c);
  const size_t size = (size_t(height + 2 * around) * (width + 2 * around) + ROWS * (c.stride + 1)) * channels;
  float* memory = padded_memory.get(size);
  std::fill(memory + size - size_t(ROWS) * (c.stride + 1) * channels, memory + size, 0.0f);
  for (int n = 0; n < c.images; n++) {
    const Padded padded = pad(x + size_t(n) * height * width * channels, height, width, channels, around, around, memory);
    float* to = y + size_t(n) * gather.height() * gather.width() * gather.channels();
#pragma omp parallel num_threads(threads)
    {
      if (padded_width == 8) write_map<8, 1>(gather, padded, weights, padded_width, to);
      else if (padded_width == LANES) write_map<LANES, 1>(gather, padded, weights, padded_width, to);
      else write_map<LANES, 2>(gather, padded, weights, padded_width, to);
    }
  }
}

// dw[c][k] += sum over pixels of x[pixel][c] g[pixel][k], for R input channels and L outputs.
template <int L, int R> void add_products(const Padded& x, const Convolution& c, int i, int j, int channel, const float* g, int panel, float* dw) {
  vector<L> sum[R] = {};
  const int step = c.stride * c.in, count = c.out - panel;
  for (int row = 0; row < c.out_height; row++) {
    const float* from = x.at(row * c.stride + i * c.dilation - c.padding, j * c.dilation - c.padding) + channel;
    const float* gradient = g + size_t(row) * c.out_width * c.out + panel;
    for (int column = 0; column < c.out_width; column++, from += step, gradient += c.out) {
      const vector<L> back = load<L>(gradient, count);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum[r] += from[r] * back;
    }
  }
  for (int r = 0; r < R; r++) store<L>(dw + r * L, load<L>(dw + r * L) + sum[r]);
}

template <int L, int R> void add_rows(const Padded& x, const Convolution& c, int i, int j, int channel, int left, const float* g, int panel, float* dw) {
  if (left >= R) return add_products<L, R>(x, c, i, j, channel, g, panel, dw);
  if constexpr (R > 1) add_rows<L, R - 1>(x, c, i, j, channel, left, g, panel, dw);
}

// dw (out, in, kernel, kernel), summed up as [panel][tap][in, filled up to eights][L].
template <int L> void weight_gradient(const Convolution& c, const float* x, const float* g, float* dw, int threads) {
  const int taps = c.kernel * c.kernel, panels = (c.out + L - 1) / L, channels = round_up(c.in, 8), around = margin(c);
  float* sums = weights_memory.get(size_t(panels) * taps * channels * L);
  std::fill(sums, sums + size_t(panels) * taps * channels * L, 0.0f);
  float* memory = padded_memory.get(size_t(c.in_height + 2 * around) * (c.in_width + 2 * around) * c.in);
  for (int n = 0; n < c.images; n++) {
    const Padded padded = pad(x + size_t(n) * c.in_height * c.in_width * c.in, c.in_height, c.in_width, c.in, around, around, memory);
    const float* gradient = g + size_t(n) * c.out_height * c.out_width * c.out;
#pragma omp parallel for collapse(3) num_threads(threads)
    for (int p = 0; p < panels; p++)
      for (int tap = 0; tap < taps; tap++)
        for (int channel = 0; channel < c.in; channel += 8)
          add_rows<L, 8>(padded, c, tap / c.kernel, tap % c.kernel, channel, std::min(8, c.in - channel), gradient, p * L,
                         sums + ((size_t(p) * taps + tap) * channels + channel) * L);
  }
  for (int k = 0; k < c.out; k++)
    for (int channel = 0; channel < c.in; channel++)
      for (int tap = 0; tap < taps; tap++)
        dw[(size_t(k) * c.in + channel) * taps + tap] = sums[((size_t(k / L) * taps + tap) * channels + channel) * L + k % L];
}

Convolution read(const int* s) { return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10]}; }

}  // namespace

// ---- The door; `shape` holds the numbers of `Convolution`, kernels have at most 8 x 8 taps. --------------------
extern "C" {
void direct_forward(const float* x, const float* w, float* y, const int* shape, int threads) {
  const Convolution c = read(shape);
  convolve(Forward{c}, x, c.in_height, c.in_width, c.in, w, false, y, threads);
}

void direct_input_gradient(const float* g, const float* w, float* dx, const int* shape, int threads) {
  const Convolution c = read(shape);
  convolve(Backward{c}, g, c.out_height, c.out_width, c.out, w, true, dx, threads);
}

void direct_weight_gradient(const float* x, const float* g, float* dw, const int* shape, int threads) {
  const Convolution c = read(shape);
  if (c.out <= 8) weight_gradient<8>(c, x, g, dw, threads); else weight_gradient<LANES>(c, x, g, dw, threads);
}
}
