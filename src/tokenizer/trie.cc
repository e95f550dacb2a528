#include "tokenizer/trie.h"

#include <algorithm>
#include <string>

namespace kinglet {
namespace {

std::size_t byte_of(char c) { return static_cast<unsigned char>(c); }

// The entries [begin, end) share the bytes before `depth`, which end at `node`.
struct Range {
  std::size_t begin, end, depth;
  std::int32_t node;
};

}  // namespace

Trie::Trie(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& e) { return e.first.empty(); });
  if (entries.empty()) return;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.first < b.first; });

  grow_to(1024);
  nodes_[0].parent = 0;  // the root's slot is taken; no child is ever placed at 0
  std::vector<Range> open{{0, entries.size(), 0, kRoot}};
  std::string children;
  while (!open.empty()) {
    Range range = open.back();
    open.pop_back();
    auto& node_value = nodes_[static_cast<std::size_t>(range.node)].value;
    for (; range.begin < range.end && entries[range.begin].first.size() == range.depth; ++range.begin)
      if (node_value == kNone) node_value = entries[range.begin].second;
    if (range.begin == range.end) continue;

    children.clear();
    for (std::size_t i = range.begin; i < range.end; ++i) {
      const char c = entries[i].first[range.depth];
      if (children.empty() || children.back() != c) children.push_back(c);
    }
    const std::size_t base = free_base(children);
    nodes_[static_cast<std::size_t>(range.node)].base = static_cast<std::int32_t>(base);
    std::size_t first = range.begin;
    for (const char c : children) {
      std::size_t last = first;
      while (last < range.end && entries[last].first[range.depth] == c) ++last;
      const std::size_t child_at = base + byte_of(c);
      nodes_[child_at].parent = range.node;
      open.push_back({first, last, range.depth + 1, static_cast<std::int32_t>(child_at)});
      first = last;
    }
  }
}

void Trie::grow_to(std::size_t size) {
  if (nodes_.size() < size) nodes_.resize(std::max(size, nodes_.size() + nodes_.size() / 2));
}

// The smallest base, from where the array is no longer nearly full, at which all children fit.
std::size_t Trie::free_base(std::string_view children) {
  const auto [low, high] = std::minmax_element(
      children.begin(), children.end(), [](char a, char b) { return byte_of(a) < byte_of(b); });
  const std::size_t lowest = byte_of(*low), highest = byte_of(*high);
  std::size_t taken = 0;
  const std::size_t start = std::max(search_from_, lowest + 1);
  for (std::size_t at = start;; ++at) {
    grow_to(at + 257);
    if (nodes_[at].parent != kNone) {
      ++taken;
      continue;
    }
    const std::size_t base = at - lowest;
    grow_to(base + highest + 1);
    const bool fits = std::all_of(children.begin(), children.end(), [&](char c) {
      return nodes_[base + byte_of(c)].parent == kNone;
    });
    if (!fits) continue;
    if (at - start > 64 && taken * 20 >= (at - start) * 19) search_from_ = at;
    return base;
  }
}

Trie::Match Trie::longest_prefix(std::string_view text) const {
  Match best;
  if (empty()) return best;
  std::int32_t node = kRoot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node == kNone) break;
    if (value(node) != kNone) best = {i + 1, value(node)};
  }
  return best;
}

}  // namespace kinglet
