#pragma once

// How many threads a short pass should use, found out by measuring.
//
// A decode step of a small model takes a tenth of a millisecond and meets the team's barrier dozens
// of times. Where other programs want the processors too, a member that is not running makes the
// others wait for a time slice each time, and one thread alone can be a hundred times faster. The
// numerics contract makes the choice free: no bit depends on it.

#include <algorithm>
#include <cstddef>

namespace kinglet {

class ThreadChoice {
 public:
  // At most `most` threads, for a model of so many bytes.
  ThreadChoice(std::size_t most, std::size_t weight_bytes)
      : most_(most), weight_bytes_(weight_bytes), use_all_(weight_bytes > kSmallModel) {}

  // Threads for the next pass of `rows` rows. Long passes take all.
  std::size_t threads(std::size_t rows) {
    if (most_ == 1 || rows > kMeasured) {
      return rows * weight_bytes_ < kLittleWork && !use_all_ ? 1 : most_;
    }
    ++passes_;
    if (passes_ % interval_ != 0) return use_all_ ? most_ : 1;
    return use_all_ ? 1 : most_;  // the other one, to see whether it has become better
  }

  // What that pass took.
  void record(std::size_t rows, std::size_t threads, double seconds) {
    if (most_ == 1 || rows > kMeasured) return;
    double& typical = threads == 1 ? alone_ : together_;
    typical = typical == 0 ? seconds : std::min(seconds, typical * 0.75 + seconds * 0.25);
    if (alone_ == 0 || together_ == 0) return;
    const bool better_together = together_ < alone_;
    // Looking at what keeps losing gets rarer, the faster the more it loses; after a change it is
    // frequent again.
    if (threads == (use_all_ ? 1 : most_)) {
      const bool is_far_off = seconds > 4 * (use_all_ ? together_ : alone_);
      interval_ = better_together != use_all_ ? kFirstInterval
                                              : std::min(interval_ * (is_far_off ? 16 : 2), kLongest);
    }
    use_all_ = better_together;
  }

 private:
  static constexpr std::size_t kMeasured = 8;  // passes of more rows are not like each other
  static constexpr std::size_t kLittleWork = 200'000'000;  // rows x bytes: about 2 ms on one thread
  static constexpr std::size_t kSmallModel = 32'000'000;   // one thread starts such a one sooner
  static constexpr std::size_t kFirstInterval = 4, kLongest = 1024;

  std::size_t most_;
  std::size_t weight_bytes_;
  bool use_all_;
  std::size_t passes_ = 0, interval_ = kFirstInterval;
  double alone_ = 0, together_ = 0;  // seconds of a pass; 0: not tried yet
};

}  // namespace kinglet
