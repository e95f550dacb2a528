#pragma once

// A set of byte strings with a number each, as a double array: child(node, byte) is one addition and
// one comparison (Aoe, 1989).

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace kinglet {

class Trie {
 public:
  using Entry = std::pair<std::string_view, std::int32_t>;  // key, value >= 0

  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kRoot = 0;

  Trie() = default;
  // Of equal keys the first stays; empty keys are left out.
  explicit Trie(std::vector<Entry> entries);

  bool empty() const { return nodes_.empty(); }

  // The node one byte further, or kNone. The trie is not empty.
  std::int32_t child(std::int32_t node, char byte) const {
    const auto next = static_cast<std::size_t>(nodes_[static_cast<std::size_t>(node)].base +
                                               static_cast<unsigned char>(byte));
    if (next >= nodes_.size() || nodes_[next].parent != node) return kNone;
    return static_cast<std::int32_t>(next);
  }
  bool has_key_from(char byte) const { return !empty() && child(kRoot, byte) != kNone; }
  std::int32_t value(std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)].value; }

  // The longest key that `text` starts with; length 0 where there is none.
  struct Match {
    std::size_t length = 0;
    std::int32_t value = kNone;
  };
  Match longest_prefix(std::string_view text) const;

 private:
  struct Node {
    std::int32_t base = 0;
    std::int32_t parent = kNone;  // kNone: the slot is free
    std::int32_t value = kNone;
  };
  void grow_to(std::size_t size);
  std::size_t free_base(std::string_view children);

  std::vector<Node> nodes_;
  std::size_t search_from_ = 1;
};

}  // namespace kinglet
