#include "made_vocabulary.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_set>

#include "support/gguf_builder.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace kinglet::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLength = 16;  // characters of an entry

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string spelt(const std::u32string& entry) {
  std::string text;
  for (const char32_t c : entry) append_utf8(text, c);
  return text;
}

}  // namespace

MadeVocabulary make_vocabulary(std::size_t entries) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform;
  std::vector<std::u32string> made;
  std::unordered_set<std::u32string> known;
  for (unsigned byte = 0; byte < 256; ++byte) {
    made.emplace_back(1, stand_in(static_cast<unsigned char>(byte)));
    known.insert(made.back());
  }
  MadeVocabulary result;
  while (made.size() < entries) {
    // Low ranks more often, as frequent parts are.
    const auto pick = [&]() -> const std::u32string& {
      const double place = std::pow(uniform(random), 8);
      return made[static_cast<std::size_t>(place * static_cast<double>(made.size()))];
    };
    std::u32string entry = pick() + pick();
    if (entry.size() > kMaxLength || !known.insert(entry).second) continue;
    for (std::size_t i = 1; i < entry.size(); ++i) {
      const std::u32string left = entry.substr(0, i), right = entry.substr(i);
      if (known.contains(left) && known.contains(right))
        result.merges.emplace_back(spelt(left), spelt(right));
    }
    made.push_back(std::move(entry));
  }
  for (const std::u32string& entry : made) result.entries.push_back(spelt(entry));
  return result;
}

std::string as_tokenizer_json(const MadeVocabulary& made) {
  Json vocabulary = Json::object();
  auto& members = vocabulary.get_ref<Json::object_t&>();
  members.reserve(made.entries.size());
  for (std::size_t i = 0; i < made.entries.size(); ++i)
    static_cast<std::vector<std::pair<const std::string, Json>>&>(members).emplace_back(made.entries[i], i);
  Json merges = Json::array();
  for (const auto& [left, right] : made.merges) merges.push_back({left, right});
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", kLlama3}}},
                      {"behavior", "Isolated"}, {"invert", false}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  Json root;
  root["version"] = "1.0";
  root["added_tokens"] = Json::array();
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}};
  root["decoder"] = {{"type", "ByteLevel"}};
  root["model"] = {{"type", "BPE"}, {"ignore_merges", true}};
  root["model"]["vocab"] = std::move(vocabulary);
  root["model"]["merges"] = std::move(merges);
  return root.dump(2);
}

std::string as_gguf(const MadeVocabulary& made) {
  test::GgufBuilder file;
  file.text("general.architecture", "llama");
  file.text("tokenizer.ggml.model", "gpt2");
  file.text("tokenizer.ggml.pre", "llama-bpe");
  std::vector<std::string> merges;
  for (const auto& [left, right] : made.merges) merges.push_back(left + " " + right);
  file.texts("tokenizer.ggml.tokens", made.entries);
  file.texts("tokenizer.ggml.merges", merges);
  return file.build();
}

}  // namespace kinglet::bench
