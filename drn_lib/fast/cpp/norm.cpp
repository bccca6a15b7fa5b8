// Batch normalization in training, with the sum of a shortcut and the ReLU that follow it, in as few passes over the map
// as there can be: forward two, backward two. float32; a map is `rows` pixels of `channels` floats.
#include <vector>

#include "vectors.h"

namespace {

constexpr int WIDE = 8;         // channels at a time
constexpr long STRIP = 256;     // pixels whose sums are taken in float32; strips are put together in double
using wide = vector<WIDE>;

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
void measure(const float* x, long rows, int channels, float* strips, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long strip = 0; strip < strips_of(rows); strip++) {
    const long first = strip * STRIP, last = std::min(rows, first + STRIP);
    for (int c = 0; c < channels; c += WIDE) {
      wide mean{}, squares{};
      for (long r = first; r < last; r++) mean += load<WIDE>(x + r * channels + c, channels - c);
      mean /= float(last - first);
      for (long r = first; r < last; r++) {
        const wide apart = load<WIDE>(x + r * channels + c, channels - c) - mean;
        squares += apart * apart;
      }
      store<WIDE>(strips + 2 * strip * channels + c, mean, channels - c);
      store<WIDE>(strips + (2 * strip + 1) * channels + c, squares, channels - c);
    }
  }
}

// y = scale x + offset (+ added), then ReLU.
void apply(const float* x, const float* scale, const float* offset, const float* added, bool relu, float* y, long rows, int channels, int threads) {
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < rows; r++)
    for (int c = 0; c < channels; c += WIDE) {
      const int count = channels - c;
      const long at = r * channels + c;
      wide value = load<WIDE>(x + at, count) * load<WIDE>(scale + c, count) + load<WIDE>(offset + c, count);
      if (added) value += load<WIDE>(added + at, count);
      if (relu) value = value < 0 ? wide{} : value;  // NaN stays NaN
      store<WIDE>(y + at, value, count);
    }
}

}  // namespace

extern "C" {
// Training: y = relu(gamma (x - mean) / deviation + beta + added), `added` may be missing. Writes the mean and one over
// the deviation of each channel for the backward pass, and moves the running ones.
void norm_forward(const float* x, const float* added, const float* gamma, const float* beta, float* running_mean, float* running_var, float* y, float* mean,
                  float* inverse, long rows, int channels, float epsilon, float momentum, int relu, int threads) {
  float* strips = strips_memory.get(2 * strips_of(rows) * channels);
  measure(x, rows, channels, strips, threads);
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
  apply(x, scale.data(), offset.data(), added, relu != 0, y, rows, channels, threads);
}

// The gradients of x, gamma, beta and, where `dadded` is not missing, of `added`; y is what `norm_forward` gave.
void norm_backward(const float* g, const float* y, const float* x, const float* gamma, const float* mean, const float* inverse, float* dx, float* dadded,
                   float* dgamma, float* dbeta, long rows, int channels, int relu, int threads) {
  float* strips = strips_memory.get(2 * strips_of(rows) * channels);
  const auto passed = [&](long at, int count) {  // the gradient where the ReLU let the value through
    const wide back = load<WIDE>(g + at, count);
    return relu ? load<WIDE>(y + at, count) > 0 ? back : wide{} : back;
  };
#pragma omp parallel for num_threads(threads)
  for (long strip = 0; strip < strips_of(rows); strip++)
    for (int c = 0; c < channels; c += WIDE) {
      const int count = channels - c;
      const wide middle = load<WIDE>(mean + c, count);
      wide sum{}, products{};
      for (long r = strip * STRIP; r < std::min(rows, (strip + 1) * STRIP); r++) {
        const wide back = passed(r * channels + c, count);
        sum += back;
        products += back * (load<WIDE>(x + r * channels + c, count) - middle);
        if (dadded) store<WIDE>(dadded + r * channels + c, back, count);
      }
      store<WIDE>(strips + 2 * strip * channels + c, sum, count);
      store<WIDE>(strips + (2 * strip + 1) * channels + c, products, count);
    }
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
#pragma omp parallel for num_threads(threads)
  for (long r = 0; r < rows; r++)
    for (int c = 0; c < channels; c += WIDE) {
      const int count = channels - c;
      const wide apart = load<WIDE>(x + r * channels + c, count) - load<WIDE>(mean + c, count);
      const wide value = load<WIDE>(&scale[c], count) * passed(r * channels + c, count) + load<WIDE>(&slope[c], count) * apart + load<WIDE>(&offset[c], count);
      store<WIDE>(dx + r * channels + c, value, count);
    }
}
}
