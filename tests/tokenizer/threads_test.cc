// One Tokenizer, several threads: each gets what one alone gets. Under ThreadSanitizer (the preset
// tsan) this is also the proof that they share nothing unguarded.

#include <gtest/gtest.h>

#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "tokenizer/support.h"

namespace kinglet {
namespace {

using Ids = std::vector<TokenId>;

constexpr std::size_t kThreads = 4;

// Small tokenizers with every model between them.
std::vector<Tokenizer> tokenizers() {
  std::vector<Tokenizer> list;
  const std::string folder = std::string(KINGLET_SOURCE_DIR) + "/models/tales-3m";
  list.push_back(test::open_vocabulary(folder + "/tokenizer.json"));
  for (const char* model :
       {R"("Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["at",-1],["th",-2],["he",-2],["e",-3],["▁",-3]]})",
        R"("WordPiece","unk_token":"?","vocab":{"?":0,"the":1,"c":2,"##at":3,"##s":4,"sat":5}})",
        R"("WordLevel","unk_token":"?","vocab":{"?":0,"the":1,"cat":2,"sat":3}})"})
    list.push_back(from_json("t.json", std::string(R"({"normalizer":{"type":"NFKC"},"pre_tokenizer":)"
                                                   R"({"type":"Whitespace"},"model":{"type":)") + model + "}"));
  GgufVocabulary keys;
  keys.tokens = {"<unk>", "\xE2\x96\x81", "t", "h", "e", "th", "the", "\xE2\x96\x81the", "a", "c", "at"};
  keys.scores = {0, -9, -8, -8, -8, -3, -2, -1, -8, -8, -4};
  for (const char* kind : {"llama", "t5"}) {
    keys.model = kind;
    list.push_back(from_gguf("t.gguf", keys));
  }
  return list;
}

// Words come again, in another order in each text, so that caches are filled and asked at once.
std::vector<std::string> texts() {
  const std::vector<std::string> words{"the", "cat", "sat", "cats", "on", "a", "hat", "Zw\xC3\xB6lf", "12", "!?", "\n"};
  std::vector<std::string> list;
  for (std::size_t i = 0; i < 60; ++i) {
    std::string text;
    for (std::size_t j = 0; j < 25; ++j) text += words[(i * j + j * j) % words.size()] + (j % 3 > 0 ? " " : "");
    list.push_back(text + std::to_string(i));
  }
  return list;
}

TEST(Threads, ShareOneTokenizer) {
  const std::vector<std::string> given = texts();
  for (const Tokenizer& tokenizer : tokenizers()) {
    std::vector<Ids> want;
    for (const std::string& text : given) {
      want.emplace_back();
      for (const Token& token : tokenizer.encode_with_offsets(text)) want.back().push_back(token.id);
    }
    std::vector<std::size_t> wrong(kThreads);
    std::barrier together(static_cast<std::ptrdiff_t>(kThreads));
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        together.arrive_and_wait();
        for (std::size_t i = 0; i < given.size(); ++i) {
          const std::size_t at = (i * (2 * thread + 1)) % given.size();
          const Ids ids = tokenizer.encode(given[at]);
          wrong[thread] += ids != want[at];
          wrong[thread] += tokenizer.decode(ids) != tokenizer.decode(want[at]);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<std::size_t>(kThreads));
  }
}

}  // namespace
}  // namespace kinglet
