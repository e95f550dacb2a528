#include "tokenizer/traced_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::size_t kMostGrowth = 64;
constexpr std::size_t kSpare = std::size_t{1} << 20;
constexpr std::size_t kMostBytes = std::numeric_limits<std::uint32_t>::max();

}  // namespace

// All bytes of the first character count as its start.
TracedText::TracedText(std::string_view bytes, std::size_t begin, bool traced)
    : borrowed_(bytes),
      begin_(static_cast<std::uint32_t>(begin)),
      from_start_(begin > 0 ? 0 : std::max<std::size_t>(utf8_length(bytes), 1)),
      traced_(traced),
      limit_(std::min(kSpare + kMostGrowth * bytes.size(), kMostBytes)) {}

Interval TracedText::source(std::size_t begin, std::size_t end) const {
  const auto narrow = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  if (!is_own_) return {narrow(begin_ + begin), narrow(begin_ + end)};
  if (sources_.empty()) return {begin_, begin_};
  if (begin < end) return {sources_[begin].begin, sources_[end - 1].end};
  const std::uint32_t point = begin < sources_.size() ? sources_[begin].begin : sources_.back().end;
  return {point, point};
}

TracedText TracedText::slice(Interval place) const {
  Rewriter out(*this);
  out.keep(place.begin, place.end);
  return out.finish();
}

Rewriter::Rewriter(const TracedText& from) : from_(from) {
  to_.is_own_ = true;
  to_.begin_ = from.begin_;
  to_.traced_ = from.traced_;
  to_.limit_ = from.limit_;
  to_.own_.reserve(from.size() + from.size() / 8 + 16);
}

void Rewriter::count_from_start(std::size_t more) {
  if (to_.from_start_ == to_.own_.size()) to_.from_start_ += more;
}

void Rewriter::keep(std::size_t begin, std::size_t end) {
  if (begin < from_.from_start_) count_from_start(std::min(end, from_.from_start_) - begin);
  to_.own_ += from_.bytes().substr(begin, end - begin);
  if (!to_.traced_) return;
  for (std::size_t i = begin; i < end; ++i) to_.sources_.push_back(from_.source(i, i + 1));
}

void Rewriter::put(std::string_view bytes, std::size_t begin, std::size_t end) {
  if (begin < from_.from_start_) count_from_start(bytes.size());
  to_.own_ += bytes;
  check_size();
  if (to_.traced_) to_.sources_.resize(to_.own_.size(), from_.source(begin, end));
}

void Rewriter::check_size() const {
  if (to_.own_.size() > to_.limit_)
    throw usage_error("the text grows too long in normalization")
        .allowed(fmt::format("at most {} bytes", to_.limit_));
}

void Rewriter::drop_back(std::size_t count) {
  to_.own_.resize(to_.own_.size() - count);
  to_.from_start_ = std::min(to_.from_start_, to_.own_.size());
  if (to_.traced_) to_.sources_.resize(to_.own_.size());
}

TracedText Rewriter::finish() {
  check_size();
  return std::move(to_);
}

}  // namespace kinglet
