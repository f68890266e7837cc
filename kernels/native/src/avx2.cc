#include "arithmetic.h"
#include "target.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <type_traits>

TARGET_BEGIN("avx2,fma")
namespace millrace {
namespace {

struct V {
  using F = __m256;
  static constexpr const char* name = "avx2";
  static constexpr int lanes = 8;
  static constexpr int classes = 5;        // in one tile
  static constexpr int accumulators = 10;  // of 16 registers

  static F set(float a) { return _mm256_set1_ps(a); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F root(F a) { return _mm256_sqrt_ps(a); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  /** Takes the lane of `b` if either lane is NaN. */
  static F max(F a, F b) { return _mm256_max_ps(a, b); }

  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static F load(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  static F load_once(const float* p) { return load(p); }
  static F load(const uint8_t* p) { return convert(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
  static F load(const uint8_t* p, int n) {
    uint64_t bytes = 0;
    __builtin_memcpy(&bytes, p, n);
    return convert(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
  }
  static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  static void store(float* p, F a, int n) { _mm256_maskstore_ps(p, first(n), a); }

  static F times_power_of_two(F a, F n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
  static F zero_below(F least, F x, F a) { return _mm256_and_ps(_mm256_cmp_ps(x, least, _CMP_NLT_UQ), a); }
  static float largest(F a) {
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
  }
  static double total(F a) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    const __m256d sum = _mm256_add_pd(low, high);
    const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
  }

  template <int K>
  static void totals(const F (&a)[K], float* out) {
    _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) {
      const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a[k]), _mm256_extractf128_ps(a[k], 1));
      const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
      out[k] = _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
    }
  }

 private:
  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F convert(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)); }
};

#include "arithmetic.inc"

}  // namespace
}  // namespace millrace
TARGET_END

namespace millrace {

const Arithmetic* avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &arithmetic : nullptr;
}

}  // namespace millrace
#else
namespace millrace {
const Arithmetic* avx2() { return nullptr; }
}  // namespace millrace
#endif
