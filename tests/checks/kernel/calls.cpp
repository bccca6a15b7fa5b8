// Calls of the kernel's functions on arrays that are exactly as long as they must be: kernel/__main__.py compiles this
// with the kernel and with sanitizers, which stop at the first read or write beyond an array.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

extern "C" {
void direct_forward(const float* x, const float* w, float* y, const int* shape, int threads);
void direct_input_gradient(const float* g, const float* w, float* dx, const int* shape, int threads);
void direct_weight_gradient(const float* x, const float* g, float* dw, const int* shape, int threads);
long winograd_size(int scheme, int in, int out);
void winograd_prepare(int scheme, const float* w, float* u, int in, int out, int threads);
void winograd_forward(int scheme, const float* x, const float* u, const float* bias, const float* added, int relu, float* y, const int* shape, int threads);
void winograd_convolve(int scheme, const float* x, const float* w, int flipped, float* y, const int* shape, int threads);
void winograd_weight_gradient(int scheme, const float* x, const float* g, float* dw, const int* shape, int threads);
void norm_forward(const float* x, const float* added, const float* gamma, const float* beta, float* running_mean, float* running_var, float* y, float* mean,
                  float* inverse, long rows, int channels, float epsilon, float momentum, int relu, int threads);
void norm_backward(const float* g, const float* y, const float* x, const float* gamma, const float* mean, const float* inverse, float* dx, float* dadded,
                   float* dgamma, float* dbeta, long rows, int channels, int relu, int threads);
}

using Array = std::unique_ptr<float[]>;
Array array(long floats) { return Array(new float[floats]()); }

struct Chance {
  std::mt19937 bits;
  int operator()(int most) { return 1 + bits() % most; }  // 1 to most
};

bool call_direct(Chance& chance) {
  const int images = chance(9), height = chance(14), width = chance(14), in = chance(40), out = chance(40);
  const int kernel = chance(8), stride = chance(4), dilation = chance(4), padding = chance(8) - 1, threads = chance(2);
  const int reach = dilation * (kernel - 1) + 1;
  if (std::min(height, width) + 2 * padding < reach) return false;
  const int down = (height + 2 * padding - reach) / stride + 1, across = (width + 2 * padding - reach) / stride + 1;
  const int shape[] = {images, height, width, in, down, across, out, kernel, stride, dilation, padding};
  const long pixels = long(images) * height * width, made = long(images) * down * across, taps = long(out) * in * kernel * kernel;
  const Array x = array(pixels * in), w = array(taps), y = array(made * out), dx = array(pixels * in), dw = array(taps);
  direct_forward(x.get(), w.get(), y.get(), shape, threads);
  direct_input_gradient(y.get(), w.get(), dx.get(), shape, threads);
  direct_weight_gradient(x.get(), y.get(), dw.get(), shape, threads);
  return true;
}

bool call_winograd(Chance& chance) {
  const int images = chance(4), height = chance(18), width = chance(18), in = chance(40), out = chance(40);
  const int dilation = chance(4), scheme = chance(4) - 1, relu = chance(2) - 1, threads = chance(2);
  const int shape[] = {images, height, width, in, out, dilation}, back[] = {images, height, width, out, in, dilation};
  const long pixels = long(images) * height * width, taps = 9L * in * out;
  const Array x = array(pixels * in), w = array(taps), y = array(pixels * out), dx = array(pixels * in), dw = array(taps);
  const Array u = array(winograd_size(scheme, in, out)), bias = array(out), added = array(pixels * out);
  winograd_prepare(scheme, w.get(), u.get(), in, out, threads);
  winograd_forward(scheme, x.get(), u.get(), bias.get(), added.get(), relu, y.get(), shape, threads);
  winograd_convolve(scheme, x.get(), w.get(), false, y.get(), shape, threads);
  winograd_convolve(scheme, y.get(), w.get(), true, dx.get(), back, threads);
  winograd_weight_gradient(scheme, x.get(), y.get(), dw.get(), shape, threads);
  return true;
}

bool call_norm(Chance& chance) {
  const int channels = chance(50), relu = chance(2) - 1, threads = chance(2);
  const long rows = 1 + chance(700);
  const bool has_added = chance(2) == 1;
  const Array x = array(rows * channels), y = array(rows * channels), dx = array(rows * channels);
  const Array added = has_added ? array(rows * channels) : nullptr, dadded = has_added ? array(rows * channels) : nullptr;
  const Array gamma = array(channels), beta = array(channels), running = array(channels), variance = array(channels);
  const Array mean = array(channels), inverse = array(channels), dgamma = array(channels), dbeta = array(channels);
  norm_forward(x.get(), added.get(), gamma.get(), beta.get(), running.get(), variance.get(), y.get(), mean.get(), inverse.get(), rows, channels, 1e-5f, 0.1f, relu, threads);
  norm_backward(x.get(), y.get(), x.get(), gamma.get(), mean.get(), inverse.get(), dx.get(), dadded.get(), dgamma.get(), dbeta.get(), rows, channels, relu, threads);
  return true;
}

int main(int, char** arguments) {
  Chance chance{std::mt19937(atoi(arguments[2]))};
  int calls = 0;
  for (int round = 0; round < atoi(arguments[1]); round++) calls += call_direct(chance) + call_winograd(chance) + call_norm(chance);
  printf("%d shapes, nothing read or written beyond an array\n", calls);
}
