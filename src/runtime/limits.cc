#include "runtime/limits.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/team.h"
#include "kernels/dispatch.h"
#include "kinglet/version.h"

namespace kinglet {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::Peak;

constexpr double kBudget = 0.25;  // seconds for one figure
constexpr int kFewestRuns = 8;
constexpr std::size_t kReadStep = 1024;  // floats: shares are multiples of it

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

// 10^9 operations per second: the sum of each thread's best, as others may hold any of them up at any
// time, and cores share no multipliers.
double peak_rate(Team& team, const Peak& peak) {
  constexpr double kSlice = 2e-3;  // seconds: far over the clock's resolution, within a time slice
  std::vector<double> best(team.threads());
  const Clock::time_point start = Clock::now();
  team.run([&](const Member& me) noexcept {
    [[maybe_unused]] volatile float sink = 0;
    std::size_t rounds = 64;
    for (int run = 0; run < kFewestRuns || seconds_between(start, Clock::now()) < kBudget;) {
      const Clock::time_point begin = Clock::now();
      sink = peak.run(rounds);
      const double seconds = seconds_between(begin, Clock::now());
      if (seconds < kSlice / 2) {
        rounds *= 2;
        continue;
      }
      const double rate = static_cast<double>(rounds * peak.operations) / seconds * 1e-9;
      best[me.rank()] = std::max(best[me.rank()], rate);
      ++run;
    }
  });
  return std::accumulate(best.begin(), best.end(), 0.0);
}

// 10^9 bytes per second, the best of many pieces of `piece` bytes that all threads read together,
// one after the other over `bytes` of memory. A piece counts from the first start to the last end: a
// thread that was held up must not make the others' reading look quick.
double read_rate(Team& team, std::size_t bytes, std::size_t piece) {
  const std::size_t share = round_up(piece / sizeof(float) / team.threads(), kReadStep);
  const std::size_t pieces = std::max<std::size_t>(1, bytes / sizeof(float) / team.threads() / share);
  AlignedBytes memory(pieces * share * team.threads() * sizeof(float));
  std::vector<Clock::time_point> starts(team.threads()), ends(team.threads());
  const auto read = kernels::active().peaks.read;
  const Clock::time_point start = Clock::now();
  double best = std::numeric_limits<double>::infinity();
  bool is_over = false;

  team.run([&](const Member& me) noexcept {
    float* mine = memory.as<float>() + pieces * share * me.rank();
    std::memset(mine, 0, pieces * share * sizeof(float));  // each thread's pages are its own
    [[maybe_unused]] volatile float sink = 0;
    me.sync();
    for (std::size_t run = 0; !is_over; ++run) {
      starts[me.rank()] = Clock::now();
      sink = read(mine + run % pieces * share, share);
      ends[me.rank()] = Clock::now();
      me.sync();
      if (me.rank() == 0) {
        const auto members = static_cast<long>(me.team_size());
        const auto first = *std::min_element(starts.begin(), starts.begin() + members);
        const auto last = *std::max_element(ends.begin(), ends.begin() + members);
        const double gigabytes =
            static_cast<double>(share * sizeof(float) * me.team_size()) * 1e-9;
        if (run >= pieces) best = std::min(best, seconds_between(first, last) / gigabytes);
        is_over = run >= pieces + kFewestRuns && seconds_between(start, last) > kBudget;
      }
      me.sync();
    }
  });
  return 1 / best;
}

// Far more than the last-level cache holds, but no more than an eighth of the machine's memory.
std::size_t beyond_cache(std::size_t cache_bytes) {
  const auto pages = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_PAGESIZE)));
  const std::size_t wanted = std::clamp<std::size_t>(4 * cache_bytes, 256u << 20, 1u << 30);
  return std::min(wanted, pages / 8 * page);
}

}  // namespace

Limits::Host limits_host(std::size_t threads) {
  return {.cpu = cpu_model(),
          .isa = isa_in_use(),
          .version = version(),
          .cores = usable_cores(),
          .threads = threads};
}

Limits measure_limits(std::size_t threads) {
  const kernels::Peaks& peaks = kernels::active().peaks;
  Team team(threads);
  Limits limits;
  limits.host = limits_host(threads);
  limits.cache_bytes = last_level_cache_bytes();
  const std::size_t piece = threads << 22;
  limits.memory_gbps = read_rate(team, beyond_cache(limits.cache_bytes), piece);
  if (limits.cache_bytes > 0) {
    const std::size_t part = std::min<std::size_t>(limits.cache_bytes / 2, 64u << 20);
    limits.cache_gbps = read_rate(team, part, std::min(piece, part));
  }
  limits.float_gflops = peak_rate(team, peaks.fma);
  limits.bfloat_gflops = peaks.dot_bfloat.run ? peak_rate(team, peaks.dot_bfloat) : limits.float_gflops;
  limits.int8_gops = peak_rate(team, peaks.dot_int8);
  return limits;
}

Limits best_of(const Limits& a, const Limits& b) {
  Limits best = b;
  best.memory_gbps = std::max(a.memory_gbps, b.memory_gbps);
  best.cache_gbps = std::max(a.cache_gbps, b.cache_gbps);
  best.float_gflops = std::max(a.float_gflops, b.float_gflops);
  best.bfloat_gflops = std::max(a.bfloat_gflops, b.bfloat_gflops);
  best.int8_gops = std::max(a.int8_gops, b.int8_gops);
  return best;
}

}  // namespace kinglet
