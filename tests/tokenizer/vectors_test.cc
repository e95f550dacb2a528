// The shared vectors: what the reference tokenizers made of thousands of texts, for every file form
// of every vocabulary. See shared/vectors/tokenizer/README.md.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tokenizer/support.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

using nlohmann::json;
using test::shared_path;

struct VectorCase {
  std::string name, vocabulary, mode, vectors, decode;
};

std::ostream& operator<<(std::ostream& out, const VectorCase& c) { return out << c.name << " " << c.vocabulary; }

std::vector<VectorCase> cases() {
  const std::string text = test::read_file(shared_path("vectors/tokenizer/dev/tokenizers.json"));
  if (text.empty()) return {{"absent", "", "", "", ""}};
  std::vector<VectorCase> cases;
  const json manifest = json::parse(text);
  for (const auto& [name, entry] : manifest.items())
    for (const json& vocabulary : entry["vocabs"])
      cases.push_back({name, vocabulary, entry["mode"], entry["vectors"], entry.value("decode", "")});
  return cases;
}

std::vector<json> read_rows(const std::string& name) {
  std::istringstream lines(test::read_file(shared_path("vectors/tokenizer/dev/" + name)));
  std::vector<json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
  return rows;
}

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

// Malformed sequences as U+FFFD, the form that the recorded bytes may be in.
std::string well_formed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = utf8_prefix(text);
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    out += kReplacement;
    text.remove_prefix(malformed_length(text));
  }
  return out;
}

class TokenizerVectors : public testing::TestWithParam<VectorCase> {
 protected:
  void SetUp() override {
    if (GetParam().vocabulary.empty()) GTEST_SKIP() << "no ../shared/vectors/tokenizer beside the project";
    path_ = shared_path("data/tokenizers") / GetParam().vocabulary;
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << "no " << path_;
  }
  SpecialTokens special() const {
    return GetParam().mode == "special" ? SpecialTokens::kParsed : SpecialTokens::kAsText;
  }
  std::filesystem::path path_;
};

TEST_P(TokenizerVectors, TextsHaveTheIdsOfTheReference) {
  const Tokenizer tokenizer = test::open_vocabulary(path_);
  EXPECT_TRUE(tokenizer.warnings().empty()) << tokenizer.warnings()[0];
  for (const json& row : read_rows(GetParam().vectors)) {
    if (row.contains("contested")) continue;
    const std::string text = row["text"];
    const auto want = row["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer.encode(text, {special(), Affixes::kNone}), want) << row["cat"] << row["text"];
    if (row.contains("ids_plain")) {
      EXPECT_EQ(tokenizer.encode(text), row["ids_plain"].get<std::vector<TokenId>>()) << row["text"];
    }
    if (row.contains("ids_full")) {
      EXPECT_EQ(tokenizer.encode(text, {special(), Affixes::kAdded}),
                row["ids_full"].get<std::vector<TokenId>>()) << row["text"];
    }
  }
}

TEST_P(TokenizerVectors, OffsetsTileTheTextInOrderAndGiveTheSameIds) {
  const Tokenizer tokenizer = test::open_vocabulary(path_);
  for (const json& row : read_rows(GetParam().vectors)) {
    const std::string text = row["text"];
    const EncodeOptions options{special(), Affixes::kNone};
    const auto ids = tokenizer.encode(text, options);
    const auto tokens = tokenizer.encode_with_offsets(text, options);
    ASSERT_EQ(ids.size(), tokens.size()) << row["text"];
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      ASSERT_EQ(tokens[i].id, ids[i]);
      ASSERT_LE(tokens[i].begin, tokens[i].end) << row["text"];
      ASSERT_LE(tokens[i].end, text.size()) << row["text"];
      ASSERT_LE(i > 0 ? tokens[i - 1].begin : 0, tokens[i].begin) << row["text"];
    }
  }
}

TEST_P(TokenizerVectors, IdsDecodeToTheBytesOfTheReference) {
  if (GetParam().decode.empty()) GTEST_SKIP() << "no decode vectors";
  const Tokenizer tokenizer = test::open_vocabulary(path_);
  for (const json& row : read_rows(GetParam().decode)) {
    const auto ids = row["ids"].get<std::vector<TokenId>>();
    const std::string want = bytes_of_hex(row["bytes_hex"]);
    const std::string got = tokenizer.decode(ids, special() == SpecialTokens::kParsed);
    EXPECT_EQ(well_formed(got), well_formed(want)) << row["ids"];
  }
  for (const json& row : read_rows(GetParam().vectors)) {
    if (!row.contains("decoded") || row["decoded"].is_null()) continue;
    const auto ids = row["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer.decode(ids, special() == SpecialTokens::kParsed), row["decoded"].get<std::string>())
        << row["ids"];
  }
}

TEST_P(TokenizerVectors, AStreamGivesTheTextOfAllIdsAndNeverHalfACharacter) {
  if (GetParam().decode.empty()) GTEST_SKIP() << "no decode vectors";
  const Tokenizer tokenizer = test::open_vocabulary(path_);
  for (const json& row : read_rows(GetParam().decode)) {
    const auto ids = row["ids"].get<std::vector<TokenId>>();
    TextStream stream(tokenizer);
    std::string streamed;
    for (const TokenId id : ids) {
      const std::string text = stream.push(id);
      EXPECT_TRUE(is_utf8(text)) << row["ids"];
      streamed += text;
    }
    streamed += stream.finish();
    EXPECT_EQ(streamed, well_formed(tokenizer.decode(ids))) << row["ids"];
  }
}

TEST_P(TokenizerVectors, MalformedBytesAreTokenisedByThePolicy) {
  const Tokenizer tokenizer = test::open_vocabulary(path_);
  for (const json& row : read_rows("invalid_utf8.jsonl")) {
    if (row["tokenizer"] != GetParam().name) continue;
    const auto got = tokenizer.encode(bytes_of_hex(row["bytes_hex"]), {special(), Affixes::kNone});
    const auto accepted = row["accept"].get<std::vector<std::vector<TokenId>>>();
    EXPECT_NE(std::find(accepted.begin(), accepted.end(), got), accepted.end())
        << row["bytes_hex"] << " gave " << json(got) << ", accepted " << row["accept"];
  }
}

INSTANTIATE_TEST_SUITE_P(, TokenizerVectors, testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param.name + "_" + c.param.vocabulary;
  for (char& letter : name)
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
  return name;
});

}  // namespace
}  // namespace kinglet
