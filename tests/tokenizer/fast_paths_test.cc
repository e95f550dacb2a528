// What was made fast equals what it stands for, on random input: pieces from the cache, text cut into
// parts, normalizers that step over ASCII.

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/score_bpe.h"
#include "tokenizer/support.h"
#include "tokenizer/unicode_form.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

using Ids = std::vector<TokenId>;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t end) { return engine_() % end; }
  template <class T>
  const T& one_of(const std::vector<T>& list) { return list[below(list.size())]; }

  std::string text(const std::vector<std::string>& parts, std::size_t most) {
    std::string text;
    for (std::size_t left = below(most + 1); left > 0; --left) text += one_of(parts);
    return text;
  }

 private:
  std::mt19937 engine_;
};

// Words, punctuation, odd whitespace, marks, scripts, controls, emoji, malformed bytes.
const std::vector<std::string> kParts{
    "the", "The", " ", " ", " ", "and", "ing", "'s", "'LL", "1234", ".", ",", "\"", "\n", "\r\n", "\t", "  ", "=",
    "====", "a", "E", "e\xCC\x81", "\xC3\xA9", "\xCC\x81", "\xE2\x96\x81", "\xE3\x80\x80", "\xE4\xB8\xAD", "\xED\x95\x9C",
    "\xEA\xB0\x80\xE1\x86\xA8", "\xE0\xA4\xA8\xE0\xA4\xBF", "\xF0\x9F\x98\x80", "\xE2\x80\x99", "\xC2\xA0", "\xC2\x85",
    std::string(1, '\0'), "\x01", "\x7F", "\xEF\xBF\xBD", "<s>", "<0x0A>", "\xC5\xBF", "\xEF\xAC\x81", "\xFF", "\xE2\x96"};

std::vector<std::string> shared_vocabularies() {
  std::vector<std::string> names;
  const auto folder = test::shared_path("data/tokenizers");
  if (!std::filesystem::is_directory(folder)) return names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name != "MANIFEST.json" && name != "README.md" && entry.is_regular_file())
      names.push_back(std::filesystem::relative(entry.path(), folder));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Tokens with their places are always made anew; ids by themselves come from the cache where they can.
TEST(FastPaths, IdsFromTheCacheAreThoseMadeAnewForEveryVocabulary) {
  const std::vector<std::string> names = shared_vocabularies();
  if (names.empty()) GTEST_SKIP() << "no ../shared/data/tokenizers beside the project";
  for (const std::string& name : names) {
    const Tokenizer tokenizer = test::open_vocabulary(test::shared_path("data/tokenizers") / name);
    Random random(11);
    for (int round = 0; round < 400; ++round) {
      const std::string text = random.text(kParts, 40);
      Ids want;
      for (const Token& token : tokenizer.encode_with_offsets(text)) want.push_back(token.id);
      ASSERT_EQ(tokenizer.encode(text), want) << name << ": " << testing::PrintToString(text);
      ASSERT_EQ(tokenizer.encode(text), want) << name << ", again: " << testing::PrintToString(text);
    }
  }
}

// A run of unknown text is one token, over the borders of pieces: what a piece gives depends on the one
// before it.
TEST(FastPaths, PiecesWithUnknownTextAreMadeAnew) {
  const Tokenizer tokenizer = from_json("t.json", R"({"pre_tokenizer":
      {"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false},
      "model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["b",-2]]}})");
  Random random(12);
  std::size_t unknown = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::string text = random.text({"a", "b", "x", "y", "-x", "-a", "-"}, 12);
    Ids want;
    for (const Token& token : tokenizer.encode_with_offsets(text)) want.push_back(token.id);
    unknown += static_cast<std::size_t>(std::count(want.begin(), want.end(), 0));
    ASSERT_EQ(tokenizer.encode(text), want) << text;
  }
  EXPECT_GT(unknown, 1000U);
}

// Two runs of unknown text stay two when what is between them comes from the cache.
TEST(FastPaths, APieceFromTheCacheEndsARunOfUnknownText) {
  GgufVocabulary keys;
  keys.model = "llama";
  keys.tokens = {"<unk>", "a", "\xE2\x96\x81"};
  keys.scores = {0, -1, -2};
  keys.token_type = {2, 1, 1};
  keys.add_space_prefix = false;
  const Tokenizer tokenizer = from_gguf("m.gguf", keys);
  for (int again = 0; again < 2; ++again) EXPECT_EQ(tokenizer.encode("xyaxy a"), (Ids{0, 1, 0, 2, 1}));
}

// A vocabulary of a few characters and random concatenations of its entries.
struct RandomVocabulary {
  explicit RandomVocabulary(Random& random) {
    for (const char* piece : {"<unk>", "a", "b", "c", ".", "\xE2\x96\x81", "\xE2\x80\x99", "\xC3\xA9"}) add(piece);
    for (int i = 0; i < 12; ++i) {
      const std::string left = texts[1 + random.below(texts.size() - 1)];
      const std::string right = texts[1 + random.below(texts.size() - 1)];
      merges.emplace_back(find(left), find(right));
      add(left + right);
    }
    vocabulary.build_index();
  }
  void add(const std::string& text) {
    if (find(text) >= 0) return;
    vocabulary.set(static_cast<TokenId>(texts.size()), text);
    texts.push_back(text);
  }
  TokenId find(const std::string& text) const {
    const auto found = std::find(texts.begin(), texts.end(), text);
    return found == texts.end() ? -1 : static_cast<TokenId>(found - texts.begin());
  }

  Vocabulary vocabulary;
  std::vector<std::string> texts;
  std::vector<std::pair<TokenId, TokenId>> merges;
};

template <class Model>
Ids encoded(const Model& model, const WordCut& cut, std::string_view text) {
  Ids ids;
  TokenSink sink(ids, nullptr);
  const TracedText traced(text, 0, false);
  sink.start(traced);
  Merger merger;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = cut.part_end(text, begin);
    model.encode(text.substr(begin, end - begin), begin, merger, sink);
    begin = end;
  }
  return ids;
}

const std::vector<std::string> kFewParts{"a", "b", "c", "a", "b", ".", "\xE2\x96\x81", "\xE2\x96\x81", "\xE2\x80\x99",
                                         "\xC3\xA9", "x", "\n", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

TEST(WordCut, PartsHaveTheTokensOfTheWholeByRanks) {
  Random random(5);
  std::size_t cuts = 0;
  for (int round = 0; round < 300; ++round) {
    const RandomVocabulary made(random);
    PairTable merges(made.merges.size());
    for (std::uint32_t rank = 0; rank < made.merges.size(); ++rank) {
      const auto [left, right] = made.merges[rank];
      const TokenId merged = made.find(made.texts[static_cast<std::size_t>(left)] +
                                       made.texts[static_cast<std::size_t>(right)]);
      merges.insert(left, right, {rank, merged});
    }
    Bpe::Options options;
    options.unknown = random.below(3) == 0 ? -1 : 0;
    options.fuse_unknown = random.below(2) == 0;
    const Bpe model(made.vocabulary, merges, options);
    for (int i = 0; i < 30; ++i) {
      const std::string text = random.text(kFewParts, 30);
      cuts += model.cut().part_end(text, 0) < text.size();
      ASSERT_EQ(encoded(model, model.cut(), text), encoded(model, WordCut(), text))
          << testing::PrintToString(text) << " " << options.unknown << options.fuse_unknown;
    }
  }
  EXPECT_GT(cuts, 1000U);
}

TEST(WordCut, PartsHaveTheTokensOfTheWholeByScores) {
  Random random(6);
  std::size_t cuts = 0;
  for (int round = 0; round < 300; ++round) {
    RandomVocabulary made(random);
    std::vector<float> scores(made.texts.size());
    for (float& score : scores) score = static_cast<float>(random.below(8));
    ScoreBpe::Options options;
    options.unknown = 0;
    made.vocabulary.set_kind(0, TokenKind::kUnknown);
    if (random.below(3) == 0) made.vocabulary.set_kind(9, TokenKind::kUserDefined);
    if (random.below(4) == 0) made.vocabulary.set_kind(10, TokenKind::kUnused);
    if (random.below(2) == 0) options.grouping = ScoreBpe::Grouping::kLlama2c;
    const ScoreBpe model(made.vocabulary, scores, options);
    for (int i = 0; i < 30; ++i) {
      const std::string text = random.text(kFewParts, 30);
      cuts += model.cut().part_end(text, 0) < text.size();
      ASSERT_EQ(encoded(model, model.cut(), text), encoded(model, WordCut(), text)) << testing::PrintToString(text);
    }
  }
  EXPECT_GT(cuts, 1000U);
}

TEST(Charsmap, WhatItKeepsHasNoRule) {
  const auto path = test::shared_path("data/tokenizers/t5like/t5like.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no ../shared beside the project";
  const auto bytes = io::GgufHeader(File::open(path)).integers("tokenizer.ggml.precompiled_charsmap");
  ASSERT_TRUE(bytes);
  const Charsmap map(std::string(bytes->begin(), bytes->end()));
  std::size_t kept = 0;
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      for (const char* third : {"", "a", "\xCC\x81"}) {
        const std::string text{static_cast<char>(first), static_cast<char>(second)};
        if (!map.keeps_first(text + third)) continue;
        ++kept;
        ASSERT_EQ(map.longest_prefix(text + third).length, 0U) << first << " " << second;
        ASSERT_EQ(map.shortest_prefix(text + third).length, 0U) << first << " " << second;
      }
    }
  }
  EXPECT_GT(kept, 90U * 128U) << "most of ASCII before ASCII";
  EXPECT_TRUE(map.keeps_first("a"));
  EXPECT_FALSE(map.keeps_first("a\xCC\x81"));
}

TEST(Normalizer, FormsAreThoseOfUtf8procOnMixedText) {
  Random random(8);
  const std::vector<std::pair<UnicodeForm, utf8proc_uint8_t* (*)(const utf8proc_uint8_t*)>> kForms{
      {UnicodeForm::kNfc, utf8proc_NFC},   {UnicodeForm::kNfd, utf8proc_NFD},
      {UnicodeForm::kNfkc, utf8proc_NFKC}, {UnicodeForm::kNfkd, utf8proc_NFKD}};
  std::vector<std::string> parts;
  for (const std::string& part : kParts)
    if (is_utf8(part) && part.find('\0') == part.npos) parts.push_back(part);
  for (int round = 0; round < 2000; ++round) {
    const std::string text = random.text(parts, 20);
    for (const auto& [form, by_utf8proc] : kForms) {
      auto* want = by_utf8proc(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str()));
      EXPECT_EQ(std::string(to_form(TracedText(text, 0, false), form).bytes()), reinterpret_cast<const char*>(want))
          << testing::PrintToString(text);
      std::free(want);
    }
  }
}

// By definition, character by character: a character alone is normalized as it is beside others, but
// for marks that join it.
TEST(Normalizer, BertTakesEachCharacterByItself) {
  Random random(9);
  std::vector<norm::Step> steps;
  steps.emplace_back(norm::Bert{});
  const Normalizer normalizer(std::move(steps));
  std::vector<std::string> parts{"\xC3\x89", "\xE4\xB8\xAD", "\xC2\xA0", "\xEF\xBF\xBD", "\xF0\x9F\x98\x80"};
  for (unsigned byte = 0; byte < 0x80; ++byte) parts.emplace_back(1, static_cast<char>(byte));
  for (int round = 0; round < 2000; ++round) {
    std::string text, want;
    for (std::size_t left = random.below(30); left > 0; --left) {
      const std::string& part = random.one_of(parts);
      text += part;
      if (part.size() > 1) {
        want += part == "\xC3\x89"             ? "e"
                : part == "\xE4\xB8\xAD"       ? " \xE4\xB8\xAD "
                : part == "\xC2\xA0"           ? " "
                : part == "\xEF\xBF\xBD"       ? ""
                                               : part;
      } else if (const char c = part[0]; c == '\t' || c == '\n' || c == '\r') {
        want += ' ';
      } else if (c >= 0x20 && c != 0x7F) {
        want += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      }
    }
    StepBudget budget(text.size());
    ASSERT_EQ(normalizer.apply(text, budget), want) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace kinglet
