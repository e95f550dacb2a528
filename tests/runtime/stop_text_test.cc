#include "runtime/stop_text.h"

#include <gtest/gtest.h>

namespace kinglet {
namespace {

TEST(StopText, ShowsEverythingWhereThereAreNoStops) {
  StopText text({});
  EXPECT_EQ(text.push("Once upon"), "Once upon");
  EXPECT_EQ(text.finish(), "");
  EXPECT_FALSE(text.is_stopped());
}

TEST(StopText, EndsBeforeAStopWithinOnePiece) {
  StopText text({"\n\n"});
  EXPECT_EQ(text.push("one\n\ntwo"), "one");
  EXPECT_TRUE(text.is_stopped());
  EXPECT_EQ(text.push("three"), "");
  EXPECT_EQ(text.finish(), "");
}

TEST(StopText, EndsBeforeAStopThatComesInPieces) {
  StopText text({"END"});
  EXPECT_EQ(text.push("the E"), "the ");
  EXPECT_EQ(text.push("N"), "");
  EXPECT_EQ(text.push("D of it"), "");
  EXPECT_TRUE(text.is_stopped());
}

TEST(StopText, LetsGoOfWhatOnlyLookedLikeAStop) {
  StopText text({"END"});
  EXPECT_EQ(text.push("EN"), "");
  EXPECT_EQ(text.push("OUGH"), "ENOUGH");
  EXPECT_EQ(text.push("E"), "");
  EXPECT_EQ(text.finish(), "E");
}

TEST(StopText, HoldsBackTheLongestBeginningThatOverlapsItself) {
  StopText text({"aab"});
  EXPECT_EQ(text.push("aaa"), "a");
  EXPECT_EQ(text.push("b"), "");
  EXPECT_TRUE(text.is_stopped());
}

TEST(StopText, TakesTheStopThatComesFirst) {
  StopText text({"later", "late"});
  EXPECT_EQ(text.push("too late"), "too ");
  StopText other({"xyz", "b"});
  EXPECT_EQ(other.push("abxyz"), "a");
}

TEST(StopText, IgnoresAnEmptyStop) {
  StopText text({""});
  EXPECT_EQ(text.push("a"), "a");
  EXPECT_FALSE(text.is_stopped());
}

}  // namespace
}  // namespace kinglet
