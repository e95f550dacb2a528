#pragma once

// A regular expression of a vocabulary file, run by PCRE2 with JIT, UTF and Unicode classes.
//
// The files' patterns are written for Oniguruma; oniguruma.h translates them.
// Patterns are untrusted: all searches of one text share a budget of steps, and running out is an Error.

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

// The steps that searches may take together, beyond the first few of each match. Shared, because a text
// can be cut into any number of parts, each searched by itself.
class StepBudget {
 public:
  // For a text of that many bytes.
  explicit StepBudget(std::size_t bytes) { allow(bytes); }
  void allow(std::size_t bytes) { left_ += kPerByte * bytes; }

  // False where there are not so many left.
  bool spend(std::uint64_t steps) {
    if (steps > left_) return false;
    left_ -= steps;
    return true;
  }

 private:
  static constexpr std::uint64_t kPerByte = 64;
  std::uint64_t left_ = 20'000'000;
};

// All matches of `regex` in `subject` (well-formed UTF-8, under 4 GiB), one after the other. An
// empty match is given too, but not directly after a match.
class RegexSearch {
 public:
  // `budget` outlives the search.
  RegexSearch(const Regex& regex, std::string_view subject, StepBudget& budget);
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
  StepBudget& budget_;
};

}  // namespace kinglet
