#include "runtime/thread_choice.h"

#include <gtest/gtest.h>

namespace kinglet {
namespace {

constexpr std::size_t kSmall = 1'000'000, kLarge = 1'000'000'000;

// Runs `passes` single-row passes that take as long as said; how many used all threads.
int passes_together(ThreadChoice& choice, int passes, double alone, double together) {
  int count = 0;
  for (int i = 0; i < passes; ++i) {
    const std::size_t threads = choice.threads(1);
    choice.record(1, threads, threads == 1 ? alone : together);
    count += threads > 1;
  }
  return count;
}

TEST(ThreadChoice, StaysAloneWhereTheTeamIsSlow) {
  ThreadChoice choice(2, kSmall);
  EXPECT_LE(passes_together(choice, 1000, 1e-4, 1e-2), 8);
}

TEST(ThreadChoice, TakesTheTeamWhereItIsFaster) {
  ThreadChoice choice(2, kSmall);
  EXPECT_GE(passes_together(choice, 1000, 2e-4, 1e-4), 900);
}

TEST(ThreadChoice, FindsOutThatThingsHaveChanged) {
  ThreadChoice choice(2, kSmall);
  passes_together(choice, 2000, 1e-4, 1e-2);
  passes_together(choice, 20000, 1e-4, 5e-5);
  EXPECT_GE(passes_together(choice, 1000, 1e-4, 5e-5), 900);
}

TEST(ThreadChoice, GivesLongPassesAndLargeModelsAllThreads) {
  ThreadChoice small(4, kSmall), large(4, kLarge);
  EXPECT_EQ(small.threads(512), 4u);
  EXPECT_EQ(small.threads(20), 1u);
  EXPECT_EQ(large.threads(20), 4u);
  EXPECT_EQ(large.threads(1), 4u);
}

TEST(ThreadChoice, HasNoChoiceWithOneThread) {
  ThreadChoice choice(1, kLarge);
  EXPECT_EQ(passes_together(choice, 100, 1e-4, 1e-5), 0);
  EXPECT_EQ(choice.threads(1000), 1u);
}

}  // namespace
}  // namespace kinglet
