#include "tokenizer/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace kinglet {

const std::string_view pre::kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

std::uint32_t narrow(std::size_t n) { return static_cast<std::uint32_t>(n); }

// Collects the parts of one split, match by match, from the left.
class Splitter {
 public:
  Splitter(SplitBehavior behavior, Interval part, std::vector<Interval>& out)
      : behavior_(behavior), end_(part.end), done_(part.begin), out_(out), first_(out.size()) {}

  // Matches and what lies between them change roles.
  void invert() { match_is_match_ = false; }

  void match(std::uint32_t begin, std::uint32_t end) {
    if (begin > done_) add(done_, begin, !match_is_match_);
    add(begin, end, match_is_match_);
    done_ = end;
  }
  // Empty matches have separated what stands around them, and go.
  void finish() {
    if (end_ > done_) add(done_, end_, !match_is_match_);
    const auto is_empty = [](Interval part) { return part.empty(); };
    out_.erase(std::remove_if(out_.begin() + static_cast<std::ptrdiff_t>(first_), out_.end(), is_empty),
               out_.end());
  }

 private:
  void add(std::uint32_t begin, std::uint32_t end, bool is_match) {
    const bool has_last = out_.size() > first_;
    switch (behavior_) {
      case SplitBehavior::kRemoved:
        if (!is_match) out_.push_back({begin, end});
        break;
      case SplitBehavior::kIsolated:
        out_.push_back({begin, end});
        break;
      case SplitBehavior::kMergedWithPrevious:
        extend_or_add(begin, end, is_match && !last_was_match_ && has_last);
        break;
      case SplitBehavior::kMergedWithNext:
        // A match joins what follows it, unless that is a match too.
        extend_or_add(begin, end, !is_match && last_was_match_ && has_last);
        break;
      case SplitBehavior::kContiguous:
        extend_or_add(begin, end, is_match == last_was_match_ && has_last);
        break;
    }
    last_was_match_ = is_match;
  }
  void extend_or_add(std::uint32_t begin, std::uint32_t end, bool extends) {
    if (extends)
      out_.back().end = end;
    else
      out_.push_back({begin, end});
  }

  SplitBehavior behavior_;
  std::uint32_t end_, done_;
  std::vector<Interval>& out_;
  std::size_t first_;
  bool match_is_match_ = true;
  bool last_was_match_ = false;
};

// Classes as objects, so that what they say of ASCII is compiled into the loops over text.
constexpr auto kWhitespace = [](char32_t c) { return is_whitespace(c); };
constexpr auto kPunctuation = [](char32_t c) { return is_punctuation(c); };
constexpr auto kNumeric = [](char32_t c) { return is_numeric(c); };
constexpr auto kWord = [](char32_t c) { return is_word(c); };

// Each character of the class is a match by itself.
template <class IsMember>
void split_by_class(Pieces& pieces, SplitBehavior behavior, const IsMember& is_member) {
  std::vector<Interval> out;
  for (const Interval part : pieces.parts) {
    Splitter splitter(behavior, part, out);
    const std::string_view text = pieces.text.bytes();
    for (std::size_t at = part.begin; at < part.end;) {
      if (const auto byte = static_cast<unsigned char>(text[at]); byte < 0x80) {
        if (is_member(byte)) splitter.match(narrow(at), narrow(at + 1));
        ++at;
        continue;
      }
      const CodePoint c = first_code_point(text.substr(at));
      if (is_member(c.value)) splitter.match(narrow(at), narrow(at + c.length));
      at += c.length;
    }
    splitter.finish();
  }
  pieces.parts = std::move(out);
}

void match_all(const Regex& regex, std::string_view text, Interval part, Splitter& splitter,
               StepBudget& budget) {
  RegexSearch search(regex, text, budget);
  while (const auto match = search.next())
    splitter.match(part.begin + match->begin, part.begin + match->end);
}

void match_all(const std::string& literal, std::string_view text, Interval part, Splitter& splitter,
               StepBudget&) {
  for (std::size_t at = text.find(literal); at != text.npos; at = text.find(literal, at + literal.size()))
    splitter.match(part.begin + narrow(at), part.begin + narrow(at + literal.size()));
}

void apply_step(const pre::Split& step, Pieces& pieces, StepBudget& budget) {
  std::vector<Interval> parts;
  for (const Interval part : pieces.parts) {
    Splitter splitter(step.behavior, part, parts);
    if (step.keep == pre::Split::Keep::kInverted) splitter.invert();
    std::visit([&](const auto& p) { match_all(p, pieces.text.part(part), part, splitter, budget); },
               step.pattern);
    splitter.finish();
  }
  pieces.parts = std::move(parts);
}

// Puts `prefix` in front of the parts for which wants_prefix(part) is true.
template <class WantsPrefix>
void prepend(std::string_view prefix, Pieces& pieces, const WantsPrefix& wants_prefix) {
  Rewriter out(pieces.text);
  for (Interval& part : pieces.parts) {
    const std::size_t begin = out.size();
    if (wants_prefix(part)) out.put(prefix, part.begin, part.begin);
    out.keep(part.begin, part.end);
    part = {narrow(begin), narrow(out.size())};
  }
  pieces.text = out.finish();
}

void spell_in_stand_ins(Pieces& pieces) {
  Rewriter out(pieces.text);
  for (Interval& part : pieces.parts) {
    const std::size_t begin = out.size();
    for (std::size_t i = part.begin; i < part.end; ++i)
      out.put(to_utf8(stand_in(static_cast<unsigned char>(pieces.text.bytes()[i]))), i, i + 1);
    part = {narrow(begin), narrow(out.size())};
  }
  pieces.text = out.finish();
}

void apply_step(const pre::ByteLevel& step, Pieces& pieces, const Regex& gpt2, StepBudget& budget) {
  if (step.prefix == pre::ByteLevel::Prefix::kSpace)
    prepend(" ", pieces, [&](Interval part) { return pieces.text.bytes()[part.begin] != ' '; });
  if (step.words == pre::ByteLevel::Words::kSplit) {
    std::vector<Interval> parts;
    for (const Interval part : pieces.parts) {
      Splitter splitter(SplitBehavior::kIsolated, part, parts);
      match_all(gpt2, pieces.text.part(part), part, splitter, budget);
      splitter.finish();
    }
    pieces.parts = std::move(parts);
  }
  if (step.spelling == pre::ByteLevel::Spelling::kStandIns) spell_in_stand_ins(pieces);
}

// Appends bytes [begin, end) to `out`, with the replacement for each space.
void keep_without_spaces(std::string_view bytes, Interval part, std::string_view replacement,
                         Rewriter& out) {
  for (std::size_t at = part.begin; at < part.end;) {
    const std::size_t length = std::min(bytes.substr(at, part.end - at).find(' '), part.end - at);
    out.keep(at, at + length);
    at += length;
    if (at < part.end) {
      out.put(replacement, at, at + 1);
      ++at;
    }
  }
}

void apply_step(const pre::Metaspace& step, Pieces& pieces, StepBudget& budget) {
  using Prepend = pre::Metaspace::Prepend;
  Rewriter out(pieces.text);
  for (Interval& part : pieces.parts) {
    const std::string_view text = pieces.text.part(part);
    const bool is_wanted = step.prepend == Prepend::kAlways ||
                           (step.prepend == Prepend::kFirst && pieces.text.is_from_start(part.begin));
    const bool has_prefix = text.starts_with(' ') || text.starts_with(step.replacement);
    const std::size_t begin = out.size();
    if (is_wanted && !has_prefix) out.put(step.replacement, part.begin, part.begin);
    keep_without_spaces(pieces.text.bytes(), part, step.replacement, out);
    part = {narrow(begin), narrow(out.size())};
  }
  pieces.text = out.finish();
  if (step.words == pre::Metaspace::Words::kSplit)
    apply_step(pre::Split{step.replacement, SplitBehavior::kMergedWithNext}, pieces, budget);
}

void apply_step(const pre::Digits& step, Pieces& pieces) {
  split_by_class(pieces,
                 step.group == pre::Digits::Group::kSingle ? SplitBehavior::kIsolated
                                                           : SplitBehavior::kContiguous,
                 kNumeric);
}

void apply_step(const pre::Punctuation& step, Pieces& pieces) {
  split_by_class(pieces, step.behavior, kPunctuation);
}

// Runs of word characters and runs of others, without the whitespace between.
void apply_step(const pre::Whitespace&, Pieces& pieces) {
  split_by_class(pieces, SplitBehavior::kRemoved, kWhitespace);
  split_by_class(pieces, SplitBehavior::kContiguous, kWord);
}

void apply_step(const pre::WhitespaceSplit&, Pieces& pieces) {
  split_by_class(pieces, SplitBehavior::kRemoved, kWhitespace);
}

void apply_step(const pre::Bert&, Pieces& pieces) {
  split_by_class(pieces, SplitBehavior::kRemoved, kWhitespace);
  split_by_class(pieces, SplitBehavior::kIsolated, kPunctuation);
}

}  // namespace

PreTokenizer::PreTokenizer() : PreTokenizer(std::vector<pre::Step>{}) {}

PreTokenizer::PreTokenizer(std::vector<pre::Step> steps)
    : steps_(std::move(steps)), gpt2_(pre::kGpt2Pattern) {}

Pieces PreTokenizer::apply(TracedText text, StepBudget& budget) const {
  Pieces pieces;
  if (text.size() > 0) pieces.parts.push_back({0, narrow(text.size())});
  pieces.text = std::move(text);
  for (const pre::Step& step : steps_) {
    std::visit(
        [&](const auto& s) {
          if constexpr (requires { apply_step(s, pieces, gpt2_, budget); })
            apply_step(s, pieces, gpt2_, budget);
          else if constexpr (requires { apply_step(s, pieces, budget); })
            apply_step(s, pieces, budget);
          else
            apply_step(s, pieces);
        },
        step);
  }
  return pieces;
}

}  // namespace kinglet
