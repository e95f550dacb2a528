#pragma once

// The threads of a forward pass. Every member runs the same function: a step works on its own part
// and ends with sync(), so one parallel region holds the whole pass and the code still reads as if
// one thread ran it.
//
// The floating-point state of each member is round-to-nearest with subnormals kept while a body
// runs, and is put back after it: results must not depend on what the caller's thread had set.
//
// Two back ends with the same interface: OpenMP (team_openmp.cc), and std::thread (team_threads.cc)
// for ThreadSanitizer, to which libgomp's barriers look like races.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <type_traits>
#include <utility>

#include "base/wait_log.h"

namespace kinglet {

class Team;

// A half-open interval of indices.
struct Range {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
};

// One thread's place in its team.
class Member {
 public:
  Member(Team& team, std::size_t rank) : team_(team), rank_(rank) {}

  std::size_t rank() const { return rank_; }
  std::size_t team_size() const;

  // This thread's part of [0, count): depends on count, rank and team size alone.
  Range mine(std::size_t count) const;

  // The next piece of [0, count) that nobody has taken, of at most `piece`; empty once there is none.
  // For long steps: a member that the system has put aside keeps only the piece it is at. One such
  // loop between two sync(), which starts the count anew.
  Range take(std::size_t count, std::size_t piece) const;

  // Waits until every member is here: a short spin, then asleep, so that a busy machine does not
  // stall. What a member wrote before is visible to all after.
  void sync() const;

 private:
  void wait() const;

  Team& team_;
  std::size_t rank_;
};

class Team {
 public:
  // `threads` >= 1. OpenMP may grant fewer; results do not depend on it.
  explicit Team(std::size_t threads) : wanted_(threads) {}
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t threads() const { return wanted_; }
  void set_threads(std::size_t threads) { wanted_ = threads; }  // for the next run()

  // From the next run() on, each member notes its waits in its log: one for each thread, or none.
  void note_waits(std::span<WaitLog> logs) { waits_ = logs; }

  // body(const Member&) on every thread; returns when all are done. `body` must be noexcept.
  template <class Body>
  void run(const Body& body) {
    static_assert(std::is_nothrow_invocable_v<const Body&, const Member&>);
    run_on_all([](const void* context, const Member& me) noexcept {
      (*static_cast<const Body*>(context))(me);
    }, &body);
  }

  // The same for work that may fail (loading): after all are done, the first exception is thrown
  // again. `body` must not sync(), and starts with nothing taken.
  template <class Body>
  void run_throwing(const Body& body) {
    std::mutex mutex;
    std::exception_ptr failure;
    run([&](const Member& me) noexcept {
      try {
        body(me);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
    if (failure) std::rethrow_exception(failure);
  }

 private:
  friend class Member;
  using Call = void (*)(const void* context, const Member& me) noexcept;

  void run_on_all(Call call, const void* context);

  std::size_t wanted_;
  std::size_t size_ = 1;  // members of the running region
  std::span<WaitLog> waits_;

  alignas(64) std::atomic<std::size_t> taken_{0};  // by take()
  // The barrier, on lines of their own: all members spin on `round_`.
  alignas(64) std::atomic<std::size_t> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> round_{0};
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
};

// Round-to-nearest, no flush-to-zero, no denormals-are-zero, until the end of the scope.
class FloatingPointScope {
 public:
  FloatingPointScope();
  ~FloatingPointScope();
  FloatingPointScope(const FloatingPointScope&) = delete;
  FloatingPointScope& operator=(const FloatingPointScope&) = delete;

 private:
  unsigned long saved_;
};

}  // namespace kinglet
