// llama2.c's tokenizer.bin: u32 max_token_length, then for each token f32 score, u32 length, bytes;
// little-endian, no count. U+2581 is a space already; ids 0 to 2 are unknown, BOS and EOS, and
// 3 to 258 the bytes, spelt "<0x00>" and on (run.c of karpathy/llama2.c).

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "kinglet/error.h"
#include "tokenizer/factories.h"
#include "tokenizer/pipeline.h"

namespace kinglet {
namespace {

constexpr std::size_t kFirstByteToken = 3;
constexpr TokenId kBos = 1, kEos = 2;

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::vector<float> read_tokens(std::string_view bytes, std::optional<std::size_t> count,
                               Vocabulary& vocabulary) {
  if (bytes.size() < 4)
    throw refused("too short for a tokenizer.bin").found(fmt::format("{} bytes", bytes.size()));
  std::vector<float> scores;
  std::size_t at = 4;  // max_token_length is not needed, and not trusted
  while (count ? scores.size() < *count : at < bytes.size()) {
    const auto id = static_cast<TokenId>(scores.size());
    if (!fits(at, 8, bytes.size()))
      throw refused(fmt::format("is cut at token {}", id)).at("", at);
    const auto score = std::bit_cast<float>(u32_at(bytes, at));
    const std::uint32_t length = u32_at(bytes, at + 4);
    if (!fits(at + 8, length, bytes.size()))
      throw refused(fmt::format("token {} is longer than the file", id))
          .at("length", at + 4)
          .found(std::to_string(length))
          .allowed(fmt::format("at most {}", bytes.size() - at - 8));
    if (!std::isfinite(score)) throw refused(fmt::format("token {} has no finite score", id)).at("", at);
    // The file marks nothing, but run.c knows these.
    const bool is_special = id <= kEos;
    vocabulary.set(id, bytes.substr(at + 8, length), is_special ? TokenKind::kControl : TokenKind::kNormal);
    scores.push_back(score);
    at += 8 + length;
  }
  return scores;
}

std::unique_ptr<Tokenizer::Pipeline> build(std::string_view bytes, std::optional<std::size_t> count) {
  auto pipeline = std::make_unique<Tokenizer::Pipeline>();
  Vocabulary& vocabulary = pipeline->vocabulary;
  std::vector<float> scores = read_tokens(bytes, count, vocabulary);
  if (vocabulary.size() <= kEos) throw refused("has no tokens besides the special ones");
  if (const std::size_t twice = vocabulary.build_index(); twice > 0)
    pipeline->warnings.push_back(fmt::format("{} tokens stand there twice; the first counts", twice));

  std::vector<AddedToken> special;
  for (TokenId id = 0; id <= kEos; ++id) {
    AddedToken token;
    token.content = vocabulary.text(id);
    token.id = id;
    token.is_special = true;
    special.push_back(std::move(token));
  }
  pipeline->added = AddedTokens(std::move(special));
  std::vector<norm::Step> steps;
  steps.emplace_back(norm::Prepend{" "});
  pipeline->normalizer = Normalizer(std::move(steps));
  pipeline->malformed = Malformed::kKept;
  pipeline->decoder.stages.emplace_back(decode::Llama2c{});

  ScoreBpe::Options options;
  options.mark = " ";
  options.unknown = 0;
  options.grouping = ScoreBpe::Grouping::kLlama2c;
  options.fallback = ScoreBpe::Fallback::kBytes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::size_t id = kFirstByteToken + byte;
    options.byte_tokens[byte] = id < vocabulary.size() ? static_cast<TokenId>(id) : -1;
  }
  pipeline->model.emplace<ScoreBpe>(vocabulary, std::move(scores), std::move(options));
  pipeline->bos = kBos;
  pipeline->eos = kEos;
  pipeline->adds_bos = true;
  pipeline->before = {kBos};
  return pipeline;
}

}  // namespace

Tokenizer from_llama2c(const std::string& file, std::string_view bytes,
                       std::optional<std::size_t> vocabulary) {
  try {
    return Tokenizer(build(bytes, vocabulary));
  } catch (Error& error) {
    throw error.in(file);
  }
}

}  // namespace kinglet
