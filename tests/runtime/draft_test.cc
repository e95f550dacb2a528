// The oracle of a match is its definition, by searching the whole text.

#include "runtime/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace kinglet {
namespace {

// The index after the latest earlier occurrence of the longest n-gram, n <= longest, that ends the
// text and has one.
std::size_t match_by_definition(const std::vector<TokenId>& text, std::size_t longest) {
  for (std::size_t n = std::min(longest, text.size()); n > 0; --n) {
    for (std::size_t end = text.size() - 1; end >= n; --end) {
      if (std::equal(text.end() - static_cast<std::ptrdiff_t>(n), text.end(),
                     text.begin() + static_cast<std::ptrdiff_t>(end - n))) {
        return end;
      }
    }
  }
  return 0;
}

TEST(NgramDraft, FindsTheLatestOccurrenceOfTheLongestNgram) {
  std::mt19937 random(11);
  for (const std::size_t longest : {1u, 2u, 3u, 5u, 16u}) {
    for (const int alphabet : {1, 2, 3, 10, 100'000}) {
      constexpr std::size_t kLength = 300;
      NgramDraft draft(longest, kLength);
      std::vector<TokenId> text;
      while (text.size() < kLength) {
        text.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(alphabet)));
        draft.push(text.back());
        ASSERT_EQ(draft.match(), match_by_definition(text, longest))
            << "n " << longest << ", alphabet " << alphabet << ", length " << text.size();
      }
    }
  }
}

TEST(NgramDraft, ProposesWhatFollowedTheMatch) {
  std::mt19937 random(12);
  NgramDraft draft(3, 2000);
  std::vector<TokenId> text;
  std::size_t proposed = 0;
  while (text.size() < 2000) {
    // Runs of copies from anywhere, of all lengths, and noise between them.
    if (text.empty() || random() % 4 == 0) {
      text.push_back(static_cast<TokenId>(random() % 50));
      draft.push(text.back());
    }
    std::size_t from = random() % text.size();
    for (std::size_t left = random() % 40; left > 0 && text.size() < 2000; --left) {
      text.push_back(text[from++]);
      draft.push(text.back());
      const std::size_t most = random() % 20;
      const auto proposal = draft.propose(most);
      ASSERT_LE(proposal.size(), std::min(most, NgramDraft::kMostTokens));
      std::vector<TokenId> longer = text;  // goes on as it went on after the match
      for (std::size_t i = 0; i < proposal.size(); ++i) longer.push_back(longer[draft.match() + i]);
      ASSERT_TRUE(std::equal(proposal.begin(), proposal.end(),
                             longer.begin() + static_cast<std::ptrdiff_t>(text.size())));
      proposed += proposal.size();
    }
  }
  EXPECT_GT(proposed, 1000u);
}

TEST(NgramDraft, ProposesNothingBeforeAnythingComesTwice) {
  NgramDraft draft(4, 100);
  EXPECT_TRUE(draft.propose(8).empty());
  for (TokenId id = 0; id < 100; ++id) {
    draft.push(id);
    EXPECT_TRUE(draft.propose(8).empty());
  }
}

TEST(NgramDraft, GoesOnWithAPeriodShorterThanTheProposal) {
  NgramDraft draft(2, 100);
  for (int i = 0; i < 98; ++i) draft.push(i % 2);
  EXPECT_THAT(draft.propose(5), testing::ElementsAre(0, 1, 0, 1, 0));
  EXPECT_EQ(draft.propose(100).size(), NgramDraft::kMostTokens);
}

// Pairs come again and again, and never with the same token after them.
TEST(NgramDraft, FallsSilentWhereItIsWrongAndTrustsLongCopiesAgainAtOnce) {
  std::vector<TokenId> text;
  for (TokenId id = 0; id < 40; ++id) text.push_back(1000 + id);  // to be copied later
  for (TokenId id = 0; id < 60; ++id) text.insert(text.end(), {1, 2, 3 + id});
  NgramDraft draft(3, 1000);
  for (const TokenId id : text) draft.push(id);
  draft.push(1);
  draft.push(2);
  EXPECT_NE(draft.match(), 0u);
  EXPECT_TRUE(draft.propose(8).empty());
  for (TokenId id = 0; id < 12; ++id) draft.push(1000 + id);
  EXPECT_THAT(draft.propose(4), testing::ElementsAre(1012, 1013, 1014, 1015));
}

}  // namespace
}  // namespace kinglet
