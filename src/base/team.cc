#include "base/team.h"

#include <algorithm>
#include <cstdint>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

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

// Sleeps as long as `word` is `value`; may return early. A yield instead would cost a busy machine's
// time slice, a millisecond or more; a sleeper that is woken is run at once.
void sleep_while(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
#if defined(__linux__)
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
  word.wait(value);
#endif
}
void wake_all(std::atomic<std::uint32_t>& word) {
#if defined(__linux__)
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  word.notify_all();
#endif
}

}  // namespace

std::size_t Member::team_size() const { return team_.size_; }

Range Member::mine(std::size_t count) const {
  const std::size_t size = team_.size_;
  return {count * rank_ / size, count * (rank_ + 1) / size};
}

Range Member::take(std::size_t count, std::size_t piece) const {
  const std::size_t begin = team_.taken_.fetch_add(piece, std::memory_order_relaxed);
  return {std::min(begin, count), std::min(begin + piece, count)};
}

void Member::sync() const {
  if (team_.size_ == 1) {
    team_.taken_.store(0, std::memory_order_relaxed);
    return;
  }
  if (team_.waits_.empty()) return wait();
  const std::int64_t begin = now_ns();
  wait();
  team_.waits_[rank_].add({begin, now_ns()});
}

void Member::wait() const {
  constexpr int kSpins = 2000;  // 20 to 40 us
  const std::uint32_t round = team_.round_.load(std::memory_order_relaxed);
  if (team_.arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == team_.size_) {
    team_.arrived_.store(0, std::memory_order_relaxed);
    team_.taken_.store(0, std::memory_order_relaxed);
    team_.round_.store(round + 1);  // before the look at the sleepers: sequentially consistent
    if (team_.sleepers_.load() > 0) wake_all(team_.round_);
    return;
  }
  for (int spin = 0; spin < kSpins; ++spin) {
    if (team_.round_.load(std::memory_order_acquire) != round) return;
    pause();
  }
  team_.sleepers_.fetch_add(1);
  while (team_.round_.load() == round) sleep_while(team_.round_, round);
  team_.sleepers_.fetch_sub(1);
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
