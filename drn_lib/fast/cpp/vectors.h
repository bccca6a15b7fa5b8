// Vectors of floats as the processor has them, and the memory that a call works in.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 12;  // ROWS x 2 vectors of sums stay in the 32 registers
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int LANES = 8, ROWS = 6;  // of 16 registers
#else
#error "the kernel needs AVX2 and FMA"
#endif
constexpr int PANEL = 2 * LANES;      // output channels that are computed together

template <int L> struct Lanes { typedef float type __attribute__((vector_size(L * sizeof(float)))); };
template <int L> using vector = typename Lanes<L>::type;
using vec = vector<LANES>;

template <int L = LANES> inline vector<L> load(const float* from) { vector<L> v; memcpy(&v, from, sizeof v); return v; }
template <int L = LANES> inline void store(float* to, vector<L> v) { memcpy(to, &v, sizeof v); }

// The first `count` floats of a vector, or all where there are more; the others are zero.
template <int L = LANES> inline vector<L> load(const float* from, int count) {
  if (count >= L) return load<L>(from);
  vector<L> v{};
  memcpy(&v, from, count * sizeof(float));
  return v;
}
template <int L = LANES> inline void store(float* to, vector<L> v, int count) {
  if (count >= L) store<L>(to, v); else memcpy(to, &v, count * sizeof(float));
}

// The first `count` of up to L floats: a copy of all of them is a few moves, one of a part a call.
template <int L> inline void copy(float* to, const float* from, int count) {
  if (count >= L) memcpy(to, from, L * sizeof(float)); else memcpy(to, from, count * sizeof(float));
}

inline int round_up(int number, int step) { return (number + step - 1) / step * step; }

// Memory that a thread keeps between its calls and that grows as needed: several threads may call at once.
class Scratch {
 public:
  ~Scratch() { free(memory); }
  float* get(size_t floats) {
    if (floats <= size) return memory;
    free(memory);
    memory = static_cast<float*>(aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64));
    size = memory ? floats : 0;
    if (!memory) throw std::bad_alloc();
    return memory;
  }

 private:
  float* memory = nullptr;
  size_t size = 0;
};
