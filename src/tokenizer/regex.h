#pragma once

// A regular expression of a vocabulary file, run by PCRE2 with JIT, UTF and Unicode classes.
//
// The files' patterns are written for Oniguruma; oniguruma.h translates them.
// Patterns are untrusted: every search has a budget of steps, and running out is an Error.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/traced_text.h"

namespace kinglet {

class Regex {
 public:
  // Errors (kRefused): a pattern that does not compile.
  explicit Regex(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

 private:
  friend class RegexSearch;
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

// All matches of `regex` in `subject` (well-formed UTF-8, under 4 GiB), one after the other. An
// empty match is given too, but not directly after a match.
class RegexSearch {
 public:
  RegexSearch(const Regex& regex, std::string_view subject);
  ~RegexSearch();
  RegexSearch(const RegexSearch&) = delete;
  RegexSearch& operator=(const RegexSearch&) = delete;

  // Errors (kUsage): the step budget is spent.
  std::optional<Interval> next();

 private:
  struct State;
  int match();  // from position from_; PCRE2's return code
  int match_patiently(std::uint32_t limit);

  const Regex::Compiled& regex_;
  std::string_view subject_;
  std::unique_ptr<State> state_;
  std::size_t from_ = 0;
  std::optional<std::size_t> last_end_;
  std::uint64_t budget_;
};

}  // namespace kinglet
