// The catalogue's safetensors files.

#include "catalogue.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using test::Bytes;
using test::safetensors_file;

class List {
 public:
  void add(const std::string& name, std::string content, std::string says) {
    files_.push_back({"Safetensors" + name, Format::kSafetensors, std::move(content), std::move(says)});
  }
  void header(const std::string& name, const std::string& header, std::string says) {
    add(name, safetensors_file(header, std::string(8, 'x')), std::move(says));
  }
  // One tensor over all of the 8 bytes of data, one of its fields replaced.
  void field(const std::string& name, const std::string& key, const std::string& value,
             std::string says) {
    const auto part = [&](const std::string& own, const std::string& usual) {
      return '"' + own + "\":" + (own == key ? value : usual);
    };
    header(name,
           R"({"t":{)" + part("dtype", "\"F32\"") + "," + part("shape", "[2]") + "," +
               part("data_offsets", "[0,8]") + "}}",
           std::move(says));
  }
  std::vector<BadFile> take() { return std::move(files_); }

 private:
  std::vector<BadFile> files_;
};

void add_lengths(List& list) {
  for (std::size_t n = 0; n < 8; ++n) {
    list.add("Bytes" + std::to_string(n), std::string(n, '\0'), "too short: " + std::to_string(n));
  }
  for (const std::uint64_t n :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{11}, std::uint64_t{1} << 63, UINT64_MAX - 7,
        UINT64_MAX, std::uint64_t{100'000'001}}) {
    list.add("Length" + std::to_string(n), Bytes().u64(n).text("{}        ").str(),
             "header length at byte 0: found " + std::to_string(n));
  }
  list.add("Pickle", "\x80\x02}q\x01(X\x05\0\0\0model", "looks like a Python pickle");
  list.add("Zip", std::string("PK\x03\x04\0\0\0\0\0\0archive/data.pkl", 26), "looks like a ZIP archive");
  list.add("Lfs", "version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
}

void add_json(List& list) {
  list.header("Array", "[1,2]", "does not start with '{'");
  list.header("Bom", "\xef\xbb\xbf{}", "does not start with '{'");
  list.header("LeadingSpace", "  {}", "does not start with '{'");
  list.header("NulPadding", std::string("{}\0\0", 4), "a NUL byte");
  list.header("TextAfter", "{} x", "not valid JSON");
  list.header("SecondObject", "{}{}", "not valid JSON");
  list.header("Comment", "{/*x*/}", "not valid JSON");
  list.header("TrailingComma", R"({"__metadata__":{},})", "not valid JSON");
  list.header("ControlCharacter", "{\"__metadata__\":{\"a\":\"\x01\"}}", "not valid JSON");
  list.header("NotUtf8", "{\"\xff\":1}", "not valid JSON");
  list.header("EncodedSurrogate", "{\"\xed\xa0\x80\":1}", "not valid JSON");
  list.header("Overlong", "{\"\xc0\xaf\":1}", "not valid JSON");
  list.header("SingleQuotes", "{'a':1}", "not valid JSON");
  list.header("Unterminated", "{\"a", "not valid JSON");
  std::string nested = "{\"a\":";
  list.header("Nested", nested + std::string(100'000, '['), "nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 20'000; ++i) objects += "{\"a\":";
  list.header("NestedObjects", objects, "nested deeper than 64");
  const std::string entry = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  list.header("DuplicateTensor", R"({"m":)" + entry + R"(,"m":)" + entry + "}", "duplicate key 'm'");
  list.header("DuplicateHiddenByEscape", R"({"m":)" + entry + R"(,"\u006d":)" + entry + "}",
              "duplicate key 'm'");
  list.header("DuplicateField", R"({"t":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
              "duplicate key 'dtype'");
  list.header("DuplicateMetadata", R"({"__metadata__":{},"__metadata__":{}})", "duplicate key");
  list.header("DuplicateInMetadata", R"({"__metadata__":{"a":"1","a":"1"}})", "duplicate key 'a'");
  list.header("MetadataNumber", R"({"__metadata__":{"a":1}})", "__metadata__");
  list.header("MetadataArray", R"({"__metadata__":[]})", "__metadata__");
  list.header("EntryArray", R"({"t":[]})", "an entry that is no object");
  list.header("EntryNull", R"({"t":null})", "an entry that is no object");
  list.header("EntryText", R"({"t":"F32"})", "an entry that is no object");
  list.header("NameTooLong", "{\"" + std::string(4097, 'n') + R"(":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
              "a name is too long");
  std::string many = "{\"a\":[0";
  for (int i = 0; i < 800'000; ++i) many += ",0";
  list.header("ManyValues", many + "]}", "more than 786432 values");
}

void add_fields(List& list) {
  for (const auto& [name, dtype] :
       {std::pair("Unknown", "\"F31\""), std::pair("Fp8", "\"F8_E4M3\""), std::pair("LowerCase", "\"f32\""),
        std::pair("Empty", "\"\""), std::pair("Number", "1"), std::pair("Escape", "\"\\u001b[1m\"")}) {
    list.field(std::string("Dtype") + name, "dtype", dtype, "dtype of tensor 't'");
  }
  list.header("NoDtype", R"({"t":{"shape":[2],"data_offsets":[0,8]}})", "dtype of tensor 't'");
  list.header("NoShape", R"({"t":{"dtype":"F32","data_offsets":[0,8]}})", "shape of tensor 't'");
  list.header("NoOffsets", R"({"t":{"dtype":"F32","shape":[2]}})", "data_offsets of tensor 't'");
  const std::string digits(400, '9');
  const std::pair<const char*, std::string> offsets[] = {
      {"One", "[0]"},          {"Three", "[0,8,8]"},      {"None", "[]"},      {"Strings", R"(["0","8"])"},
      {"Floats", "[0.0,8.0]"}, {"Exponent", "[0,8e0]"},   {"Negative", "[-8,0]"}, {"MinusZero", "[-0,8]"},
      {"Reversed", "[8,0]"},   {"TwoTo64", "[0,18446744073709551616]"}, {"Max", "[0,18446744073709551615]"},
      {"True", "[false,true]"}, {"Null", "[null,8]"},     {"Object", "{}"},    {"PastEnd", "[0,9]"}};
  for (const auto& [name, value] : offsets) {
    list.field(std::string("Offsets") + name, "data_offsets", value, "data_offsets of tensor 't'");
  }
  for (const auto& [name, value] :
       {std::pair("LeadingZero", std::string("[00,8]")), std::pair("PlusSign", std::string("[+0,8]")),
        std::pair("Hex", std::string("[0x0,8]")), std::pair("Nan", std::string("[0,NaN]")),
        std::pair("Digits400", "[0," + digits + "]")}) {
    list.field(std::string("Offsets") + name, "data_offsets", value, "not valid JSON");
  }
  const std::pair<const char*, const char*> shapes[] = {
      {"Negative", "[-2]"}, {"Float", "[2.0]"}, {"Text", "[\"2\"]"}, {"Null", "[null]"}, {"Number", "2"},
      {"Mismatch", "[3]"},  {"Scalar", "[]"},   {"Wraps", "[4611686018427387904,4,2]"},
      {"WrapsWithZero", "[0,18446744073709551615,18446744073709551615]"},
      {"WrapsToRight", "[9223372036854775808,2,2]"}, {"NineDims", "[1,1,1,1,1,1,1,1,2]"}};
  for (const auto& [name, value] : shapes) {
    list.field(std::string("Shape") + name, "shape", value, "shape of tensor 't'");
  }
}

void add_layouts(List& list) {
  const auto two = [&list](const std::string& name, const char* a, const char* b, std::string says) {
    list.header(name,
                std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
                    R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                std::move(says));
  };
  two("Overlap", "[0,4]", "[2,6]", "overlap");
  two("SamePlace", "[0,4]", "[0,4]", "overlap");
  list.header("HoleAtStart", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
              "4 bytes belong to no tensor");
  list.add("HoleInMiddle",
           safetensors_file(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                            R"("b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}})",
                            "12345678"),
           "2 bytes belong to no tensor");
  list.header("TrailingBytes", R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
              "4 bytes belong to no tensor");
  const std::string good = test::tiny_safetensors();
  list.add("ShortByOne", good.substr(0, good.size() - 1), "truncated?");
  list.add("NoData", good.substr(0, good.size() - 28), "truncated?");
  std::string many = "{";
  for (int i = 0; i < 50'000; ++i) {
    many += (i == 0 ? "\"" : ",\"") + std::to_string(i) +
            R"(":{"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  }
  list.header("FiftyThousandOverOnePlace", many + "}", "overlap");
}

}  // namespace

std::vector<BadFile> bad_safetensors_files() {
  List list;
  add_lengths(list);
  add_json(list);
  add_fields(list);
  add_layouts(list);
  return list.take();
}

}  // namespace kinglet::io
