#include "arithmetic.h"
#include "target.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <type_traits>

TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
namespace millrace {
namespace {

struct V {
  using F = __m512;
  static constexpr const char* name = "avx512";
  static constexpr int lanes = 16;
  static constexpr int classes = 10;       // in one tile
  static constexpr int accumulators = 20;  // of 32 registers

  static F set(float a) { return _mm512_set1_ps(a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F root(F a) { return _mm512_sqrt_ps(a); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  /** Takes the lane of `b` if either lane is NaN. */
  static F max(F a, F b) { return _mm512_max_ps(a, b); }

  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static F load(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
  /** Loads a value that is used several times. Without this, the compiler reads it from memory each time. */
  static F load_once(const float* p) {
    F a = load(p);
    __asm__("" : "+v"(a));
    return a;
  }
  static F load(const uint8_t* p) {
    return convert(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F load(const uint8_t* p, int n) { return convert(_mm_maskz_loadu_epi8(first(n), p)); }
  static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  static void store(float* p, F a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }

  static F times_power_of_two(F a, F n) { return _mm512_scalef_ps(a, n); }
  static F zero_below(F least, F x, F a) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), a);
  }
  static float largest(F a) { return _mm512_reduce_max_ps(a); }
  static double total(F a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
  }

  template <int K>
  static void totals(const F (&a)[K], float* out) {
    int k = 0;
    _Pragma("GCC unroll 4") for (; k + 4 <= K; k += 4)
      _mm_storeu_ps(out + k, total4(a[k], a[k + 1], a[k + 2], a[k + 3]));
    _Pragma("GCC unroll 4") for (; k < K; k++) out[k] = _mm512_reduce_add_ps(a[k]);
  }

 private:
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F convert(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)); }
  static __m128 total4(F a, F b, F c, F d) {
    const F ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const F cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const F abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd), _mm512_extractf32x8_ps(abcd, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
};

#include "arithmetic.inc"

}  // namespace
}  // namespace millrace
TARGET_END

namespace millrace {

const Arithmetic* avx512() {
  const bool able = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return able ? &arithmetic : nullptr;
}

}  // namespace millrace
#else
namespace millrace {
const Arithmetic* avx512() { return nullptr; }
}  // namespace millrace
#endif
