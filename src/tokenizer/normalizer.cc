#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

// Rewrites character by character: change(c, out) appends what `c` becomes and says whether that is
// another text than `c`. changes_ascii(c): whether ASCII `c` changes at all; where not, it is stepped over.
template <class ChangesAscii, class Change>
TracedText map_characters(TracedText text, const ChangesAscii& changes_ascii, const Change& change) {
  const std::string_view bytes = text.bytes();
  const auto is_kept = [&](std::size_t at) {
    const auto byte = static_cast<unsigned char>(bytes[at]);
    return byte < 0x80 && !changes_ascii(byte);
  };
  std::optional<Rewriter> out;
  std::string changed;
  std::size_t kept_from = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    if (is_kept(at)) {
      ++at;
      continue;
    }
    const CodePoint c = first_code_point(bytes.substr(at));
    changed.clear();
    if (change(c.value, changed)) {
      if (!out) out.emplace(text);
      out->keep(kept_from, at);
      out->put(changed, at, at + c.length);
      kept_from = at + c.length;
    }
    at += c.length;
  }
  if (!out) return text;
  out->keep(kept_from, bytes.size());
  return out->finish();
}

bool is_never(unsigned char) { return false; }
bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }

bool lower(char32_t c, std::string& out) {
  if (c < 0x80) {
    if (c < 'A' || c > 'Z') return false;
    out.push_back(static_cast<char>(c + 32));
    return true;
  }
  append_lower(out, c);
  return out != to_utf8(c);
}

TracedText apply_step(const norm::Unicode& step, const TracedText& text) { return to_form(text, step.form); }

TracedText apply_step(const norm::Lowercase&, const TracedText& text) {
  return map_characters(text, is_upper, lower);
}

TracedText apply_step(const norm::StripAccents&, const TracedText& text) {
  return map_characters(text, is_never, [](char32_t c, std::string&) { return is_mark(c); });
}

TracedText apply_step(const norm::Strip& step, const TracedText& text) {
  std::string_view bytes = text.bytes();
  std::size_t begin = 0;
  if (step.left == norm::Strip::Side::kStripped) {
    while (begin < bytes.size() && is_whitespace(first_code_point(bytes.substr(begin)).value))
      begin += first_code_point(bytes.substr(begin)).length;
  }
  std::size_t end = bytes.size();
  if (step.right == norm::Strip::Side::kStripped) {
    while (end > begin && is_whitespace(last_code_point(bytes.substr(0, end)).value))
      end -= last_code_point(bytes.substr(0, end)).length;
  }
  Rewriter out(text);
  out.keep(begin, end);
  return out.finish();
}

TracedText replaced(const TracedText& text, const std::string& pattern, std::string_view content,
                    StepBudget&) {
  Rewriter out(text);
  const std::string_view bytes = text.bytes();
  std::size_t done = 0;
  for (std::size_t at = bytes.find(pattern); at != bytes.npos; at = bytes.find(pattern, done)) {
    out.keep(done, at);
    done = at + pattern.size();
    out.put(content, at, done);
  }
  out.keep(done, bytes.size());
  return out.finish();
}

TracedText replaced(const TracedText& text, const Regex& pattern, std::string_view content,
                    StepBudget& budget) {
  if (text.size() == 0) return text;  // nothing matches in nothing
  Rewriter out(text);
  std::size_t done = 0;
  RegexSearch search(pattern, text.bytes(), budget);
  while (const auto match = search.next()) {
    out.keep(done, match->begin);
    out.put(content, match->begin, match->end);
    done = match->end;
  }
  out.keep(done, text.size());
  return out.finish();
}

TracedText apply_step(const norm::Replace& step, const TracedText& text, StepBudget& budget) {
  return std::visit([&](const auto& pattern) { return replaced(text, pattern, step.content, budget); },
                    step.pattern);
}

TracedText apply_step(const norm::Prepend& step, const TracedText& text) {
  if (text.size() == 0) return text;
  Rewriter out(text);
  out.put(step.prefix, 0, 0);
  out.keep(0, text.size());
  return out.finish();
}

TracedText apply_step(const norm::Nmt&, const TracedText& text) {
  const auto in = [](char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; };
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  return map_characters(text, is_control, [&](char32_t c, std::string& out) {
    if (in(c, 1, 8) || c == 0xB || in(c, 0xE, 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) return true;
    const bool is_space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                          in(c, 0x200B, 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                          c == 0xFEFF || c == 0xFFFD;
    if (is_space) out.push_back(' ');
    return is_space;
  });
}

TracedText apply_step(const norm::ByteLevel&, const TracedText& text) {
  Rewriter out(text);
  for (std::size_t i = 0; i < text.size(); ++i)
    out.put(to_utf8(stand_in(static_cast<unsigned char>(text.bytes()[i]))), i, i + 1);
  return out.finish();
}

// The end of the grapheme cluster that starts at `begin`.
std::size_t cluster_end(std::string_view bytes, std::size_t begin) {
  utf8proc_int32_t state = 0;
  CodePoint c = first_code_point(bytes.substr(begin));
  std::size_t end = begin + c.length;
  while (end < bytes.size()) {
    const CodePoint next = first_code_point(bytes.substr(end));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(c.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state))
      break;
    end += next.length;
    c = next;
  }
  return end;
}

TracedText apply_step(const norm::Precompiled& step, const TracedText& text) {
  constexpr std::size_t kShortCluster = 6;  // bytes; longer ones go character by character
  Rewriter out(text);
  const std::string_view bytes = text.bytes();
  const auto transform = [&](std::size_t begin, std::size_t end) {
    // The shortest rule that fits stands for the whole: the library's slip, which ids depend on.
    const Charsmap::Match match = step.map.shortest_prefix(bytes.substr(begin, end - begin));
    if (match.length > 0) out.put(match.replacement, begin, end);
    return match.length > 0;
  };
  for (std::size_t begin = 0; begin < bytes.size();) {
    if (step.map.keeps_first(bytes.substr(begin))) {  // a cluster by itself, or the CR of CR LF
      std::size_t end = begin + 1;
      while (end < bytes.size() && step.map.keeps_first(bytes.substr(end))) ++end;
      out.keep(begin, end);
      begin = end;
      continue;
    }
    const std::size_t end = cluster_end(bytes, begin);
    if (end - begin >= kShortCluster || !transform(begin, end)) {
      for (std::size_t at = begin; at < end;) {
        const std::size_t length = first_code_point(bytes.substr(at)).length;
        if (!transform(at, at + length)) out.keep(at, at + length);
        at += length;
      }
    }
    begin = end;
  }
  return out.finish();
}

bool is_bert_control(char32_t c) { return c != '\t' && c != '\n' && c != '\r' && is_other(c); }

TracedText apply_step(const norm::Bert& step, TracedText text) {
  using Do = norm::Bert::Do;
  if (step.clean == Do::kYes) {
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    text = map_characters(std::move(text), is_control, [](char32_t c, std::string& out) {
      if (c == 0 || c == 0xFFFD || is_bert_control(c)) return true;
      if (c == ' ' || !is_whitespace(c)) return false;
      out.push_back(' ');
      return true;
    });
  }
  // What is left to do with ASCII is its case.
  const bool is_plain = is_ascii(text.bytes());
  if (step.pad_cjk == Do::kYes && !is_plain)
    text = map_characters(std::move(text), is_never, [](char32_t c, std::string& out) {
      if (is_cjk(c)) out = " " + to_utf8(c) + " ";
      return is_cjk(c);
    });
  if (step.strip_accents == Do::kYes && !is_plain)
    text = map_characters(to_form(text, UnicodeForm::kNfd), is_never,
                          [](char32_t c, std::string&) { return is_nonspacing_mark(c); });
  if (step.lowercase == Do::kYes) text = map_characters(std::move(text), is_upper, lower);
  return text;
}

// What the start of `rest` becomes, and how many bytes of it that takes.
struct NormalizedPrefix {
  std::string_view text;
  std::size_t length;
};

NormalizedPrefix normalized_prefix(const norm::SentencePiece& step, std::string_view rest) {
  if (const auto whole = step.user_defined.longest_prefix(rest); whole.length > 0)
    return {rest.substr(0, whole.length), whole.length};
  if (const auto rule = step.map.longest_prefix(rest); rule.length > 0)
    return {rule.replacement, rule.length};
  const std::size_t length = utf8_length(rest);
  if (length == 0) return {kReplacement, 1};
  return {rest.substr(0, length), length};
}

// The length of the start of `rest` that is ASCII, without spaces, and stays as it is.
std::size_t plain_prefix(const norm::SentencePiece& step, std::string_view rest) {
  std::size_t length = 0;
  while (length < rest.size() && rest[length] != ' ' && step.map.keeps_first(rest.substr(length)) &&
         !step.user_defined.has_key_from(rest[length]))
    ++length;
  return length;
}

// Normalizer::Normalize() of sentencepiece's normalizer.cc.
TracedText apply_step(const norm::SentencePiece& step, const TracedText& text) {
  using Dummy = norm::SentencePiece::Dummy;
  const bool removes = step.whitespace == norm::SentencePiece::Extra::kRemoved;
  const std::string_view bytes = text.bytes();
  Rewriter out(text);
  std::size_t at = 0;
  if (removes) {
    while (at < bytes.size()) {
      const NormalizedPrefix prefix = normalized_prefix(step, bytes.substr(at));
      if (prefix.text != " ") break;
      at += prefix.length;
    }
  }
  if (at == bytes.size()) return out.finish();

  if (step.dummy == Dummy::kPrefix) out.put(step.space, at, at);
  bool after_space = removes;
  while (at < bytes.size()) {
    if (const std::size_t plain = plain_prefix(step, bytes.substr(at)); plain > 0) {
      out.keep(at, at + plain);
      at += plain;
      after_space = false;
      continue;
    }
    const NormalizedPrefix prefix = normalized_prefix(step, bytes.substr(at));
    std::string_view piece = prefix.text;
    while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
    const std::size_t end = at + prefix.length;
    for (std::size_t i = 0; i < piece.size();) {
      const std::size_t space = std::min(piece.find(' ', i), piece.size());
      out.put(piece.substr(i, space - i), at, end);
      if (space < piece.size()) out.put(step.space, at, end);
      i = space + 1;
    }
    if (!piece.empty()) after_space = piece.ends_with(' ');
    if (!removes) after_space = false;
    at = end;
  }
  if (removes)
    while (out.written().ends_with(step.space)) out.drop_back(step.space.size());
  if (step.dummy == Dummy::kSuffix) out.put(step.space, bytes.size(), bytes.size());
  return out.finish();
}

}  // namespace

TracedText Normalizer::apply(TracedText text, StepBudget& budget) const {
  for (const norm::Step& step : steps_) {
    text = std::visit(
        [&](const auto& s) {
          if constexpr (requires { apply_step(s, std::move(text), budget); })
            return apply_step(s, std::move(text), budget);
          else
            return apply_step(s, std::move(text));
        },
        step);
  }
  return text;
}

std::string Normalizer::apply(std::string_view text, StepBudget& budget) const {
  return std::string(apply(TracedText(text, 0, false), budget).bytes());
}

}  // namespace kinglet
