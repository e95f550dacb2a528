#include "tokenizer/factories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "kinglet/error.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/support.h"

namespace kinglet {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<TokenId>;

// The message of the Error that `act` throws, or "".
template <class Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kRefused) << error.what();
    return error.what();
  }
  return "";
}

// A tokenizer.json around a model; `more` are further members, each with its comma.
std::string document(const std::string& model, const std::string& more = "") {
  return "{" + more + R"("model":)" + model + "}";
}
const std::string kModel = R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})";

std::string llama2c_token(float score, const std::string& text) {
  const auto u32 = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift & 0xFF));
    return bytes;
  };
  return u32(std::bit_cast<std::uint32_t>(score)) + u32(static_cast<std::uint32_t>(text.size())) + text;
}

TEST(FromJson, ASmallModelMergesByRank) {
  const Tokenizer tokenizer = from_json("t.json", document(kModel));
  EXPECT_THAT(tokenizer.encode("abba"), ElementsAre(2, 1, 0));
  EXPECT_THAT(tokenizer.encode(""), ElementsAre());
  EXPECT_THAT(tokenizer.encode("xaz"), ElementsAre(0)) << "unknown characters are dropped without unk_token";
  EXPECT_EQ(tokenizer.size(), 3U);
  EXPECT_EQ(tokenizer.piece(2), "ab");
  EXPECT_EQ(tokenizer.find("b"), 1);
  EXPECT_EQ(tokenizer.find("zz"), std::nullopt);
  EXPECT_FALSE(tokenizer.adds_bos());
}

TEST(FromJson, UnknownComponentsAreNamedWithTheirPlace) {
  const auto message = [](const std::string& more) {
    return refusal([&] { from_json("t.json", document(kModel, more)); });
  };
  EXPECT_THAT(message(R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Zap"}]},)"),
              AllOf(HasSubstr("t.json: unknown normalizer"), HasSubstr("normalizer.normalizers[1].type"),
                    HasSubstr("'Zap'")));
  EXPECT_THAT(message(R"("pre_tokenizer":{"type":"Zap"},)"), HasSubstr("unknown pre-tokenizer"));
  EXPECT_THAT(message(R"("post_processor":{"type":"Zap"},)"), HasSubstr("unknown post-processor"));
  EXPECT_THAT(message(R"("decoder":{"type":"Zap"},)"), HasSubstr("unknown decoder"));
  EXPECT_THAT(refusal([] { from_json("t.json", document(R"({"type":"Zap","vocab":{}})")); }),
              AllOf(HasSubstr("unknown model"), HasSubstr("model.type")));
}

TEST(FromJson, BadFilesAreRefusedWithTheReason) {
  const std::pair<std::string, const char*> kBad[] = {
      {"", "no well-formed JSON"},
      {"[]", "no JSON object"},
      {"{}", "has no model"},
      {R"({"model":null})", "has no model"},
      {R"({"model":{"type":"BPE")", "no well-formed JSON"},
      {document(R"({"type":"BPE","vocab":{"a":"0"},"merges":[]})"), "model.vocab"},
      {document(R"({"type":"BPE","vocab":{"a":-1},"merges":[]})"), "out of range"},
      {document(R"({"type":"BPE","vocab":{"a":2147483648},"merges":[]})"), "out of range"},
      {document(R"({"type":"BPE","vocab":{"a":18446744073709551615},"merges":[]})"), "out of range"},
      {document(R"({"type":"BPE","vocab":{"a":0.5},"merges":[]})"), "model.vocab"},
      {document(R"({"type":"BPE","vocab":{"a":0},"merges":["ab"]})"), "model.merges"},
      {document(R"({"type":"BPE","vocab":{"a":0},"merges":[["a"]]})"), "model.merges"},
      {document(R"({"type":"BPE","vocab":{"a":0},"merges":[["a","b","c"]]})"), "model.merges"},
      {document(R"({"type":"BPE","vocab":{"a":0},"merges":[3]})"), "model.merges"},
      {document(R"({"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"x"})"), "model.unk_token"},
      {document(R"({"type":"Unigram","vocab":{"a":0}})"), "model.vocab"},
      {document(R"({"type":"Unigram","vocab":[["a",0]],"unk_id":7})"), "model.unk_id"},
      {document(R"({"type":"Unigram","vocab":[["a"]]})"), "model.vocab"},
      {document(kModel, R"("added_tokens":[{"id":"0","content":"x"}],)"), "added_tokens[0].id"},
      {document(kModel, R"("added_tokens":[{"id":-1,"content":"x"}],)"), "added_tokens[0].id"},
      {document(kModel, R"("added_tokens":[{"id":2147483648,"content":"x"}],)"), "added_tokens[0].id"},
      {document(kModel, R"("added_tokens":[{"id":4}],)"), "added_tokens[0].content"},
      {document(kModel, R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"}},)"), "does not compile"},
      {document(kModel, R"("post_processor":{"type":"BertProcessing","sep":["x",9],"cls":["y",0]},)"),
       "vocabulary lacks"},
      {document(kModel, R"("decoder":{"type":"Strip","content":"ab"},)"), "decoder.content"},
      {document(kModel, R"("x":1,"x":2,)"), "twice"},
      {document(R"({"type":"BPE","vocab":{"a":1048576},"merges":[]})"), "out of range"},
      {document(kModel, R"("added_tokens":[{"id":1048576,"content":"x"}],)"), "added_tokens[0].id"},
      {document(kModel, R"("added_tokens":[{"id":1e99,"content":"x"}],)"), "added_tokens[0].id"},
  };
  for (const auto& [text, reason] : kBad)
    EXPECT_THAT(refusal([&] { from_json("t.json", text); }), HasSubstr(reason)) << text;
}

TEST(FromJson, DeepNestingIsRefusedWithoutRecursion) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(refusal([&] { from_json("t.json", deep); }), HasSubstr("nested over 64 deep"));
  EXPECT_THAT(refusal([&] { from_json("t.json", R"({"normalizer":)" + deep); }), HasSubstr("nested"));
}

TEST(FromJson, OddFilesAreTakenWithAWarningThatCounts) {
  const Tokenizer tokenizer = from_json(
      "t.json", document(R"({"type":"BPE","vocab":{"a":0,"b":5,"b":5},"merges":["a b","a z"]})"));
  ASSERT_EQ(tokenizer.warnings().size(), 3U);
  EXPECT_THAT(tokenizer.warnings()[0], HasSubstr("1 ids of model.vocab stand there twice"));
  EXPECT_THAT(tokenizer.warnings()[1], HasSubstr("2 of 2 merges"));
  EXPECT_THAT(tokenizer.warnings()[2], HasSubstr("4 ids below the highest have no token"));
  EXPECT_EQ(tokenizer.size(), 6U);
  EXPECT_EQ(tokenizer.decode(Ids{0, 3, 5}), "a  b") << "a hole is empty; without decoder, spaces join";
}

TEST(FromJson, AHostileRegexIsAnErrorAndNotAHang) {
  const Tokenizer tokenizer = from_json(
      "t.json",
      document(kModel, R"j("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a|a|aa)*[cd]"},"behavior":"Removed"},)j"));
  EXPECT_THROW(tokenizer.encode(std::string(5000, 'a') + "b"), Error);
}

// One that fails just within the limit, again and again: in parts of a text, in stretches between added
// tokens, in tokens that are decoded.
TEST(FromJson, AHostileRegexIsAnErrorInManyShortTextsToo) {
  const std::string hostile = R"({"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"x"},)";
  const std::string word = std::string(23, 'a') + "b";
  std::string words, stretches;
  Ids ids;
  for (int i = 0; i < 500; ++i) {
    words += word + " ";
    stretches += word + "<>";
    ids.push_back(3);
  }
  EXPECT_THROW(from_json("t.json", document(kModel, R"j("pre_tokenizer":{"type":"Sequence","pretokenizers":[
      {"type":"WhitespaceSplit"},{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}]},)j")).encode(words),
               Error);
  const std::string added = R"("added_tokens":[{"id":3,"content":")" + word + R"("},{"id":4,"content":"<>"}],)";
  const std::string one_added = R"("added_tokens":[{"id":3,"content":"<>","normalized":false}],)";
  EXPECT_THROW(from_json("t.json", document(kModel, one_added + R"("normalizer":)" + hostile)).encode(stretches), Error);
  EXPECT_THROW(from_json("t.json", document(kModel, added + R"("decoder":)" + hostile)).decode(ids), Error);
}

TEST(FromJson, HostileExpressionsAreRefusedAndTheirPlaceIsNamed) {
  for (const char* regex : {"((a{0,1000}){0,1000}){0,1000}", "(?<=a{1,1000})b", "a(", "[", "[a[b]", R"(\\p{Foo})", "a+++",
                            "(?<n>a", R"(\\C)"})
    EXPECT_THAT(refusal([&] {
                  from_json("t.json", document(kModel, R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},
                      {"type":"Replace","content":"","pattern":{"Regex":")" + std::string(regex) + R"("}}]},)"));
                }),
                AllOf(HasSubstr("t.json: a regular expression does not compile"),
                      HasSubstr("normalizer.normalizers[1].pattern.Regex")))
        << regex;
  std::string deep;
  for (int i = 0; i < 100; ++i) deep = "(" + deep + "a)";
  EXPECT_THAT(refusal([&] { from_json("t.json", document(kModel, R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":")" + deep + R"("}},)")); }),
              HasSubstr("pre_tokenizer.pattern.Regex"));
}

// Forty times twice the length; and one replacement as long as a file can hold.
TEST(FromJson, TextThatGrowsWithoutEndIsAnError) {
  const std::string twice = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  std::string steps = twice;
  for (int i = 1; i < 40; ++i) steps += "," + twice;
  const Tokenizer doubling = from_json(
      "t.json", document(kModel, R"("normalizer":{"type":"Sequence","normalizers":[)" + steps + "]},"));
  EXPECT_THROW(doubling.encode("a"), Error);
  EXPECT_THROW(doubling.encode_with_offsets("a"), Error);
  const Tokenizer longest = from_json(
      "t.json", document(kModel, R"("normalizer":{"type":"Replace","pattern":{"String":"a"},"content":")" +
                                     std::string(1 << 20, 'b') + R"("},)"));
  EXPECT_THROW(longest.encode(std::string(1 << 20, 'a')), Error);
}

// As in the reference: nothing is found at every place, the ends included.
TEST(FromJson, ReplacingNothingPutsTheContentEverywhere) {
  const Tokenizer tokenizer = from_json(
      "t.json", document(kModel, R"("normalizer":{"type":"Replace","pattern":{"String":""},"content":"b"},)"));
  EXPECT_THAT(tokenizer.encode("aab"), ElementsAre(1, 2, 2, 1, 1)) << "bababbb";
}

TEST(FromJson, SpecialTokensAreTextUnlessParsed) {
  const Tokenizer tokenizer = from_json(
      "t.json", document(kModel, R"("added_tokens":[
        {"id":3,"content":"<s>","special":true},{"id":4,"content":"<m>","special":true,"lstrip":true,"rstrip":true},
        {"id":5,"content":"bb","special":false,"normalized":false}],)"));
  const EncodeOptions parsed{SpecialTokens::kParsed, Affixes::kNone};
  EXPECT_THAT(tokenizer.encode("a<s>b", parsed), ElementsAre(0, 3, 1));
  EXPECT_THAT(tokenizer.encode("a<s>b"), ElementsAre(2)) << "its letters are unknown and dropped";
  EXPECT_THAT(tokenizer.encode("abb"), ElementsAre(0, 5)) << "not special: always found";
  const auto tokens = tokenizer.encode_with_offsets("a <m> b", parsed);
  ASSERT_EQ(tokens.size(), 3U);
  EXPECT_EQ(tokens[1].begin, 1U);
  EXPECT_EQ(tokens[1].end, 6U) << "the whitespace around goes with it";
  EXPECT_TRUE(tokenizer.is_special(3));
  EXPECT_FALSE(tokenizer.is_special(5));
}

TEST(FromJson, IdsOutsideTheVocabularyAreUsageErrors) {
  const Tokenizer tokenizer = from_json("t.json", document(kModel));
  for (const TokenId id : {-1, 3, 2147483647}) {
    EXPECT_THROW(tokenizer.decode(Ids{id}), Error) << id;
    EXPECT_THROW(tokenizer.piece(id), Error) << id;
    EXPECT_FALSE(tokenizer.is_special(id)) << id;
  }
}

TEST(FromLlama2c, MalformedFilesAreRefused) {
  const auto read = [](const std::string& bytes, std::optional<std::size_t> count = std::nullopt) {
    return refusal([&] { from_llama2c("tokenizer.bin", bytes, count); });
  };
  const std::string head(4, '\0');
  const std::string special = llama2c_token(0, "<unk>") + llama2c_token(0, "\n<s>\n") + llama2c_token(0, "\n</s>\n");
  EXPECT_THAT(read(""), HasSubstr("too short"));
  EXPECT_THAT(read(head + special + "abc"), HasSubstr("cut at token 3"));
  EXPECT_THAT(read(head + special + std::string("\0\0\0\0\xFF\xFF\xFF\xFF", 8)), HasSubstr("longer than the file"));
  EXPECT_THAT(read(head + special, 4), HasSubstr("cut at token 3"));
  EXPECT_EQ(read(head + special, 3), "");
}

TEST(FromSentencePiece, MalformedFilesAreRefused) {
  const auto read = [](const std::string& bytes) {
    return refusal([&] { from_sentencepiece("tokenizer.model", bytes); });
  };
  EXPECT_THAT(read(""), HasSubstr("no pieces"));
  EXPECT_THAT(read("\x0A\x7F"), HasSubstr("longer than what is left"));
  EXPECT_THAT(read(std::string(20, '\xFF')), HasSubstr("64 bits"));
  EXPECT_THAT(read("\x0A\x03\x0A\x01" "a"), HasSubstr("no unknown piece"));
  EXPECT_THAT(read("\x0A\x05\x0A\x01" "a\x18\x09"), HasSubstr("unknown type"));
}

TEST(FromGguf, ListsOfDifferentLengthAreRefused) {
  GgufVocabulary keys;
  keys.model = "llama";
  EXPECT_THAT(refusal([&] { from_gguf("m.gguf", keys); }), HasSubstr("vocabulary is empty"));
  keys.tokens = {"<unk>", "a"};
  keys.scores = {0};
  EXPECT_THAT(refusal([&] { from_gguf("m.gguf", keys); }), HasSubstr("tokenizer.ggml.scores"));
  keys.scores = {0, 0};
  keys.token_type = {2, 9};
  EXPECT_THAT(refusal([&] { from_gguf("m.gguf", keys); }), HasSubstr("token_type[1]"));
  keys.token_type = {};
  keys.model = "rwkv";
  EXPECT_THAT(refusal([&] { from_gguf("m.gguf", keys); }), HasSubstr("'rwkv'"));
}

TEST(FromGguf, ByteTokensAreTwoHexadecimalDigitsAndNothingElse) {
  GgufVocabulary keys;
  keys.model = "llama";
  keys.tokens = {"<unk>", "<0x41>", "<0x-1>", "<0xG1>", "<0x411>"};
  const Tokenizer tokenizer = from_gguf("m.gguf", keys);
  EXPECT_EQ(tokenizer.decode(Ids{1}), "A");
  EXPECT_EQ(tokenizer.decode(Ids{2}), "<0x-1>");
}

TEST(FromGguf, AnUnknownPreTokenizerWarnsAndSaysWhatItTakes) {
  GgufVocabulary keys;
  keys.model = "gpt2";
  keys.pre = "frobnicator";
  keys.tokens = {"a", "b", "ab"};
  keys.merges = {"a b"};
  keys.bos_token_id = 77;
  const Tokenizer tokenizer = from_gguf("m.gguf", keys);
  EXPECT_THAT(tokenizer.encode("ab"), ElementsAre(2));
  ASSERT_EQ(tokenizer.warnings().size(), 2U);
  EXPECT_THAT(tokenizer.warnings()[0], HasSubstr("bos_token_id is 77, outside"));
  EXPECT_THAT(tokenizer.warnings()[1], AllOf(HasSubstr("'frobnicator'"), HasSubstr("GPT-2")));
}

TEST(FromGguf, RepeatedTokensAndMergesOfUnknownOnesAreCounted) {
  GgufVocabulary keys;
  keys.model = "gpt2";
  keys.pre = "gpt-2";
  keys.tokens = {"a", "b", "ab", "ab"};
  keys.merges = {"a b", "a b", "a z", "b a", "", " ", "a"};
  const Tokenizer tokenizer = from_gguf("m.gguf", keys);
  EXPECT_THAT(tokenizer.encode("abz"), ElementsAre(2)) << "the first counts; no token is z";
  EXPECT_THAT(tokenizer.warnings(), ElementsAre(HasSubstr("1 tokens stand there twice"), HasSubstr("5 of 7 merges"),
                                                HasSubstr("1 merges stand there twice")));
  keys.model = "llama";
  EXPECT_THAT(from_gguf("m.gguf", keys).warnings(),
              ElementsAre(HasSubstr("scores is missing"), HasSubstr("1 tokens stand there twice")));
}

TEST(FromGguf, SmolLmCutsDigitsOneByOne) {
  GgufVocabulary keys;
  keys.model = "gpt2";
  keys.pre = "smollm";
  keys.tokens = {"1", "2", "12", "\xC4\xA0", "\xC4\xA0" "1"};
  keys.merges = {"1 2", "\xC4\xA0 1"};
  EXPECT_THAT(from_gguf("m.gguf", keys).encode("12 1"), ElementsAre(0, 1, 3, 0));
  keys.pre = "gpt-2";
  EXPECT_THAT(from_gguf("m.gguf", keys).encode("12 1"), ElementsAre(2, 4));
}

// Text stays well-formed on its way whatever the entries are: a part of a character is no token of text.
TEST(FromGguf, MalformedEntriesCutNoCharacterOfTheText) {
  GgufVocabulary keys;
  keys.model = "gpt2";
  keys.tokens = {"\xC3\x83", "\xC2\xA9", "\xA9", "\xC3", "a"};  // two stand-ins, two halves of a character
  keys.token_type = {1, 1, 4, 3, 1};
  const EncodeOptions parsed{SpecialTokens::kParsed, Affixes::kNone};
  EXPECT_THAT(from_gguf("m.gguf", keys).encode("\xC3\xA9" "a", parsed), ElementsAre(0, 1, 4));
  keys.model = "llama";
  keys.tokens = {"<unk>", "\xC3", "\xA9", "\xE2\x96", "a"};
  keys.token_type = {2, 4, 3, 4, 1};
  keys.add_space_prefix = false;
  const Tokenizer tokenizer = from_gguf("m.gguf", keys);
  for (const char* text : {"\xC3\xA9" "a", "\xC3" "a", "\xE2\x96" "a"})
    EXPECT_THAT(tokenizer.encode(text, parsed), ElementsAre(0, 4)) << testing::PrintToString(text);
  EXPECT_THAT(tokenizer.encode("a\xE2\x96", parsed), ElementsAre(4, 0));
}

TEST(Charsmap, RulesThatMakeMalformedTextAreRefusedOrNoRules) {
  const auto blob = [](std::uint32_t value, const std::string& replacements) {
    std::vector<std::uint32_t> units('a' + 1);
    units['a'] = 'a' | 1U << 8 | 1U << 10;  // a rule for "a", its leaf beside it
    units['a' ^ 1] = value;
    std::string bytes;
    const auto put = [&](std::uint32_t number) {
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(number >> shift & 0xFF));
    };
    put(static_cast<std::uint32_t>(4 * units.size()));
    for (const std::uint32_t unit : units) put(unit);
    return bytes + replacements;
  };
  EXPECT_EQ(Charsmap(blob(0, "\xC3\xA9")).longest_prefix("ab").replacement, "\xC3\xA9");
  EXPECT_EQ(Charsmap(blob(1, "\xC3\xA9")).longest_prefix("ab").length, 0U) << "starts inside a character";
  EXPECT_THAT(refusal([&] { Charsmap(blob(0, "\xC3")); }), HasSubstr("no UTF-8"));
}

TEST(FromBareFile, KindsAreToldByContent) {
  EXPECT_EQ(from_bare_file("x", document(kModel)).size(), 3U);
  EXPECT_EQ(from_bare_file("x", "[PAD]\n[UNK]\nthe\n##re\n").encode("there"), (Ids{2, 3}));
  EXPECT_THAT(refusal([] { from_bare_file("x", "<html></html>"); }), HasSubstr("is no vocabulary"));
  EXPECT_THAT(refusal([] { from_bare_file("x", ""); }), HasSubstr("is no vocabulary"));
}

TEST(Stories260K, BothVocabulariesGiveTheSameIds) {
  const auto folder = test::shared_path("data/models/stories260K");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no ../shared/data/models beside the project";
  const Tokenizer bin = test::open_vocabulary(folder / "tok512.bin");
  const Tokenizer gguf = test::open_vocabulary(folder / "stories260K.gguf");
  EXPECT_EQ(bin.size(), 512U);
  EXPECT_EQ(gguf.size(), 512U);
  const std::string story = "Once upon a time, there was a little girl named Lily. She \xE2\x9D\xA4 cats!\n";
  const EncodeOptions with_bos{SpecialTokens::kAsText, Affixes::kAdded};
  EXPECT_EQ(bin.encode(story, with_bos), gguf.encode(story, with_bos));
  EXPECT_EQ(bin.decode(bin.encode(story, with_bos)), story);
  EXPECT_EQ(gguf.decode(gguf.encode(story, with_bos)), story);
  EXPECT_EQ(bin.encode("").size(), 0U);
}

}  // namespace
}  // namespace kinglet
