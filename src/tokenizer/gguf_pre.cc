#include "tokenizer/gguf_pre.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace kinglet {
namespace {

// The steps before the last.
enum class Cut {
  kGpt2,         // GPT-2's words
  kDigitsGpt2,   // digits one by one, then GPT-2's words
  kLlama3,
  kQwen2,
  kGpt4o,
  kTekken,
  kDeepSeek3,
  kDeepSeekCoder,
  kFalcon,
  kBloom,
};

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeek3Words =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";

struct Row {
  std::string_view name;
  Cut cut;
  GgufPre::WholeWords whole_words = GgufPre::WholeWords::kMerged;
  GgufPre::Form form = GgufPre::Form::kAsIs;
  GgufPre::Bos bos = GgufPre::Bos::kNone;
};

constexpr auto kLookedUp = GgufPre::WholeWords::kLookedUp;
constexpr auto kMerged = GgufPre::WholeWords::kMerged;
constexpr auto kNfc = GgufPre::Form::kNfc;
constexpr auto kAsIs = GgufPre::Form::kAsIs;
constexpr auto kBos = GgufPre::Bos::kAdded;

constexpr std::array kRows{
    Row{"gpt-2", Cut::kGpt2},
    Row{"gpt2", Cut::kGpt2},
    Row{"phi-2", Cut::kGpt2},
    Row{"mpt", Cut::kGpt2},
    Row{"olmo", Cut::kGpt2, kMerged, kNfc},
    Row{"jina-v2-code", Cut::kGpt2},
    Row{"roberta-bpe", Cut::kGpt2},
    Row{"smollm", Cut::kDigitsGpt2},
    Row{"starcoder", Cut::kDigitsGpt2},
    Row{"refact", Cut::kDigitsGpt2},
    Row{"codeshell", Cut::kDigitsGpt2},
    Row{"command-r", Cut::kDigitsGpt2, kMerged, kNfc},
    Row{"exaone", Cut::kDigitsGpt2},
    Row{"llama-bpe", Cut::kLlama3, kLookedUp, kAsIs, kBos},
    Row{"llama3", Cut::kLlama3, kLookedUp, kAsIs, kBos},
    Row{"llama-v3", Cut::kLlama3, kLookedUp, kAsIs, kBos},
    Row{"lfm2", Cut::kLlama3, kLookedUp, kAsIs, kBos},
    Row{"smaug-bpe", Cut::kLlama3, kLookedUp},
    Row{"dbrx", Cut::kLlama3},
    Row{"chatglm-bpe", Cut::kLlama3, kLookedUp},
    Row{"glm4", Cut::kLlama3, kLookedUp},
    Row{"qwen2", Cut::kQwen2, kMerged, kNfc},
    Row{"deepseek-r1-qwen", Cut::kQwen2, kMerged, kNfc},
    Row{"megrez", Cut::kQwen2, kMerged, kNfc},
    Row{"stablelm2", Cut::kQwen2},
    Row{"gpt-4o", Cut::kGpt4o},
    Row{"llama4", Cut::kGpt4o},
    Row{"tekken", Cut::kTekken, kLookedUp, kAsIs, kBos},
    Row{"deepseek-v3", Cut::kDeepSeek3},
    Row{"deepseek-coder", Cut::kDeepSeekCoder},
    Row{"falcon", Cut::kFalcon},
    Row{"bloom", Cut::kBloom},
    Row{"gpt3-finnish", Cut::kBloom},
    Row{"poro-chat", Cut::kBloom},
};

pre::Step isolated(std::string_view pattern) {
  return pre::Split{Regex(pattern), SplitBehavior::kIsolated};
}

std::vector<pre::Step> steps_of(Cut cut) {
  std::vector<pre::Step> steps;
  switch (cut) {
    case Cut::kGpt2:
      break;
    case Cut::kDigitsGpt2:
      steps.emplace_back(pre::Digits{pre::Digits::Group::kSingle});
      break;
    case Cut::kLlama3:
      steps.push_back(isolated(kLlama3));
      break;
    case Cut::kQwen2:
      steps.push_back(isolated(kQwen2));
      break;
    case Cut::kGpt4o:
      steps.push_back(isolated(kGpt4o));
      break;
    case Cut::kTekken:
      steps.push_back(isolated(kTekken));
      break;
    case Cut::kDeepSeek3:
      steps.push_back(isolated(R"(\p{N}{1,3})"));
      steps.push_back(isolated("[一-龥぀-ゟ゠-ヿ]+"));
      steps.push_back(isolated(kDeepSeek3Words));
      break;
    case Cut::kDeepSeekCoder:
      steps.push_back(isolated(R"([\r\n])"));
      steps.push_back(isolated(R"(\s?\p{L}+)"));
      steps.push_back(isolated(R"(\s?\p{P}+)"));
      steps.push_back(isolated("[一-龥ࠀ-一가-퟿]+"));
      steps.emplace_back(pre::Digits{pre::Digits::Group::kSingle});
      break;
    case Cut::kFalcon:
      steps.emplace_back(pre::Punctuation{SplitBehavior::kContiguous});
      break;
    case Cut::kBloom:
      steps.push_back(isolated(kBloom));
      break;
  }
  const bool has_words = cut != Cut::kGpt2 && cut != Cut::kDigitsGpt2 && cut != Cut::kFalcon;
  pre::ByteLevel bytes;
  bytes.spelling = pre::ByteLevel::Spelling::kBytes;
  if (has_words) bytes.words = pre::ByteLevel::Words::kWhole;
  steps.emplace_back(bytes);
  // Falcon cuts digits in threes after the words; in bytes, ASCII digits are what they are.
  if (cut == Cut::kFalcon) {
    steps.pop_back();
    steps.push_back(isolated(pre::kGpt2Pattern));
    steps.push_back(isolated("[0-9][0-9][0-9]"));
    bytes.words = pre::ByteLevel::Words::kWhole;
    steps.emplace_back(bytes);
  }
  return steps;
}

}  // namespace

GgufPre gguf_pre(std::string_view name) {
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.name == name; });
  GgufPre result;
  result.is_known = row != kRows.end();
  if (!result.is_known) {
    result.steps = steps_of(Cut::kGpt2);
    return result;
  }
  result.form = row->form;
  result.whole_words = row->whole_words;
  result.bos = row->bos;
  result.steps = steps_of(row->cut);
  return result;
}

}  // namespace kinglet
