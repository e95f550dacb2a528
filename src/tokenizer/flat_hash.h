#pragma once

// Open-addressing tables without deletion, sized once: at most half full, one probe in most cases.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "kinglet/tokenizer.h"

namespace kinglet {

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Of every byte and the length; not for an adversary: a chosen collision costs time, never a result.
inline std::uint64_t hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xD6E8FEB86659FD93;
  std::uint64_t hash = bytes.size() * kB + 1;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = mix(hash ^ word, kA);
  }
  std::uint64_t tail = 0;
  if (left >= 4) {
    std::uint32_t low = 0, high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + left - 4, 4);
    tail = static_cast<std::uint64_t>(high) << 32 | low;
  } else if (left > 0) {
    const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(at[i])}; };
    tail = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
  }
  return mix(hash ^ tail, kB);
}

// What merging two neighbours gives; the smaller rank goes first.
struct Merge {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::uint32_t rank = kNone;
  TokenId id = -1;
};

// (left id, right id) -> Merge.
class PairTable {
 public:
  explicit PairTable(std::size_t pairs = 0)
      : slots_(std::bit_ceil(pairs * 2 + 2)), mask_(slots_.size() - 1) {}

  // False where the pair is there already. At most as many as the constructor was told.
  bool insert(TokenId left, TokenId right, Merge merge) {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t i = place(key);; i = (i + 1) & mask_) {
      if (slots_[i].merge.rank == Merge::kNone) {
        slots_[i] = {key, merge};
        return true;
      }
      if (slots_[i].key == key) return false;
    }
  }

  // Starts to fetch the place that insert() will look at.
  void expect(TokenId left, TokenId right) const {
    __builtin_prefetch(&slots_[place(key_of(left, right))], 1);
  }

  Merge find(TokenId left, TokenId right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t i = place(key);; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.key == key || slot.merge.rank == Merge::kNone) return slot.merge;
    }
  }

 private:
  struct Slot {
    std::uint64_t key = ~std::uint64_t{0};
    Merge merge;
  };

  static std::uint64_t key_of(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t place(std::uint64_t key) const {
    const std::uint64_t hash = key * 0x9E3779B97F4A7C15;
    return static_cast<std::size_t>(hash ^ hash >> 32) & mask_;
  }

  std::vector<Slot> slots_;
  std::size_t mask_;
};

}  // namespace kinglet
