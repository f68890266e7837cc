// Instructions that every processor of the platform has: SSE2 on x86, NEON on ARM. They are used through the vector
// extensions of GCC and Clang.
#include "arithmetic.h"

#include <type_traits>

namespace millrace {
namespace {

struct V {
  typedef float F __attribute__((vector_size(16)));
  typedef int32_t I __attribute__((vector_size(16)));
  typedef uint8_t B __attribute__((vector_size(4)));
  static constexpr const char* name = "portable";
  static constexpr int lanes = 4;
  static constexpr int classes = 5;        // in one tile
  static constexpr int accumulators = 10;  // of 16 registers

  static F set(float a) { return F{a, a, a, a}; }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F root(F a) {
    for (int i = 0; i < lanes; i++) a[i] = __builtin_sqrtf(a[i]);
    return a;
  }
  static F fma(F a, F b, F c) { return a * b + c; }
  /** Takes the lane of `b` if either lane is NaN. */
  static F max(F a, F b) { return a > b ? a : b; }

  static F load(const float* p) {
    F a;
    __builtin_memcpy(&a, p, sizeof a);
    return a;
  }
  static F load(const float* p, int n) {
    F a = set(0);
    for (int i = 0; i < n; i++) a[i] = p[i];
    return a;
  }
  static F load_once(const float* p) { return load(p); }
  static F load(const uint8_t* p) {
    B bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(__builtin_convertvector(bytes, I), F);
  }
  static F load(const uint8_t* p, int n) {
    F a = set(0);
    for (int i = 0; i < n; i++) a[i] = p[i];
    return a;
  }
  static void store(float* p, F a) { __builtin_memcpy(p, &a, sizeof a); }
  static void store(float* p, F a, int n) {
    for (int i = 0; i < n; i++) p[i] = a[i];
  }

  static F times_power_of_two(F a, F n) {
    // NaN converts to no integer, so it counts as 0 here. The result is still NaN, because `a` is NaN.
    const I exponent = __builtin_convertvector(n == n ? n : set(0), I) + 127;
    return a * reinterpret_cast<F>(exponent << 23);
  }
  static F zero_below(F least, F x, F a) { return x < least ? set(0) : a; }
  static float largest(F a) {
    const float low = a[0] > a[1] ? a[0] : a[1];
    const float high = a[2] > a[3] ? a[2] : a[3];
    return low > high ? low : high;
  }
  static double total(F a) { return (double(a[0]) + a[1]) + (double(a[2]) + a[3]); }

  template <int K>
  static void totals(const F (&a)[K], float* out) {
    for (int k = 0; k < K; k++) out[k] = (a[k][0] + a[k][1]) + (a[k][2] + a[k][3]);
  }
};

#include "arithmetic.inc"

}  // namespace

const Arithmetic* portable() { return &arithmetic; }

}  // namespace millrace
