// Batch normalization in training, with the sum of a shortcut and the ReLU that follow it, in as few passes over the map
// as there can be: forward two, backward two. float32; a map is `rows` pixels of `channels` floats.
#include <type_traits>
#include <vector>

#include "vectors.h"

namespace {

constexpr long STRIP = 256;  // pixels whose sums are taken in float32; strips are put together in double

// Calls `work` with how many channels it takes at a time: a whole vector where they fill it.
template <class F> void by_width(int channels, F work) {
  if (channels % LANES == 0) work(std::integral_constant<int, LANES>{}); else work(std::integral_constant<int, 8>{});
}

struct Moments { double count = 0, mean = 0, squares = 0; };  // of one channel: `squares` about the mean

// Chan, Golub and LeVeque, 1979: exact where a plain sum of squares would cancel.
void put_together(Moments& all, double count, double mean, double squares) {
  const double apart = mean - all.mean, both = all.count + count;
  all.mean += apart * count / both;
  all.squares += squares + apart * apart * all.count * count / both;
  all.count = both;
}

thread_local Scratch strips_memory;

long strips_of(long rows) { return (rows + STRIP - 1) / STRIP; }

// For each strip, its channels' means and squares about them: [strip][2][channels].
template <int W> void measure(const float* x, long rows, int channels, float* strips, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long strip = 0; strip < strips_of(rows); strip++) {
    const long first = strip * STRIP, last = std::min(rows, first + STRIP);
    for (int c = 0; c < channels; c += W) {
      vector<W> mean{}, squares{};
      for (long r = first; r < last; r++) mean += load<W>(x + r * channels + c, channels - c);
      mean /= float(last - first);
      for (long r = first; r < last; r++) {
        const vector<W> apart = load<W>(x + r * channels + c, channels - c) - mean;
        squares += apart * apart;
      }
      store<W>(strips + 2 * strip * channels + c, mean, channels - c);
      store<W>(strips + (2 * strip + 1) * channels + c, squares, channels - c);
    }
  }
}

// y = scale x + offset (+ added), then ReLU.
template <int W> void apply(const float* x, const float* scale, const float* offset, const float* added, bool relu, float* y, long rows, int channels, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < rows; r++)
    for (int c = 0; c < channels; c += W) {
      const int count = channels - c;
      const long at = r * channels + c;
      vector<W> value = load<W>(x + at, count) * load<W>(scale + c, count) + load<W>(offset + c, count);
      if (added) value += load<W>(added + at, count);
      if (relu) value = value < 0 ? vector<W>{} : value;  // NaN stays NaN
      store<W>(y + at, value, count);
    }
}

// What a gradient's passes read: the gradient g, and, where a ReLU followed, the map y that it gave.
struct Passed {
  const float *g, *y;
  bool relu;
  template <int W> vector<W> at(long place, int count) const {  // the gradient where the ReLU let the value through
    const vector<W> back = load<W>(g + place, count);
    return relu ? load<W>(y + place, count) > 0 ? back : vector<W>{} : back;
  }
};

// For each strip, its channels' sums of the gradient, and of it times the distance to the mean: [strip][2][channels].
template <int W> void sum_up(Passed passed, const float* x, const float* mean, float* dadded, long rows, int channels, float* strips, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long strip = 0; strip < strips_of(rows); strip++)
    for (int c = 0; c < channels; c += W) {
      const int count = channels - c;
      const vector<W> middle = load<W>(mean + c, count);
      vector<W> sum{}, products{};
      for (long r = strip * STRIP; r < std::min(rows, (strip + 1) * STRIP); r++) {
        const vector<W> back = passed.at<W>(r * channels + c, count);
        sum += back;
        products += back * (load<W>(x + r * channels + c, count) - middle);
        if (dadded) store<W>(dadded + r * channels + c, back, count);
      }
      store<W>(strips + 2 * strip * channels + c, sum, count);
      store<W>(strips + (2 * strip + 1) * channels + c, products, count);
    }
}

// dx = scale g + slope (x - mean) + offset.
template <int W> void give_back(Passed passed, const float* x, const float* mean, const float* scale, const float* slope, const float* offset, float* dx,
                                long rows, int channels, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < rows; r++)
    for (int c = 0; c < channels; c += W) {
      const int count = channels - c;
      const vector<W> apart = load<W>(x + r * channels + c, count) - load<W>(mean + c, count);
      const vector<W> value = load<W>(scale + c, count) * passed.at<W>(r * channels + c, count) + load<W>(slope + c, count) * apart + load<W>(offset + c, count);
      store<W>(dx + r * channels + c, value, count);
    }
}

}  // namespace

extern "C" {
// Training: y = relu(gamma (x - mean) / deviation + beta + added), `added` may be missing. Writes the mean and one over
// the deviation of each channel for the backward pass, and moves the running ones.
void norm_forward(const float* x, const float* added, const float* gamma, const float* beta, float* running_mean, float* running_var, float* y, float* mean,
                  float* inverse, long rows, int channels, float epsilon, float momentum, int relu, int threads) {
  float* strips = strips_memory.get(2 * strips_of(rows) * channels);
  by_width(channels, [&](auto wide) { measure<wide>(x, rows, channels, strips, threads); });
  std::vector<float> scale(channels), offset(channels);
  for (int c = 0; c < channels; c++) {
    Moments all;
    for (long strip = 0; strip < strips_of(rows); strip++)
      put_together(all, std::min(STRIP, rows - strip * STRIP), strips[2 * strip * channels + c], strips[(2 * strip + 1) * channels + c]);
    mean[c] = all.mean;
    inverse[c] = 1 / __builtin_sqrt(all.squares / rows + epsilon);
    running_mean[c] += momentum * (all.mean - running_mean[c]);
    running_var[c] += momentum * (all.squares / (rows - 1) - running_var[c]);
    scale[c] = gamma[c] * inverse[c];
    offset[c] = beta[c] - all.mean * scale[c];
  }
  by_width(channels, [&](auto wide) { apply<wide>(x, scale.data(), offset.data(), added, relu != 0, y, rows, channels, threads); });
}

// The gradients of x, gamma, beta and, where `dadded` is not missing, of `added`; y is what `norm_forward` gave.
void norm_backward(const float* g, const float* y, const float* x, const float* gamma, const float* mean, const float* inverse, float* dx, float* dadded,
                   float* dgamma, float* dbeta, long rows, int channels, int relu, int threads) {
  float* strips = strips_memory.get(2 * strips_of(rows) * channels);
  const Passed passed{g, y, relu != 0};
  by_width(channels, [&](auto wide) { sum_up<wide>(passed, x, mean, dadded, rows, channels, strips, threads); });
  // dx = gamma / deviation (g - mean of g - (x - mean) (mean of g (x - mean)) / variance)
  std::vector<float> scale(channels), offset(channels), slope(channels);
  for (int c = 0; c < channels; c++) {
    double sum = 0, products = 0;
    for (long strip = 0; strip < strips_of(rows); strip++) {
      sum += strips[2 * strip * channels + c];
      products += strips[(2 * strip + 1) * channels + c];
    }
    dbeta[c] = sum;
    dgamma[c] = products * inverse[c];
    scale[c] = gamma[c] * inverse[c];
    offset[c] = -scale[c] * sum / rows;
    slope[c] = -scale[c] * products * inverse[c] * inverse[c] / rows;
  }
  by_width(channels, [&](auto wide) { give_back<wide>(passed, x, mean, scale.data(), slope.data(), offset.data(), dx, rows, channels, threads); });
}
}
