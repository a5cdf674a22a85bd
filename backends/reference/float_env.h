// IEEE arithmetic for as long as an object lives: round to nearest, subnormals kept, no traps.
#ifndef SAMARA_BACKENDS_REFERENCE_FLOAT_ENV_H_
#define SAMARA_BACKENDS_REFERENCE_FLOAT_ENV_H_

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace samara::reference {

class FloatEnv {
 public:
#if defined(__SSE__)
  FloatEnv() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatEnv() { _mm_setcsr(saved_); }

 private:
  const unsigned saved_;
#elif defined(__aarch64__)
  FloatEnv() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
  }
  ~FloatEnv() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  uint64_t saved_;
#else
  FloatEnv() {}
  ~FloatEnv() {}

 private:
#endif
  FloatEnv(const FloatEnv&) = delete;
  FloatEnv& operator=(const FloatEnv&) = delete;
};

}  // namespace samara::reference

#endif  // SAMARA_BACKENDS_REFERENCE_FLOAT_ENV_H_
