// Owned memory: aligned, distinct, and an error that says how much was wanted.

#include "base/memory.h"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <vector>

#include "kinglet/error.h"

namespace kinglet::test {
namespace {

bool is_aligned(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at) % kCacheLine == 0; }

TEST(AlignedBytesTest, StartOnCacheLinesHoweverLarge) {
  for (const std::size_t size : {1u, 63u, 64u, 4097u, 3u << 20}) {
    const AlignedBytes plain(size), huge = AlignedBytes::on_huge_pages(size);
    EXPECT_EQ(plain.size(), size);
    EXPECT_EQ(huge.size(), size);
    EXPECT_TRUE(is_aligned(plain.data()) && is_aligned(huge.data())) << size;
  }
  EXPECT_EQ(AlignedBytes(0).data(), nullptr);
  EXPECT_EQ(AlignedBytes::on_huge_pages(0).data(), nullptr);
}

TEST(AlignedBytesTest, SayHowMuchWasWanted) {
  const auto message = [](std::size_t size) -> std::string {
    try {
      const AlignedBytes bytes(size);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(std::numeric_limits<std::size_t>::max()), ::testing::HasSubstr("out of memory: needs"));
  EXPECT_THAT(message(std::numeric_limits<std::size_t>::max() / 4), ::testing::HasSubstr("GiB"));
}

// Each piece is filled with its own byte; a piece that reached into another would change it.
TEST(ArenaTest, PiecesAreAlignedAndApart) {
  Arena arena;
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (const std::size_t size : {1u, 64u, 65u, 20u << 20, 100u, 40u << 20, 7u, 31u << 20, 5u << 20}) {
    pieces.emplace_back(arena.take(size), size);
    EXPECT_TRUE(is_aligned(pieces.back().first)) << size;
    std::memset(pieces.back().first, static_cast<int>(pieces.size()), size);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto [at, size] = pieces[i];
    const auto want = static_cast<std::byte>(i + 1);
    EXPECT_EQ(std::count(at, at + size, want), static_cast<std::ptrdiff_t>(size)) << "piece " << i;
  }
}

}  // namespace
}  // namespace kinglet::test
