// The team of threads: every member runs, nobody passes a barrier early, every piece is taken once.

#include "base/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <stdexcept>
#include <vector>

namespace kinglet::test {
namespace {

// More members than the machine has processors, so that the barrier's sleep is used too.
class TeamTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(TeamTest, EveryMemberRunsOnceWithARankOfItsOwn) {
  Team team(GetParam());
  std::vector<std::atomic<int>> runs(GetParam());
  std::atomic<std::size_t> size = 0;
  team.run([&](const Member& me) noexcept {
    ++runs[me.rank()];
    size = me.team_size();
  });
  ASSERT_LE(size, GetParam());
  for (std::size_t rank = 0; rank < runs.size(); ++rank) EXPECT_EQ(runs[rank], rank < size ? 1 : 0);
}

TEST_P(TeamTest, NobodyPassesTheBarrierBeforeAllAreThere) {
  constexpr int kRounds = 200;
  Team team(GetParam());
  std::vector<int> round_of(GetParam());  // plain memory: the barrier makes it visible
  std::atomic<int> early = 0;
  team.run([&](const Member& me) noexcept {
    for (int round = 1; round <= kRounds; ++round) {
      round_of[me.rank()] = round;
      me.sync();
      for (std::size_t other = 0; other < me.team_size(); ++other) early += round_of[other] < round;
      me.sync();
    }
  });
  EXPECT_EQ(early, 0);
}

TEST_P(TeamTest, PartsCoverARangeWithoutOverlap) {
  Team team(GetParam());
  for (const std::size_t count : {0u, 1u, 2u, 7u, 64u, 1001u}) {
    std::vector<std::atomic<int>> taken(count);
    team.run([&](const Member& me) noexcept {
      for (std::size_t i = me.mine(count).begin; i < me.mine(count).end; ++i) ++taken[i];
    });
    for (const auto& times : taken) EXPECT_EQ(times, 1) << "of " << count;
  }
}

TEST_P(TeamTest, EveryPieceIsTakenOnceInEveryRoundAndRun) {
  constexpr std::size_t kRounds = 20;
  Team team(GetParam());
  for (int run = 0; run < 3; ++run) {
    for (const std::size_t count : {0u, 1u, 5u, 333u}) {
      std::vector<std::atomic<std::size_t>> taken(count);
      team.run([&](const Member& me) noexcept {
        for (std::size_t round = 0; round < kRounds; ++round) {
          for (Range piece = me.take(count, 4); !piece.empty(); piece = me.take(count, 4)) {
            for (std::size_t i = piece.begin; i < piece.end; ++i) ++taken[i];
          }
          me.sync();
        }
      });
      for (const auto& times : taken) EXPECT_EQ(times, kRounds) << "of " << count;
    }
  }
}

TEST_P(TeamTest, EachMemberNotesItsWaitsUntilNoneAreWanted) {
  Team team(GetParam());
  std::vector<WaitLog> logs(GetParam(), WaitLog(2));
  std::atomic<std::size_t> size = 0;
  const auto three_waits = [&](const Member& me) noexcept {
    size = me.team_size();
    for (int round = 0; round < 3; ++round) me.sync();
  };
  team.note_waits(logs);
  team.run(three_waits);
  const std::size_t kept = size == 1 ? 0 : 2, lost = size == 1 ? 0 : 1;  // one member has nobody to wait for
  team.note_waits({});
  team.run(three_waits);
  for (std::size_t rank = 0; rank < size; ++rank) {
    ASSERT_EQ(logs[rank].size(), kept);
    EXPECT_EQ(logs[rank].lost(), lost);
    if (kept == 0) continue;
    const std::span<const Wait> waits = logs[rank].entries();
    EXPECT_LE(waits[0].begin, waits[0].end);
    EXPECT_LE(waits[0].end, waits[1].begin);
  }
}

TEST_P(TeamTest, AFailureOfAnyMemberIsThrownOnceAllAreDone) {
  Team team(GetParam());
  std::atomic<std::size_t> done = 0;
  EXPECT_THROW(team.run_throwing([&](const Member& me) {
    ++done;
    if (me.rank() + 1 == me.team_size()) throw std::runtime_error("no");
  }), std::runtime_error);
  EXPECT_GE(done, 1u);
  team.run([&](const Member&) noexcept { done = 0; });
  EXPECT_EQ(done, 0u) << "the team works on";
}

TEST_P(TeamTest, BodiesRoundToNearestAndTheCallersRoundingIsPutBack) {
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  std::atomic<int> wrong = 0;
  Team(GetParam()).run([&](const Member&) noexcept {
    volatile float third = 1.0f;
    third = third / 3.0f;
    wrong += third != 0x1.555556p-2f;
    volatile float small = 0x1p-126f;  // half of it is subnormal, not zero
    small = small / 2.0f;
    wrong += small == 0.0f;
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

INSTANTIATE_TEST_SUITE_P(, TeamTest, ::testing::Values(1, 2, 3, 8));

}  // namespace
}  // namespace kinglet::test
