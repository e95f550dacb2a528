#include "base/team.h"

#include <cstdint>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kinglet {
namespace {

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

std::size_t Member::team_size() const { return team_.size_; }

Range Member::mine(std::size_t count) const {
  const std::size_t size = team_.size_;
  return {count * rank_ / size, count * (rank_ + 1) / size};
}

void Member::sync() const {
  if (team_.size_ == 1) return;
  constexpr int kSpins = 2000;  // about 20 us
  const std::size_t round = team_.round_.load(std::memory_order_relaxed);
  if (team_.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == team_.size_) {
    team_.arrived_.store(0, std::memory_order_relaxed);
    team_.round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spin = 0; team_.round_.load(std::memory_order_acquire) == round; ++spin) {
    if (spin < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

#if defined(__x86_64__)
// MXCSR: bit 15 flush-to-zero, 14-13 rounding, 12-7 exception masks (set: no traps), 6
// denormals-are-zero, 5-0 flags.
FloatingPointScope::FloatingPointScope() : saved_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
FloatingPointScope::~FloatingPointScope() { _mm_setcsr(static_cast<unsigned>(saved_)); }
#elif defined(__aarch64__)
// FPCR: bits 24 flush-to-zero, 23-22 rounding, 25 default NaN, 19 half-precision flush-to-zero.
FloatingPointScope::FloatingPointScope() {
  std::uint64_t state = 0;
  asm volatile("mrs %0, fpcr" : "=r"(state));
  saved_ = state;
  asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
}
FloatingPointScope::~FloatingPointScope() {
  asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{saved_}));
}
#else
#error "kinglet needs to know this processor's floating-point control register"
#endif

}  // namespace kinglet
