#pragma once

// Normalizers: text to text, before it is cut. The names and their meaning are those of a
// tokenizer.json's "normalizer"; SentencePiece is that library's own (normalizer.cc).

#include <string>
#include <variant>
#include <vector>

#include "tokenizer/charsmap.h"
#include "tokenizer/regex.h"
#include "tokenizer/traced_text.h"
#include "tokenizer/trie.h"
#include "tokenizer/unicode_form.h"

namespace kinglet {
namespace norm {

struct Unicode {
  UnicodeForm form = UnicodeForm::kNfc;
};
struct Lowercase {};
struct StripAccents {};  // all marks
struct Strip {
  enum class Side { kKept, kStripped } left = Side::kStripped, right = Side::kStripped;
};
struct Replace {
  std::variant<Regex, std::string> pattern;
  std::string content;
};
struct Prepend {
  std::string prefix;
};
struct Nmt {};  // drops controls, makes spaces of the rest of the oddities
struct Precompiled {  // a charsmap by grapheme clusters, as the Rust library applies it
  Charsmap map;
};
struct ByteLevel {};  // stand-ins
struct Bert {
  enum class Do { kNo, kYes };
  Do clean = Do::kYes, pad_cjk = Do::kYes, strip_accents = Do::kYes, lowercase = Do::kYes;
};
struct SentencePiece {
  Charsmap map;
  Trie user_defined;  // left as they are
  enum class Extra { kKept, kRemoved } whitespace = Extra::kKept;
  enum class Dummy { kNone, kPrefix, kSuffix } dummy = Dummy::kPrefix;
  std::string space = "\xE2\x96\x81";
};

using Step = std::variant<Unicode, Lowercase, StripAccents, Strip, Replace, Prepend, Nmt, Precompiled,
                          ByteLevel, Bert, SentencePiece>;

}  // namespace norm

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<norm::Step> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }
  // Well-formed text, but where the first step is SentencePiece: that takes any bytes. Errors: those of
  // RegexSearch::next().
  TracedText apply(TracedText text, StepBudget& budget) const;
  std::string apply(std::string_view text, StepBudget& budget) const;

 private:
  std::vector<norm::Step> steps_;
};

}  // namespace kinglet
