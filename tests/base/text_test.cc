#include "base/text.h"

#include <gtest/gtest.h>

namespace kinglet {
namespace {

TEST(Printable, KeepsTextAndEscapesWhatMovesATerminal) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("Zw\u00F6lf \u4E2D \U0001F98A"), "Zw\u00F6lf \u4E2D \U0001F98A");
  EXPECT_EQ(printable(std::string_view("a\0\n\x1B[2J\x7F", 8)), "a\\x00\\x0a\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\xC2\x80|\xC2\x9F|\xC2\xA0"), "\\u0080|\\u009f|\u00A0");
  EXPECT_EQ(quoted("a\tb"), "'a\\x09b'");
}

// Each in memory of its own size: nothing may be read past the end.
TEST(Printable, EveryMalformedStartAndEndIsEscaped) {
  for (unsigned lead = 0x80; lead < 0x100; ++lead) {
    const std::string one(1, static_cast<char>(lead));
    EXPECT_EQ(printable(one).size(), 4U) << lead;
    EXPECT_EQ(printable("ab" + one).substr(0, 4), "ab\\x") << lead;
    EXPECT_EQ(printable(one + "z").back(), 'z') << lead;
  }
  EXPECT_EQ(printable("\xE2\x96"), "\\xe2\\x96");
  EXPECT_EQ(printable("\xF0\x9F\x98"), "\\xf0\\x9f\\x98");
  EXPECT_EQ(printable("\xC0\x80\xED\xA0\x80\xF5\x80"), "\\xc0\\x80\\xed\\xa0\\x80\\xf5\\x80");
}

TEST(Printable, LongTextIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 201; ++i) text += "\u00E9";
  EXPECT_EQ(printable(text), text.substr(0, 400) + "...");
  EXPECT_EQ(printable(text.substr(2)), text.substr(2));
}

}  // namespace
}  // namespace kinglet
