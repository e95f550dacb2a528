#pragma once

// Text to token ids and back.
//
// A Tokenizer is a pipeline read as data (added tokens, normalizer, pre-tokenizer, model,
// post-processor, decoder), immutable once made, and safe to share between threads.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

using TokenId = std::int32_t;

// A token and the bytes [begin, end) of the input that it came from.
struct Token {
  TokenId id = 0;
  std::size_t begin = 0, end = 0;
};

enum class SpecialTokens { kAsText, kParsed };  // text that spells a special token, such as "</s>"
enum class Affixes { kNone, kAdded };           // the BOS, EOS, CLS, SEP that the model's template adds

struct EncodeOptions {
  SpecialTokens special = SpecialTokens::kAsText;
  Affixes affixes = Affixes::kNone;
};

class Tokenizer {
 public:
  struct Pipeline;  // src/tokenizer/pipeline.h
  explicit Tokenizer(std::unique_ptr<const Pipeline> pipeline);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Any bytes: malformed UTF-8 is tokenised reproducibly, never refused.
  // Errors (kUsage): an input over 2 GiB, a regular expression that hits its step limit.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  std::vector<Token> encode_with_offsets(std::string_view text,
                                         const EncodeOptions& options = {}) const;

  // Raw bytes; special tokens are left out unless `show_special`. Errors (kUsage): an id outside
  // [0, size()).
  std::string decode(std::span<const TokenId> ids, bool show_special = false) const;

  // The token's entry as the vocabulary spells it ("Ġthe", "▁the", "<0x0A>").
  std::string_view piece(TokenId id) const;
  std::optional<TokenId> find(std::string_view piece) const;  // by that spelling
  bool is_special(TokenId id) const;

  std::size_t size() const;  // ids are in [0, size())

  // What the vocabulary file itself names; an architecture's configuration may name others.
  std::optional<TokenId> bos_id() const;
  std::optional<TokenId> eos_id() const;
  // Whether the vocabulary's own template puts BOS in front (GGUF add_bos_token, post-processor).
  bool adds_bos() const;

  // What was odd and how it was taken, one line each: unknown pre-tokenizer names, merges of unknown
  // tokens with their count, special ids out of range.
  std::span<const std::string> warnings() const;

 private:
  friend class TextStream;
  std::unique_ptr<const Pipeline> pipeline_;
};

// Decodes ids one at a time into the text that decode() gives for all of them, never handing out
// half a UTF-8 character: bytes are held back until the character is whole or cannot become whole.
class TextStream {
 public:
  // `tokenizer` outlives the stream.
  explicit TextStream(const Tokenizer& tokenizer);
  TextStream(TextStream&&) noexcept;
  ~TextStream();

  // The text that became certain with `id`; may be empty.
  std::string push(TokenId id);
  // What was held back; incomplete characters as U+FFFD.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet
