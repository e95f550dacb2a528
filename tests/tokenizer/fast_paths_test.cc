// What was made fast equals what it stands for, on random input: pieces from the cache, text cut into
// parts, normalizers that step over ASCII.

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/score_bpe.h"
#include "tokenizer/support.h"
#include "tokenizer/unicode_form.h"
#include "tokenizer/unigram.h"
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

Ids encoded(const Unigram& model, std::string_view text) {
  Ids ids;
  TokenSink sink(ids, nullptr);
  const TracedText traced(text, 0, false);
  sink.start(traced);
  Unigram::Scratch scratch;
  model.encode(text, 0, scratch, sink);
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

// By definition: the best way to every place of the whole text, then back from its end.
template <class Sum>
Ids best_tokens(const RandomVocabulary& made, const std::vector<double>& scores, std::string_view text) {
  struct Way {
    double sum = 0;
    std::size_t from = 0;
    TokenId id = -1;
    bool is_there = false;
  };
  const auto unknown_score = static_cast<Sum>(*std::min_element(scores.begin(), scores.end())) - static_cast<Sum>(10);
  const std::size_t longest = std::max_element(made.texts.begin(), made.texts.end(), [](const auto& a, const auto& b) {
                                return a.size() < b.size();
                              })->size();
  std::vector<Way> ways(text.size() + 1);
  for (std::size_t begin = 0; begin < text.size(); begin += first_code_point(text.substr(begin)).length) {
    const auto here = static_cast<Sum>(ways[begin].sum);
    const std::size_t first_length = first_code_point(text.substr(begin)).length;
    for (std::size_t end = begin + 1; end <= std::min(text.size(), begin + longest); ++end) {
      const TokenId id = made.vocabulary.find(text.substr(begin, end - begin));
      if (id < 0 && end != begin + first_length) continue;
      const double sum = id < 0 ? static_cast<double>(unknown_score + here)
                                : scores[static_cast<std::size_t>(id)] + static_cast<double>(here);
      if (ways[end].is_there && !(sum > ways[end].sum)) continue;
      ways[end] = {static_cast<double>(static_cast<Sum>(sum)), begin, id, true};
    }
  }
  Ids ids;  // from the end
  for (std::size_t end = text.size(), from = 0; end > 0; end = from) {
    // -1 and 0 are unknown, and a run of them is one; in double it is looked up as a whole.
    for (from = ways[end].from; from > 0 && ways[end].id <= 0 && ways[from].id <= 0;) from = ways[from].from;
    const bool is_looked_up = ways[end].id <= 0 && std::is_same_v<Sum, double>;
    ids.push_back(std::max(is_looked_up ? made.vocabulary.find(text.substr(from, end - from)) : ways[end].id, 0));
  }
  return {ids.rbegin(), ids.rend()};
}

// Scores by length make ties, and floats cannot hold them: a sum that starts anew somewhere breaks them in
// other ways. With scores over 10, unknown characters beat the entries that they spell.
TEST(Unigram, StretchesHaveTheTokensOfTheWhole) {
  Random random(7);
  std::vector<std::string> parts = kFewParts;
  parts.insert(parts.end(), {"<unk>", "x", "x"});
  for (int round = 0; round < 100; ++round) {
    RandomVocabulary made(random);
    made.add("xx");
    made.vocabulary.build_index();
    const float highest = random.below(3) == 0 ? 25 : 0;
    std::vector<float> scores;
    for (const std::string& text : made.texts)
      scores.push_back(highest - 0.1F * static_cast<float>(text.size() + random.below(2)));
    const std::vector<double> wide(scores.begin(), scores.end());
    Unigram::Options options;
    options.unknown = 0;
    const Unigram in_float(made.vocabulary, wide, options);
    options.sums = Unigram::Sums::kDouble;
    const Unigram in_double(made.vocabulary, wide, options);
    for (int i = 0; i < 30; ++i) {
      const std::string text = random.text(parts, 300);
      ASSERT_EQ(encoded(in_float, text), best_tokens<float>(made, wide, text)) << testing::PrintToString(text);
      ASSERT_EQ(encoded(in_double, text), best_tokens<double>(made, wide, text)) << testing::PrintToString(text);
    }
  }
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
