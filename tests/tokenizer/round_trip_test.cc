// decode(encode(text)) is the text, for every byte-level vocabulary and any well-formed UTF-8; where
// the vocabulary composes (NFC), it is the text's composed form. KINGLET_ROUND_TRIPS=100000 tries that many
// texts for each vocabulary.

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/reference_unicode.h"
#include "tokenizer/support.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

struct Range {
  char32_t first, last;
};

// Scripts and what else text is made of, so that neighbours are often alike.
const std::vector<std::vector<Range>> kKinds{
    {{'a', 'z'}},
    {{0x20, 0x7E}},
    {{'0', '9'}, {0xB2, 0xBE}, {0x660, 0x669}, {0x2160, 0x2188}, {0x2460, 0x249B}},
    {{0x20, 0x20}, {0x09, 0x0D}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200F}, {0x2028, 0x202F},
     {0x205F, 0x2064}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}},
    {{0x20, 0x20}, {'\n', '\n'}, {'\r', '\r'}},
    {{0x00, 0x1F}, {0x7F, 0x9F}},
    {{0xC0, 0x24F}, {0x1E00, 0x1EFF}},
    {{0x370, 0x52F}, {0x1F00, 0x1FFF}},
    {{0x590, 0x6FF}, {0xFB1D, 0xFDFF}, {0xFE70, 0xFEFC}},
    {{0x900, 0xDFF}},
    {{0xE00, 0xFFF}, {0x1000, 0x109F}},
    {{0x1100, 0x11FF}, {0xAC00, 0xD7FB}},
    {{0x3040, 0x30FF}, {0xFF66, 0xFF9F}, {0x4E00, 0x9FFF}, {0xF900, 0xFAD9}},
    {{0x300, 0x36F}, {0x1AB0, 0x1ACE}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20F0}},
    {{0x2010, 0x2BFF}},
    {{0x1F300, 0x1FAFF}, {0x200D, 0x200D}, {0xFE0F, 0xFE0F}, {0x1F1E6, 0x1F1FF}, {0x1F3FB, 0x1F3FF}},
    {{0xE000, 0xF8FF}, {0xFFF0, 0xFFFF}, {0xE0000, 0xE01EF}, {0x10FFF0, 0x10FFFF}},
    {{0x10000, 0x1FFFF}, {0x2F800, 0x2FA1D}},
    {{0x01, 0xD7FF}, {0xE000, 0x10FFFF}},
};

const std::vector<std::string> kPhrases{
    "the", " the", "'s", "'LL", "I'm", "1234567", "https://a.b/c?d=e", "==========", "        ", "\r\n\r\n", " \n \n",
    "e\u0301\u0323", "\u1100\u1161\u11A8", "\uAC00\u11A8", "\u0915\u094D\u0937\u093F", "\u0E01\u0E33",
    "\U0001F469\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "1\uFE0F\u20E3",
    "\u212B", "\u0344", "\u0958", "\uFB1D", "\u2126", "\U0001D15E", "\uFFFD", "\u2581", "\u0120", "<0x0A>", "</s>"};

class RandomText {
 public:
  explicit RandomText(unsigned seed) : engine_(seed) {}

  std::string next() {
    std::string text;
    for (std::size_t runs = 1 + below(6); runs > 0; --runs) {
      if (below(4) == 0) {
        text += kPhrases[below(kPhrases.size())];
        continue;
      }
      const auto& kind = kKinds[below(kKinds.size())];
      for (std::size_t left = below(8) == 0 ? 40 : 1 + below(8); left > 0; --left) append_utf8(text, one_of(kind));
    }
    return text;
  }

 private:
  std::size_t below(std::size_t end) { return engine_() % end; }
  char32_t one_of(const std::vector<Range>& kind) {
    const Range range = kind[below(kind.size())];
    return range.first + static_cast<char32_t>(below(range.last - range.first + 1));
  }
  std::mt19937 engine_;
};

enum class Form { kAsIs, kNfc };

// By utf8proc over the whole stretch, NUL bytes and all.
std::string composed_stretch(std::string_view text) {
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &out,
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  EXPECT_GE(size, 0) << utf8proc_errmsg(size);
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(std::max<utf8proc_ssize_t>(size, 0)));
  std::free(out);
  return result;
}

// The reference's normal forms are of an older Unicode: newer characters are to it what unassigned ones
// are, and keep their neighbours apart.
std::string composed(std::string_view text) {
  std::string result;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    if (reference::has_no_forms(c.value)) {
      result += composed_stretch(text.substr(begin, at - begin));
      result += text.substr(at, c.length);
      begin = at + c.length;
    }
    at += c.length;
  }
  return result + composed_stretch(text.substr(begin));
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  TextStream stream(tokenizer);
  std::string text;
  for (const TokenId id : ids) text += stream.push(id);
  return text + stream.finish();
}

struct ByteLevelCase {
  const char* vocabulary;
  Form form = Form::kAsIs;
};
std::ostream& operator<<(std::ostream& out, const ByteLevelCase& c) { return out << c.vocabulary; }

class RoundTrip : public testing::TestWithParam<ByteLevelCase> {};

TEST_P(RoundTrip, TextComesBackByteForByte) {
  const std::string name = GetParam().vocabulary;
  const auto path = name.starts_with("models/") ? std::filesystem::path(KINGLET_SOURCE_DIR) / name
                                                : test::shared_path("data/tokenizers/" + name);
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Tokenizer tokenizer = test::open_vocabulary(path);
  const char* wanted = std::getenv("KINGLET_ROUND_TRIPS");
  const long rounds = wanted != nullptr ? std::atol(wanted) : 500;
  RandomText random(41);
  for (long round = 0; round < rounds; ++round) {
    const std::string text = random.next();
    ASSERT_TRUE(is_utf8(text));
    const std::string want = GetParam().form == Form::kNfc ? composed(text) : text;
    const auto ids = tokenizer.encode(text);
    ASSERT_EQ(tokenizer.decode(ids), want) << testing::PrintToString(text);
    ASSERT_EQ(streamed(tokenizer, ids), want) << testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(, RoundTrip,
                         testing::Values(ByteLevelCase{"models/tales-3m/tokenizer.json"},
                                         ByteLevelCase{"gpt2/tokenizer.json"}, ByteLevelCase{"gpt2/gpt2.gguf"},
                                         ByteLevelCase{"llama3s/tokenizer.json"}, ByteLevelCase{"llama3s/llama3s.gguf"},
                                         ByteLevelCase{"gpt4os/tokenizer.json"}, ByteLevelCase{"gpt4os/gpt4os.gguf"},
                                         ByteLevelCase{"qwen3/qwen3.gguf", Form::kNfc}),
                         [](const auto& c) {
                           std::string name = c.param.vocabulary;
                           for (char& letter : name)
                             if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
                           return name;
                         });

}  // namespace
}  // namespace kinglet
