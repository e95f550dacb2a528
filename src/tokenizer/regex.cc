#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/oniguruma.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

struct Free {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// A match that takes more steps than this is retried with more, on the account of the budget: most
// take a dozen, and a hostile pattern must not spend millions at every position.
constexpr std::uint32_t kFirstLimit = 2000;
constexpr std::size_t kMaxPattern = 64 * 1024;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Regex::Compiled {
  Owned<pcre2_code> code;
  bool has_jit = false;
};

Regex::Regex(std::string_view pattern) {
  if (pattern.size() > kMaxPattern)
    throw refused("a regular expression is over 64 KiB").found(quoted(pattern));
  const std::string text = pcre2_of_oniguruma(pattern);
  const Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 64);
  int error = 0;
  std::size_t where = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->code.reset(pcre2_compile(units(text), text.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                     &error, &where, context.get()));
  if (compiled->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    throw refused("a regular expression does not compile: " +
                  printable(reinterpret_cast<const char*>(message.data())))
        .found(quoted(pattern));
  }
  compiled->has_jit = pcre2_jit_compile(compiled->code.get(), PCRE2_JIT_COMPLETE) == 0;
  compiled_ = std::move(compiled);
}

Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

struct RegexSearch::State {
  Owned<pcre2_match_data> data;
  Owned<pcre2_match_context> context;
  Owned<pcre2_jit_stack> stack;  // only once the small one on the machine's stack was too small
};

RegexSearch::RegexSearch(const Regex& regex, std::string_view subject, StepBudget& budget)
    : regex_(*regex.compiled_),
      subject_(subject),
      state_(std::make_unique<State>()),
      budget_(budget) {
  state_->data.reset(pcre2_match_data_create(1, nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  if (state_->data == nullptr || state_->context == nullptr)
    throw runtime_error("out of memory for a regular expression");
  pcre2_set_match_limit(state_->context.get(), kFirstLimit);
  pcre2_set_heap_limit(state_->context.get(), 64 * 1024);  // KiB
}

RegexSearch::~RegexSearch() = default;

int RegexSearch::match() {
  const auto run = regex_.has_jit ? pcre2_jit_match : pcre2_match;
  const int result = run(regex_.code.get(), units(subject_), subject_.size(), from_, PCRE2_NO_UTF_CHECK,
                         state_->data.get(), state_->context.get());
  if (result != PCRE2_ERROR_JIT_STACKLIMIT || state_->stack != nullptr) return result;
  constexpr std::size_t kMiB = 1024 * 1024;
  state_->stack.reset(pcre2_jit_stack_create(kMiB, 64 * kMiB, nullptr));
  pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
  return match();
}

int RegexSearch::match_patiently(std::uint32_t limit) {
  int result = PCRE2_ERROR_MATCHLIMIT;
  while (result == PCRE2_ERROR_MATCHLIMIT && budget_.spend(limit)) {
    limit = limit < 0x10000000 ? limit * 8 : limit;
    pcre2_set_match_limit(state_->context.get(), limit);
    result = match();
  }
  pcre2_set_match_limit(state_->context.get(), kFirstLimit);
  return result;
}

std::optional<Interval> RegexSearch::next() {
  while (from_ <= subject_.size()) {
    int result = match();
    if (result == PCRE2_ERROR_MATCHLIMIT) result = match_patiently(kFirstLimit);
    if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (result < 0)
      throw usage_error("a regular expression of the tokenizer takes too long on this text");
    const std::size_t* bounds = pcre2_get_ovector_pointer(state_->data.get());
    const std::size_t begin = bounds[0], end = bounds[1];
    if (end < begin || end < from_) return std::nullopt;  // \K in a look-around
    if (begin == end && last_end_ == end) {
      from_ = end < subject_.size() ? end + first_code_point(subject_.substr(end)).length : end + 1;
      continue;
    }
    from_ = end;
    last_end_ = end;
    return Interval{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
  }
  return std::nullopt;
}

}  // namespace kinglet
