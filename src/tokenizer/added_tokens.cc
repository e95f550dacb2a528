#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

std::uint32_t narrow(std::size_t n) { return static_cast<std::uint32_t>(n); }

// The last character of `text` that is one; text around a token may be malformed.
bool ends_with(std::string_view text, bool (*is_member)(char32_t), std::size_t& length) {
  for (length = 1; length <= 4 && length <= text.size(); ++length) {
    const std::string_view tail = text.substr(text.size() - length);
    if (utf8_length(tail) == length) return is_member(first_code_point(tail).value);
  }
  return false;
}

bool starts_with(std::string_view text, bool (*is_member)(char32_t), std::size_t& length) {
  length = utf8_length(text);
  return length > 0 && is_member(first_code_point(text).value);
}

bool is_whole_word(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t length = 0;
  return !ends_with(text.substr(0, begin), is_word, length) &&
         !starts_with(text.substr(end), is_word, length);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  // A content that is no UTF-8 would cut characters of the text in two.
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty() || !is_utf8(token.content); });
  std::vector<Trie::Entry> entries;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    entries.emplace_back(tokens_[i].content, static_cast<std::int32_t>(i));
    is_start_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
  has_one_start_ = std::count(is_start_.begin(), is_start_.end(), true) == 1;
  if (has_one_start_) only_start_ = tokens_[0].content[0];
  trie_ = Trie(std::move(entries));
}

// The next place where a token could start; text.size() where there is none.
std::size_t AddedTokens::next_start(std::string_view text, std::size_t from) const {
  if (has_one_start_) return std::min(text.find(only_start_, from), text.size());
  while (from < text.size() && !is_start_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

std::vector<Segment> AddedTokens::split(std::string_view text, SpecialTokens special) const {
  std::vector<Segment> segments;
  std::size_t done = 0;
  std::size_t space_end = 0;  // of the run of whitespace that was swallowed last
  for (std::size_t at = 0; at < text.size() && !empty();) {
    at = next_start(text, at);
    if (at == text.size()) break;
    const Trie::Match match = trie_.longest_prefix(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    std::size_t begin = at, end = at + match.length;
    at = end;
    if (token.is_special && special == SpecialTokens::kAsText) continue;
    if (token.is_single_word && !is_whole_word(text, begin, end)) continue;

    std::size_t length = 0;
    if (token.strips_left) {
      while (begin > done && ends_with(text.substr(0, begin), is_whitespace, length)) begin -= length;
      begin = std::max(begin, done);
    }
    if (token.strips_right) {
      end = std::max(end, space_end);
      while (starts_with(text.substr(end), is_whitespace, length)) end += length;
      space_end = end;
    }
    begin = std::min(begin, end);
    if (begin > done) segments.push_back({{narrow(done), narrow(begin)}});
    if (end > begin) segments.push_back({{narrow(begin), narrow(end)}, token.id});
    done = end;
  }
  if (done < text.size()) segments.push_back({{narrow(done), narrow(text.size())}});
  return segments;
}

}  // namespace kinglet
