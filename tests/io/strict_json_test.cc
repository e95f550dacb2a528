// The strict JSON parser: what it reads, what it refuses, where it says the fault is.

#include "io/strict_json.h"

#include <gtest/gtest.h>

#include "reading.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

json parse(std::string_view text, const JsonLimits& limits = {}) {
  return parse_json({text, "hostile.file"}, limits);
}
void refuses(std::string_view text, std::string_view says, const JsonLimits& limits = {}) {
  SCOPED_TRACE(std::string(text.substr(0, 40)));
  expect_refused([&] { parse(text, limits); }, "hostile.file", says);
}

// The oracle is the library's own reader, which builds its DOM by itself.
TEST(StrictJson, ReadsWhatTheLibraryReads) {
  for (const char* text :
       {"null", "true", "[]", "{}", "0", "-1", "18446744073709551615", "1.5e-3", "\"\\u00e9\\n\"",
        "[1,[2,[3,{\"a\":[]}]],{}]", R"({"a":{"b":{"c":[null,false,"x"]}},"d":2,"":3})",
        " { \"a\" : [ 1 , 2 ] } \n", "\"\\ud83d\\ude00\""}) {
    EXPECT_EQ(parse(text), json::parse(text)) << text;
  }
}

TEST(StrictJson, RefusesTheSameKeyTwiceAtAnyDepth) {
  refuses(R"({"a":1,"a":2})", "duplicate key 'a'");
  refuses(R"({"a":1,"\u0061":2})", "duplicate key 'a'");
  refuses(R"([{"x":{"k":[],"k":[]}}])", "duplicate key 'k'");
  EXPECT_NO_THROW(parse(R"({"a":{"a":{"a":1}},"b":{"a":1}})"));
}

TEST(StrictJson, SaysLineColumnAndByte) {
  refuses("{\"a\": 1,\n \"a\": 2}", "(line 2, column 4 at byte 13)");
  refuses("[1,\n2,\n x]", "(line 3, column 2 at byte 9)");
  expect_refused([] { parse_json({"[x]", "hostile.file", 100}); }, "hostile.file", "at byte 102");
}

TEST(StrictJson, RefusesWhatParsersReadDifferently) {
  for (const char* text : {"{\"a\":1,}", "[1,]", "// x\n1", "/* */ 1", "NaN", "[Infinity]", "01", "+1",
                           ".5", "1.", "0x1", "'a'", "1 2", "{}{}", "[1] x", "{a:1}", "\"\t\"", "\"\\x41\"",
                           "\"\\ud800\"", "tru", "1e999", "[", "{\"a\"", "\"a", "]", "\"\xff\"",
                           "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xf5\x80\x80\x80\""}) {
    refuses(text, "not valid JSON");
  }
  refuses("", "empty");
  refuses("   ", "not valid JSON");
  refuses("\xef\xbb\xbf{}", "byte order mark");
  refuses(std::string_view("{}\0", 3), "NUL");
  refuses(std::string_view("{\0\"\0a\0", 6), "UTF-16");
  refuses("\xff\xfe", "UTF-16");
}

TEST(StrictJson, BoundsDepthValuesAndStrings) {
  EXPECT_NO_THROW(parse(std::string(64, '[') + std::string(64, ']')));
  refuses(std::string(65, '[') + std::string(65, ']'), "nested deeper than 64");
  refuses(std::string(1'000'000, '['), "nested deeper than 64");
  EXPECT_NO_THROW(parse("[1,2,3]", {.values = 4}));
  refuses("[1,2,3,4]", "more than 4 values", {.values = 4});
  EXPECT_NO_THROW(parse("\"12345\"", {.string_bytes = 5}));
  refuses("\"123456\"", "a string of 6 bytes", {.string_bytes = 5});
  refuses("{\"" + std::string(65'537, 'k') + "\":1}", "a key of 65537 bytes");
}

TEST(StrictJson, WantsAnObjectWhereItIsAskedTo) {
  EXPECT_EQ(parse_json_object({"{\"a\":1}", "f"})["a"], 1);
  expect_refused([] { parse_json_object({"[1]", "hostile.file"}); }, "hostile.file", "found array");
}

}  // namespace
}  // namespace kinglet::io
