#pragma once

// Decoders: tokens to text. A chain of stages, each given tokens one at a time; that of a whole list
// and that of a stream are the same code. The names and their meaning are those of a
// tokenizer.json's "decoder"; SentencePiece and Llama2c are those programs' own.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {
namespace decode {

struct ByteLevel {};  // stand-ins back to bytes; for a stage that follows, all is one token of text
struct Metaspace {
  std::string replacement = "\xE2\x96\x81";
  enum class First { kDropped, kKept } first = First::kDropped;  // replacements in the first token
};
struct WordPiece {
  std::string prefix = "##";
  enum class Cleanup { kNone, kEnglish } cleanup = Cleanup::kEnglish;  // no space before . , 's
};
struct ByteFallback {};  // runs of <0xXX>; malformed ones become U+FFFD, one a byte
struct Fuse {};          // all that follows is one token
struct Strip {
  char32_t content = ' ';
  std::size_t start = 0, stop = 0;  // at most so many, at each end of a token
};
struct Replace {
  std::variant<Regex, std::string> pattern;
  std::string content;
};
struct WordSuffix {  // "BPEDecoder": a suffix that ends words becomes a space
  std::string suffix = "</w>";
};
struct JoinWithSpaces {};  // a tokenizer.json without decoder

// sentencepiece_processor.cc: control tokens are nothing, an unknown one is " U+2047 ", a byte that
// is of no character is U+FFFD; leading marks go as the normalizer put them there.
struct SentencePiece {
  bool adds_dummy_prefix = true;
  bool removes_extra_whitespaces = false;
};
// run.c: raw bytes; one leading space goes, and the one after BOS.
struct Llama2c {};

using Stage = std::variant<ByteLevel, Metaspace, WordPiece, ByteFallback, Fuse, Strip, Replace,
                           WordSuffix, JoinWithSpaces, SentencePiece, Llama2c>;

}  // namespace decode

struct Decoder {
  std::vector<decode::Stage> stages;
};

// One run of a decoder over a list of tokens. Decoder and vocabulary outlive it.
class DecodeRun {
 public:
  explicit DecodeRun(const Decoder& decoder);

  // Appends to `out` what becomes certain with this token.
  void push(std::string_view token, TokenKind kind, std::string& out);
  void finish(std::string& out);

 private:
  struct State {
    bool has_started = false;
    std::string held;       // bytes of a run, or a token that waits for the next
    std::size_t strip_left = 0;
    bool has_output = false;
    bool after_mark = false;  // SentencePiece: the mark at the start was seen
  };
  enum class FlushUpTo { kWholeCharacters, kEnd };

  // A fragment of a token enters stage `stage`; `begins` says that it starts a token.
  void enter(std::size_t stage, std::string_view fragment, bool begins, std::string& out);
  void leave(std::size_t stage, std::string& out);  // no more tokens: what the stage held

  void enter_byte_fallback(std::size_t at, std::string_view token, std::string& out);
  void flush_byte_fallback(std::size_t at, std::string& out);
  void enter_strip(const decode::Strip& stage, std::size_t at, std::string_view fragment, bool begins,
                   std::string& out);
  void enter_sentence_piece(const decode::SentencePiece& stage, std::size_t at, std::string_view token,
                            std::string& out);
  void flush_bytes(std::size_t at, FlushUpTo what, std::string& out);
  void enter_llama2c(std::size_t at, std::string_view token, std::string& out);

  const Decoder& decoder_;
  std::vector<State> states_;
  TokenKind kind_ = TokenKind::kNormal;  // of the token that is being pushed
  bool is_fused_ = false;
  StepBudget budget_{0};
};

}  // namespace kinglet
