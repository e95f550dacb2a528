#pragma once

// The ids of short pieces that were encoded before: text repeats its words, and looking one up costs
// less than merging it again.
//
// A table of fixed size, one cache line a piece, two pieces to a place: a new piece comes first there,
// and the first becomes the second.
// What it answers depends on the model alone, so it changes speed and never a result.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/flat_hash.h"

namespace kinglet {

class PieceCache {
 public:
  static constexpr std::size_t kMaxBytes = 16;  // of a piece
  static constexpr std::size_t kMaxIds = 11;

  PieceCache() : places_(kPlaces) {}

  static bool takes(std::string_view piece) { return !piece.empty() && piece.size() <= kMaxBytes; }

  // The ids of `piece`, which takes() is true of; empty where it is not there.
  std::span<const TokenId> find(std::string_view piece) const {
    const Key key(piece);
    const Place& place = places_[key.place()];
    for (const Slot& slot : place)
      if (slot.holds(key)) return {slot.ids.data(), slot.count};
    return {};
  }

  // `piece` is not there yet.
  void put(std::string_view piece, std::span<const TokenId> ids) {
    if (ids.empty() || ids.size() > kMaxIds) return;
    const Key key(piece);
    Place& place = places_[key.place()];
    place[1] = place[0];
    Slot& slot = place[0];
    slot.head = key.head;
    slot.tail = key.tail;
    slot.size = key.size;
    slot.count = static_cast<std::uint16_t>(ids.size());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());
  }

 private:
  static constexpr std::size_t kPlaces = 8192;  // a megabyte in all

  // The piece itself: its first and last bytes, which overlap, and its length.
  struct Key {
    std::uint64_t head = 0, tail = 0;
    std::uint16_t size = 0;

    explicit Key(std::string_view piece) : size(static_cast<std::uint16_t>(piece.size())) {
      const char* at = piece.data();
      if (size >= 8) {
        std::memcpy(&head, at, 8);
        std::memcpy(&tail, at + size - 8, 8);
      } else if (size >= 4) {
        std::uint32_t low = 0, high = 0;
        std::memcpy(&low, at, 4);
        std::memcpy(&high, at + size - 4, 4);
        head = std::uint64_t{high} << 32 | low;
      } else {
        const auto byte = [&](int i) { return std::uint64_t{static_cast<unsigned char>(at[i])}; };
        head = byte(0) << 16 | byte(size / 2) << 8 | byte(size - 1);
      }
    }
    std::size_t place() const {
      return mix(head ^ 0x9E3779B97F4A7C15, tail ^ size ^ 0xD6E8FEB86659FD93) % kPlaces;
    }
  };

  struct alignas(64) Slot {
    std::uint64_t head = 0, tail = 0;
    std::uint16_t size = 0;  // of the piece; 0: free
    std::uint16_t count = 0;
    std::array<TokenId, kMaxIds> ids{};

    bool holds(const Key& key) const {
      return head == key.head && tail == key.tail && size == key.size;
    }
  };
  static_assert(sizeof(Slot) == 64);

  using Place = std::array<Slot, 2>;

  std::vector<Place> places_;
};

// The caches of one tokenizer: each call borrows one, so threads share none while they encode. There
// are as many as calls ran at the same time.
class PieceCaches {
 public:
  class Lease {
   public:
    explicit Lease(PieceCaches& owner) : owner_(owner), cache_(owner.take()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { owner_.give_back(std::move(cache_)); }

    PieceCache& operator*() const { return *cache_; }

   private:
    PieceCaches& owner_;
    std::unique_ptr<PieceCache> cache_;
  };

 private:
  std::unique_ptr<PieceCache> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto cache = std::move(free_.back());
        free_.pop_back();
        return cache;
      }
      // So that giving back needs no memory.
      free_.reserve(++made_);
    }
    return std::make_unique<PieceCache>();
  }
  void give_back(std::unique_ptr<PieceCache> cache) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(cache));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<PieceCache>> free_;
  std::size_t made_ = 0;
};

}  // namespace kinglet
