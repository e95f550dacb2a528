// The std::thread back end of the team, for ThreadSanitizer: threads are made for each region, so
// that every hand-over is one that the sanitizer understands.

#include <thread>
#include <vector>

#include "base/team.h"

namespace kinglet {

void Team::run_on_all(Call call, const void* context) {
  size_ = wanted_;
  taken_ = 0;
  const auto work = [&](std::size_t rank) noexcept {
    const FloatingPointScope scope;
    call(context, Member(*this, rank));
  };
  std::vector<std::thread> others;
  others.reserve(wanted_ - 1);
  for (std::size_t rank = 1; rank < wanted_; ++rank) others.emplace_back(work, rank);
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace kinglet
