// IEEE arithmetic for as long as an object lives: round to nearest, subnormals kept, no traps.
// Every entry that computes sets it, whatever the caller's thread had, and puts the caller's state
// back.
#ifndef SAMARA_RUNTIME_FLOAT_ENV_H_
#define SAMARA_RUNTIME_FLOAT_ENV_H_

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace samara {

class FloatEnv {
 public:
#if defined(__SSE__)
  FloatEnv() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatEnv() { _mm_setcsr(saved_); }
#elif defined(__aarch64__)
  FloatEnv() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
  }
  ~FloatEnv() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }
#else
  FloatEnv() : saved_(0) {}
  ~FloatEnv() {}
#endif
  FloatEnv(const FloatEnv&) = delete;
  FloatEnv& operator=(const FloatEnv&) = delete;

 private:
#if defined(__aarch64__)
  uint64_t saved_;
#else
  [[maybe_unused]] const uint32_t saved_;
#endif
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_FLOAT_ENV_H_
