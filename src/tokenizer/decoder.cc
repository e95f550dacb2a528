#include "tokenizer/decoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";       // U+2581
constexpr std::string_view kUnknownSurface = " \xE2\x81\x87 ";  // U+2047 between spaces

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from)) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

std::string replace_all(std::string_view text, const Regex& from, std::string_view to, StepBudget& budget) {
  if (text.empty() || !is_utf8(text)) return std::string(text);
  std::string out;
  std::size_t done = 0;
  RegexSearch search(from, text, budget);
  while (const auto match = search.next()) {
    out += text.substr(done, match->begin - done);
    out += to;
    done = match->end;
  }
  return out += text.substr(done);
}

// BERT's clean-up of English, on one token with its leading space, in this order.
std::string without_spaces_of_english(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},     {" ?", "?"},     {" !", "!"},           {" ,", ","},
      {" ' ", "'"},    {" n't", "n't"}, {" 'm", "'m"},         {" do not", " don't"},
      {" 's", "'s"},   {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

// Whether this stage gives the same for a token in fragments as for the token whole.
bool takes_fragments(const decode::Stage& stage) { return std::holds_alternative<decode::Strip>(stage); }

}  // namespace

DecodeRun::DecodeRun(const Decoder& decoder) : decoder_(decoder), states_(decoder.stages.size()) {
  const auto fuse =
      std::find_if(decoder.stages.begin(), decoder.stages.end(),
                   [](const auto& stage) { return std::holds_alternative<decode::Fuse>(stage); });
  is_fused_ = fuse != decoder.stages.end() && std::all_of(fuse + 1, decoder.stages.end(), takes_fragments);
}

void DecodeRun::push(std::string_view token, TokenKind kind, std::string& out) {
  kind_ = kind;
  enter(0, token, true, out);
}

void DecodeRun::finish(std::string& out) {
  for (std::size_t at = 0; at < states_.size(); ++at) leave(at, out);
}

void DecodeRun::enter(std::size_t at, std::string_view token, bool begins, std::string& out) {
  if (at == states_.size()) {
    out += token;
    return;
  }
  State& state = states_[at];
  const bool is_first = !std::exchange(state.has_started, true);
  const decode::Stage& stage = decoder_.stages[at];
  const auto pass = [&](std::string_view text) { enter(at + 1, text, true, out); };

  if (std::holds_alternative<decode::ByteLevel>(stage)) {
    const auto bytes = bytes_of_stand_ins(token);
    if (at + 1 == states_.size())
      out += bytes ? *bytes : token;
    else
      state.held += bytes ? *bytes : token;
  } else if (const auto* metaspace = std::get_if<decode::Metaspace>(&stage)) {
    const bool drops = is_first && metaspace->first == decode::Metaspace::First::kDropped;
    pass(replace_all(token, metaspace->replacement, drops ? "" : " "));
  } else if (const auto* word_piece = std::get_if<decode::WordPiece>(&stage)) {
    std::string text(token);
    if (!is_first) text = token.starts_with(word_piece->prefix) ? text.substr(word_piece->prefix.size())
                                                                : " " + text;
    if (word_piece->cleanup == decode::WordPiece::Cleanup::kEnglish)
      text = without_spaces_of_english(std::move(text));
    pass(text);
  } else if (std::holds_alternative<decode::ByteFallback>(stage)) {
    enter_byte_fallback(at, token, out);
  } else if (std::holds_alternative<decode::Fuse>(stage)) {
    if (is_fused_)
      enter(at + 1, token, is_first, out);
    else
      state.held += token;
  } else if (const auto* strip = std::get_if<decode::Strip>(&stage)) {
    enter_strip(*strip, at, token, begins, out);
  } else if (const auto* replace = std::get_if<decode::Replace>(&stage)) {
    budget_.allow(token.size());
    if (const auto* regex = std::get_if<Regex>(&replace->pattern))
      pass(replace_all(token, *regex, replace->content, budget_));
    else
      pass(replace_all(token, std::get<std::string>(replace->pattern), replace->content));
  } else if (const auto* suffix = std::get_if<decode::WordSuffix>(&stage)) {
    if (!is_first) pass(replace_all(state.held, suffix->suffix, " "));
    state.held = token;
  } else if (std::holds_alternative<decode::JoinWithSpaces>(stage)) {
    pass(is_first ? std::string(token) : " " + std::string(token));
  } else if (const auto* sentence_piece = std::get_if<decode::SentencePiece>(&stage)) {
    enter_sentence_piece(*sentence_piece, at, token, out);
  } else {
    enter_llama2c(at, token, out);
  }
}

void DecodeRun::leave(std::size_t at, std::string& out) {
  State& state = states_[at];
  const decode::Stage& stage = decoder_.stages[at];
  if (std::holds_alternative<decode::ByteLevel>(stage)) {
    if (state.has_started && at + 1 < states_.size()) enter(at + 1, well_formed(state.held), true, out);
  } else if (std::holds_alternative<decode::ByteFallback>(stage)) {
    flush_byte_fallback(at, out);
  } else if (std::holds_alternative<decode::SentencePiece>(stage)) {
    flush_bytes(at, FlushUpTo::kEnd, out);
  } else if (std::holds_alternative<decode::Fuse>(stage)) {
    if (!is_fused_ && state.has_started) enter(at + 1, state.held, true, out);
  } else if (const auto* suffix = std::get_if<decode::WordSuffix>(&stage)) {
    if (state.has_started) enter(at + 1, replace_all(state.held, suffix->suffix, ""), true, out);
  }
}

void DecodeRun::enter_byte_fallback(std::size_t at, std::string_view token, std::string& out) {
  if (const auto byte = byte_token_value(token)) {
    states_[at].held.push_back(static_cast<char>(*byte));
    return;
  }
  flush_byte_fallback(at, out);
  enter(at + 1, token, true, out);
}

// The run is text as a whole, or none of it is.
void DecodeRun::flush_byte_fallback(std::size_t at, std::string& out) {
  const std::string run = std::exchange(states_[at].held, {});
  if (run.empty()) return;
  if (is_utf8(run)) {
    enter(at + 1, run, true, out);
    return;
  }
  for (std::size_t i = 0; i < run.size(); ++i) enter(at + 1, kReplacement, true, out);
}

void DecodeRun::enter_strip(const decode::Strip& stage, std::size_t at, std::string_view fragment,
                            bool begins, std::string& out) {
  State& state = states_[at];
  if (begins) {
    state.held.clear();  // what the token before had at its end
    state.strip_left = stage.start;
  }
  const std::string content = to_utf8(stage.content);
  for (; state.strip_left > 0 && fragment.starts_with(content); --state.strip_left)
    fragment.remove_prefix(content.size());
  if (!fragment.empty()) state.strip_left = 0;

  std::string text = std::exchange(state.held, {}) + std::string(fragment);
  std::size_t end = text.size();
  for (std::size_t i = 0; i < stage.stop && std::string_view(text).substr(0, end).ends_with(content); ++i)
    end -= content.size();
  state.held = text.substr(end);
  enter(at + 1, std::string_view(text).substr(0, end), begins, out);
}

void DecodeRun::enter_sentence_piece(const decode::SentencePiece& stage, std::size_t at,
                                     std::string_view token, std::string& out) {
  State& state = states_[at];
  if (kind_ == TokenKind::kByte) {
    if (const auto byte = byte_token_value(token)) state.held.push_back(static_cast<char>(*byte));
    flush_bytes(at, FlushUpTo::kWholeCharacters, out);
    return;
  }
  flush_bytes(at, FlushUpTo::kEnd, out);
  const bool at_start = !state.has_output && !state.after_mark;
  state.after_mark = false;
  std::string text;
  if (kind_ == TokenKind::kControl) {
    text = token;
  } else if (kind_ == TokenKind::kUnknown) {
    text = kUnknownSurface;
  } else {
    const bool strips = stage.adds_dummy_prefix || stage.removes_extra_whitespaces;
    if (at_start && strips && token.starts_with(kSpaceMark)) {
      token.remove_prefix(kSpaceMark.size());
      state.after_mark = !stage.removes_extra_whitespaces;
    }
    text = replace_all(token, kSpaceMark, " ");
  }
  state.has_output |= !text.empty() || state.after_mark;
  enter(at + 1, text, true, out);
}

void DecodeRun::flush_bytes(std::size_t at, FlushUpTo what, std::string& out) {
  State& state = states_[at];
  std::string text;
  std::string_view held = state.held;
  while (!held.empty()) {
    std::size_t length = utf8_length(held);
    if (length == 0 && what == FlushUpTo::kWholeCharacters && unfinished_tail(held) == held.size()) break;
    text += length == 0 ? kReplacement : held.substr(0, length);
    held.remove_prefix(std::max<std::size_t>(length, 1));
  }
  state.held = std::string(held);
  state.has_output |= !text.empty();
  if (!text.empty()) enter(at + 1, text, true, out);
}

void DecodeRun::enter_llama2c(std::size_t at, std::string_view token, std::string& out) {
  State& state = states_[at];
  if (kind_ == TokenKind::kControl) {
    state.has_output = false;  // a space that follows is the dummy prefix's
    enter(at + 1, token, true, out);
    return;
  }
  if (!state.has_output && token.starts_with(' ')) token.remove_prefix(1);
  state.has_output = true;
  if (const auto byte = byte_token_value(token)) {
    const char c = static_cast<char>(*byte);
    enter(at + 1, std::string_view(&c, 1), true, out);
    return;
  }
  enter(at + 1, token, true, out);
}

}  // namespace kinglet
