#include "tokenizer/piece_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kinglet {
namespace {

using Ids = std::vector<TokenId>;

TEST(PieceCache, GivesWhatWasPutLastOrNothing) {
  PieceCache cache;
  std::map<std::string, Ids> put;
  std::mt19937 engine(3);
  const auto below = [&](std::size_t end) { return engine() % end; };
  std::size_t found = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string piece;
    for (std::size_t left = below(PieceCache::kMaxBytes) + 1; left > 0; --left)
      piece.push_back(below(6) > 0 ? 'a' : static_cast<char>(below(256)));  // many start alike
    ASSERT_TRUE(PieceCache::takes(piece));
    const auto ids = cache.find(piece);
    if (!ids.empty()) {
      ++found;
      ASSERT_EQ(Ids(ids.begin(), ids.end()), put[piece]);
      continue;
    }
    put[piece] = Ids(below(PieceCache::kMaxIds) + 1, static_cast<TokenId>(round));
    cache.put(piece, put[piece]);
    const auto kept = cache.find(piece);
    ASSERT_EQ(Ids(kept.begin(), kept.end()), put[piece]);
  }
  EXPECT_GT(found, 1000U);
  EXPECT_FALSE(PieceCache::takes(""));
  EXPECT_FALSE(PieceCache::takes(std::string(PieceCache::kMaxBytes + 1, 'a')));
}

// Families of pieces that differ in one respect alone, many more of each than there are places: whatever
// a comparison leaves out, two of them meet.
TEST(PieceCache, TakesNoPieceForAnother) {
  std::vector<std::string> pieces;
  for (int i = 0; i < 65536; ++i) {
    const std::string two{static_cast<char>(i & 0xFF), static_cast<char>(i >> 8)};
    const auto repeated = [&](int times) {
      std::string text;
      for (; times > 0; --times) text += two;
      return text;
    };
    pieces.push_back(two + "abcdefghijklmn");  // in the first bytes
    pieces.push_back("abcdefghijklmn" + two);  // in the last
    for (const int times : {4, 5, 6, 7, 8}) pieces.push_back(repeated(times));  // in length
    for (const char* rest : {"", "a", "ab", "abc"}) pieces.push_back(two + rest);
    pieces.push_back("a" + two);
    pieces.push_back("ab" + two + "c");
  }
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  PieceCache cache;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    ASSERT_TRUE(cache.find(pieces[i]).empty()) << testing::PrintToString(pieces[i]);
    cache.put(pieces[i], Ids{static_cast<TokenId>(i)});
  }
}

// Pieces fall on places at random: with one to a place, 63 of 100 would stay; with pieces that start or
// end alike on the same place, nearly none.
TEST(PieceCache, KeepsTwoPiecesOfOnePlace) {
  constexpr int kPieces = 8192;
  for (const auto& [before, after] : {std::pair("", ""), std::pair("a long word", ""), std::pair("", "a long word")}) {
    PieceCache cache;
    const auto piece = [&](int i) { return before + std::to_string(i) + after; };
    for (int i = 0; i < kPieces; ++i) cache.put(piece(i), Ids{i});
    int kept = 0;
    for (int i = 0; i < kPieces; ++i) {
      const auto ids = cache.find(piece(i));
      if (ids.empty()) continue;
      ++kept;
      ASSERT_EQ(ids[0], i);
    }
    EXPECT_GT(kept, kPieces * 85 / 100) << before << "#" << after;
  }
}

TEST(PieceCache, WhatStandsAroundAPieceIsNoPartOfIt) {
  const std::string word = "123456789ABCDEFG";
  for (std::size_t size = 1; size <= word.size(); ++size) {
    const std::string here = "<" + word.substr(0, size) + ">", there = "(" + word.substr(0, size) + ")";
    PieceCache cache;
    cache.put(std::string_view(here).substr(1, size), Ids{7});
    EXPECT_EQ(cache.find(std::string_view(there).substr(1, size)).size(), 1U) << size;
  }
}

TEST(PieceCache, LeavesOutWhatHasNoOrTooManyIds) {
  PieceCache cache;
  cache.put("none", Ids{});
  EXPECT_TRUE(cache.find("none").empty());
  cache.put("most", Ids(PieceCache::kMaxIds, 7));
  EXPECT_EQ(cache.find("most").size(), PieceCache::kMaxIds);
  cache.put("more", Ids(PieceCache::kMaxIds + 1, 7));
  EXPECT_TRUE(cache.find("more").empty());
}

}  // namespace
}  // namespace kinglet
