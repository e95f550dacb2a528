#include "tokenizer/unigram.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

using Ids = std::vector<TokenId>;

struct Entry {
  std::string text;
  double score;
};

// By definition, over the whole text: the best sum to each place, the first that was found stays.
template <class Sum>
Ids ids_by_definition(const std::vector<Entry>& entries, double unknown_score, const std::string& text) {
  struct Best {
    Sum sum = 0;
    std::size_t from = 0;
    TokenId id = -2;  // -2: not reached, -1: unknown
  };
  std::vector<Best> best(text.size() + 1);
  const auto reach = [&](std::size_t from, std::size_t to, double sum, TokenId id) {
    if (best[to].id != -2 && !(sum > static_cast<double>(best[to].sum))) return;
    best[to] = {static_cast<Sum>(sum), from, id};
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = first_code_point(std::string_view(text).substr(at)).length;
    bool has_single = false;
    for (std::size_t size = 1; size <= 8 && at + size <= text.size(); ++size) {
      for (std::size_t i = 1; i < entries.size(); ++i) {
        if (entries[i].text != std::string_view(text).substr(at, size)) continue;
        reach(at, at + size, entries[i].score + static_cast<double>(best[at].sum), static_cast<TokenId>(i));
        has_single |= size == length;
      }
    }
    if (!has_single)
      reach(at, at + length, static_cast<double>(static_cast<Sum>(unknown_score) + best[at].sum), -1);
    at += length;
  }
  Ids backwards;
  for (std::size_t at = text.size(); at > 0; at = best[at].from) {
    const bool is_unknown = best[at].id == -1;
    if (!is_unknown)
      backwards.push_back(best[at].id);
    else if (backwards.empty() || backwards.back() != 0)
      backwards.push_back(0);  // one for a run
  }
  return {backwards.rbegin(), backwards.rend()};
}

template <class Sum>
void compare_long_texts(Unigram::Sums sums) {
  std::mt19937 random(17);
  const std::vector<std::string> parts{"a", "b", "c", "ab", " ", "x", "\u00E9", "\u4E2D", "aaaa"};
  const std::vector<Entry> entries{{"<unk>", 0},    {"a", -1.1},  {"b", -2.3},   {"ab", -3.4},    {"aa", -2.2},
                                   {"ba", -3.1},    {" ", -0.7},  {" a", -1.8},  {"b a", -4.1},   {"\u00E9", -5.3},
                                   {"aaaa", -4.37}, {"cab", -5.9}, {"abab", -6.8}};
  Vocabulary vocabulary;
  std::vector<double> scores;
  for (const Entry& entry : entries) {
    vocabulary.set(static_cast<TokenId>(scores.size()), entry.text,
                   scores.empty() ? TokenKind::kUnknown : TokenKind::kNormal);
    scores.push_back(entry.score);
  }
  vocabulary.build_index();
  Unigram::Options options;
  options.sums = sums;
  options.unknown = 0;
  const Unigram model(vocabulary, scores, options);
  for (int round = 0; round < 20; ++round) {
    std::string text;
    // Some with long runs that nothing cuts, or that are unknown.
    while (text.size() < 20'000) {
      if (random() % 400 == 0) text += std::string(5000, random() % 2 > 0 ? 'a' : 'x');
      text += parts[random() % parts.size()];
    }
    Ids ids;
    std::vector<Interval> places;
    TokenSink sink(ids, &places);
    const TracedText traced(text, 0, true);
    sink.start(traced);
    Unigram::Scratch scratch;
    model.encode(text, 0, scratch, sink);
    ASSERT_EQ(ids, ids_by_definition<Sum>(entries, -6.8 - 10, text));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSERT_EQ(places[i].begin, i > 0 ? places[i - 1].end : 0U);
      if (ids[i] != 0) {
        ASSERT_EQ(text.substr(places[i].begin, places[i].size()), entries[static_cast<std::size_t>(ids[i])].text);
      }
    }
  }
}

// Sums in float over 20,000 bytes round: where they do decides between ways that are nearly as good.
TEST(Unigram, LongTextsHaveTheIdsOfTheDefinitionInFloat) { compare_long_texts<float>(Unigram::Sums::kFloat); }
TEST(Unigram, LongTextsHaveTheIdsOfTheDefinitionInDouble) { compare_long_texts<double>(Unigram::Sums::kDouble); }

// Hugging Face's looks up a run of unknown text as one: the entry that it spells counts, although text does
// not become such entries by itself. Wherever the run stands.
TEST(Unigram, ARunOfUnknownTextIsLookedUpWhole) {
  Vocabulary vocabulary;
  vocabulary.set(0, "<unk>", TokenKind::kUnknown);
  vocabulary.set(1, "b");
  vocabulary.set(2, "xyx", TokenKind::kControl);
  vocabulary.build_index();
  Unigram::Options options;
  options.sums = Unigram::Sums::kDouble;
  options.unknown = 0;
  const Unigram model(vocabulary, {0, -1, 0}, options);
  for (std::size_t before = 2040; before < 2056; ++before) {
    Ids ids, want(before, 1);
    TokenSink sink(ids, nullptr);
    const std::string text = std::string(before, 'b') + "xyxb";
    const TracedText traced(text, 0, false);
    sink.start(traced);
    Unigram::Scratch scratch;
    model.encode(text, 0, scratch, sink);
    want.insert(want.end(), {2, 1});
    ASSERT_EQ(ids, want) << before;
  }
}

}  // namespace
}  // namespace kinglet
