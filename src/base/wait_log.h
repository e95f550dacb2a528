#pragma once

// When the members of a team waited at its barrier: what a profile needs to tell work from waiting.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kinglet {

// Nanoseconds of the steady clock: about 20 to read, and the same for all threads.
inline std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// One thread's notes, in a buffer that was sized before. What no longer fits is counted, not kept.
// Each log stands on cache lines of its own: the threads write at the same time.
template <class Entry>
class alignas(64) Log {
 public:
  explicit Log(std::size_t capacity) : entries_(capacity) {}

  void add(const Entry& entry) noexcept {
    if (count_ < entries_.size()) {
      entries_[count_++] = entry;
    } else {
      ++lost_;
    }
  }
  std::span<const Entry> entries() const { return {entries_.data(), count_}; }
  std::size_t size() const { return count_; }
  std::size_t lost() const { return lost_; }
  void cut(std::size_t count) { count_ = count; }

 private:
  std::vector<Entry> entries_;
  std::size_t count_ = 0, lost_ = 0;
};

// [begin, end) in nanoseconds.
struct Wait {
  std::int64_t begin = 0, end = 0;
};
using WaitLog = Log<Wait>;

}  // namespace kinglet
