#include "runtime/draft.h"

#include <algorithm>
#include <bit>

namespace kinglet {
namespace {

// Of n tokens, from that of the n - 1 behind the first of them (Fibonacci hashing).
std::uint64_t hash_of(std::uint64_t shorter, TokenId id) {
  const std::uint64_t mixed = (shorter ^ static_cast<std::uint32_t>(id)) * 0x9E3779B97F4A7C15;
  return mixed ^ (mixed >> 29);
}

}  // namespace

NgramDraft::NgramDraft(std::size_t longest, std::size_t capacity)
    : longest_(std::clamp<std::size_t>(longest, 1, kLongestNgram)),
      table_size_(std::bit_ceil(2 * capacity + 2)),
      tables_(longest_ * table_size_) {
  text_.reserve(capacity);
  proposal_.reserve(kMostTokens);
  // Until it is known better: the longer, the surer.
  for (std::size_t length = 0; length < right_.size(); ++length) {
    right_[length] = 1 - 1 / static_cast<float>(length + 1);
  }
}

std::span<std::uint32_t> NgramDraft::table_of(std::size_t n) {
  return std::span(tables_).subspan((n - 1) * table_size_, table_size_);
}

// Where the n-gram that ends the text is in its table, or is to be.
std::size_t NgramDraft::place_of(std::size_t n, std::uint64_t hash) {
  const std::span<std::uint32_t> table = table_of(n);
  std::size_t place = hash & (table_size_ - 1);
  const auto is_other = [&](std::size_t next) {
    return !std::equal(text_.end() - static_cast<std::ptrdiff_t>(n), text_.end(),
                       text_.begin() + static_cast<std::ptrdiff_t>(next - n));
  };
  while (table[place] != 0 && is_other(table[place])) place = (place + 1) & (table_size_ - 1);
  return place;
}

// The n-grams that end the text are entered here, now that something follows them: so the one that
// ends the text is never its own earlier occurrence.
void NgramDraft::push(TokenId id) {
  learn(id);
  for (std::size_t n = 1; n <= std::min(longest_, text_.size()); ++n) {
    table_of(n)[place_[n]] = static_cast<std::uint32_t>(text_.size());
  }
  text_.push_back(id);
  find();
}

// Every token says whether the lookup would have been right, whether it was used or not: trust
// comes and goes at no cost.
void NgramDraft::learn(TokenId id) {
  constexpr float kWeight = 0.125f;  // of the newest
  if (next_ == 0) return;
  float& right = right_[common_];
  right += kWeight * ((text_[next_] == id ? 1.0f : 0.0f) - right);
}

void NgramDraft::find() {
  next_ = 0;
  std::uint64_t hash = 0;
  for (std::size_t n = 1; n <= std::min(longest_, text_.size()); ++n) {
    hash = hash_of(hash, text_[text_.size() - n]);
    place_[n] = place_of(n, hash);
    const std::size_t next = table_of(n)[place_[n]];
    if (next != 0) next_ = next;
  }
  common_ = common_length(next_, text_.size());
}

// How many tokens before two places are the same, at most kLongestNgram.
std::size_t NgramDraft::common_length(std::size_t begin, std::size_t other) const {
  const std::size_t most = std::min(begin, kLongestNgram);
  std::size_t length = 0;
  while (length < most && text_[begin - 1 - length] == text_[other - 1 - length]) ++length;
  return length;
}

std::span<const TokenId> NgramDraft::propose(std::size_t most) {
  constexpr float kWorthIt = 0.5f;
  proposal_.clear();
  if (next_ == 0) return {};
  float all_right = 1;
  for (std::size_t i = 0; i < std::min(most, kMostTokens); ++i) {
    all_right *= right_[std::min(common_ + i, kLongestNgram)];
    if (all_right < kWorthIt) break;
    // Where the text ends, it goes on with what is proposed: a period shorter than the proposal.
    const std::size_t from = next_ + i;
    proposal_.push_back(from < text_.size() ? text_[from] : proposal_[from - text_.size()]);
  }
  return proposal_;
}

}  // namespace kinglet
