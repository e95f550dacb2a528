#pragma once

// Pre-tokenizers: text to the pieces that the model tokenises one by one. The names and their
// meaning are those of a tokenizer.json's "pre_tokenizer".

#include <string>
#include <variant>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/traced_text.h"

namespace kinglet {

// A text cut into parts; what lies between parts is dropped.
struct Pieces {
  TracedText text;
  std::vector<Interval> parts;
};

// What becomes of the matches and of what lies between them.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

namespace pre {

struct Split {
  std::variant<Regex, std::string> pattern;  // a literal string matches itself
  SplitBehavior behavior = SplitBehavior::kIsolated;
  enum class Keep { kAsMatched, kInverted } keep = Keep::kAsMatched;
};
struct ByteLevel {
  enum class Prefix { kNone, kSpace } prefix = Prefix::kNone;
  enum class Words { kWhole, kSplit } words = Words::kSplit;  // by GPT-2's expression
  // kBytes: the model works on bytes, and the text stays as it is.
  enum class Spelling { kStandIns, kBytes } spelling = Spelling::kStandIns;
};
struct Metaspace {
  std::string replacement = "\xE2\x96\x81";
  enum class Prepend { kAlways, kFirst, kNever } prepend = Prepend::kAlways;
  enum class Words { kWhole, kSplit } words = Words::kSplit;
};
struct Digits {
  enum class Group { kRuns, kSingle } group = Group::kRuns;
};
struct Punctuation {
  SplitBehavior behavior = SplitBehavior::kIsolated;
};
struct Whitespace {};       // \w+|[^\w\s]+
struct WhitespaceSplit {};  // between whitespace
struct Bert {};             // whitespace and punctuation

using Step =
    std::variant<Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, Bert>;

// The contractions, words, numbers and spaces of GPT-2.
extern const std::string_view kGpt2Pattern;

}  // namespace pre

class PreTokenizer {
 public:
  PreTokenizer();
  explicit PreTokenizer(std::vector<pre::Step> steps);

  // Errors: those of RegexSearch::next().
  Pieces apply(TracedText text, StepBudget& budget) const;

 private:
  std::vector<pre::Step> steps_;
  Regex gpt2_;
};

}  // namespace kinglet
