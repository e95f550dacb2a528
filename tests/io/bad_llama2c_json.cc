// The catalogue's llama2.c and kinglet-json files.

#include "catalogue.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using test::Bytes;

std::string with_number(std::string text, std::size_t offset, std::int32_t value) {
  std::memcpy(text.data() + offset, &value, sizeof(value));
  return text;
}

std::string marked(std::int32_t version) {
  Bytes bytes;
  bytes.u32(0x616b3432).i32(version);
  return test::llama2c_numbers(bytes, {}).u8(1).i32(4).pad_to_size(256 + 4000).str();
}

}  // namespace

std::vector<BadFile> bad_llama2c_files() {
  std::vector<BadFile> files;
  const auto add = [&files](const std::string& name, std::string content, std::string says) {
    files.push_back({"Llama2c" + name, Format::kLlama2c, std::move(content), std::move(says)});
  };
  const std::string good = test::tiny_llama2c();
  const std::pair<const char*, const char*> fields[] = {
      {"Dim", "dim"}, {"Hidden", "hidden_dim"}, {"Layers", "n_layers"}, {"Heads", "n_heads"},
      {"KvHeads", "n_kv_heads"}, {"Vocab", "vocab_size"}, {"SeqLen", "seq_len"}};
  for (std::size_t i = 0; i < 7; ++i) {
    const auto& [name, field] = fields[i];
    const std::string place = std::string(field) + " at byte " + std::to_string(4 * i);
    add(std::string(name) + "Zero", with_number(good, 4 * i, 0), place);
    add(std::string(name) + "Min", with_number(good, 4 * i, INT32_MIN), place);
    if (i != 5) add(std::string(name) + "Negative", with_number(good, 4 * i, -1), place);
    add(std::string(name) + "Max", with_number(good, 4 * i, INT32_MAX),
        i == 6 ? "(truncated?)" : place);
    add(std::string(name) + "Marked1Zero", with_number(marked(1), 8 + 4 * i, 0), field);
    add(std::string(name) + "Marked1Negative", with_number(marked(1), 8 + 4 * i, -6), field);
  }
  add("HeadsDoNotDivide", with_number(good, 12, 3), "a divisor of dim 8");
  add("OddHeads", with_number(good, 12, 8), "an even quotient");
  add("KvHeadsDoNotDivide", with_number(with_number(good, 12, 4), 16, 3), "a divisor of n_heads 4");
  add("ProductLarge", with_number(with_number(good, 4, 1 << 24), 8, 1024), "the header implies");
  add("LayersMore", with_number(good, 8, 2), "the header implies");
  add("Unshared", with_number(good, 20, -6), "the header implies");
  add("ShortByOne", good.substr(0, good.size() - 1), std::to_string(good.size() - 1));
  add("Empty", "", "the file is empty");
  add("HeaderCut", good.substr(0, 27), "too short: 27 bytes, header is 28");
  add("HeaderOnly", good.substr(0, 28), "the header implies");
  add("MarkedCut", marked(1).substr(0, 255), "too short: 255 bytes, header is 256");
  for (const std::int32_t version : {0, 3, -1, INT32_MAX}) {
    add("Version" + std::to_string(static_cast<std::uint32_t>(version)), marked(version),
        "version at byte 4");
  }
  add("SharedClassifier2", [] { auto t = marked(1); t[36] = 2; return t; }(), "shared classifier");
  for (const std::int32_t group : {0, -1, 3, 48, 64, INT32_MAX, INT32_MIN}) {
    add("Group" + std::to_string(static_cast<std::uint32_t>(group)), with_number(marked(2), 37, group),
        "group size at byte 37");
  }
  add("SwappedMagic", [] { auto t = marked(1); std::reverse(t.begin(), t.begin() + 4); return t; }(),
      "dim at byte 0");
  return files;
}

std::vector<BadFile> bad_json_files() {
  std::vector<BadFile> files;
  const auto add = [&files](const std::string& name, std::string content, std::string says) {
    files.push_back({"Json" + name, Format::kJson, std::move(content), std::move(says)});
  };
  const std::string good = test::tiny_json_weights();
  const std::string before = R"({"format":"kinglet-json","version":1,"config":{},"tensors":{)";
  const auto tensor = [&](const std::string& name, const std::string& value, std::string says) {
    add(name, before + "\"x\":" + value + R"(},"blob":"model.blob"})", std::move(says));
  };
  const auto place = [&](const std::string& name, const std::string& type, const std::string& shape,
                         const std::string& offset, std::string says) {
    tensor(name, "{\"dtype\":" + type + ",\"shape\":" + shape + ",\"offset\":" + offset + "}",
           std::move(says));
  };

  add("Empty", "", "the file is empty");
  add("Cut", good.substr(0, 100), "not valid JSON");
  add("OpenBrackets", std::string(1'000'000, '['), "nested deeper than 64");
  add("OpenBracketsInTensor", before + "\"x\":" + std::string(1'000'000, '['), "more than 8 dimensions");
  add("Nan", before + "\"x\":[NaN]}}", "line 1, column");
  add("Huge1e999", before + "\"x\":[1e999]}}", "line 1, column");
  add("Huge1e39", before + "\"x\":[0,1e39]}}", "not finite in f32 (tensors[\"x\"][1] at byte");
  add("Digits5000", before + "\"x\":[" + std::string(5000, '7') + "]}}", "line 1, column");
  add("TextAfter", good + "x", "not valid JSON");
  add("NotUtf8", before + "\"\xff\":[1]}}", "not valid JSON");
  add("Nul", std::string("{\"a\":\0 1}", 9), "a NUL byte");
  add("Unterminated", "{\"a", "not valid JSON");
  add("Array", "[1]", "not a JSON object");
  add("Bom", "\xef\xbb\xbf" + good, "byte order mark");
  add("DuplicateKey", R"({"format":"kinglet-json","format":"kinglet-json"})", "duplicate key 'format'");
  add("DuplicateTensor", before + R"("x":[1],"x":[1]}})", "duplicate key 'x'");
  add("DuplicateInTokenizer", before + R"(},"tokenizer":{"a":1,"a":1}})", "duplicate key 'a'");
  add("UnknownField", before + R"(},"extra":1})", "an unknown field (extra");
  add("NoFormat", R"({"version":1})", "not a kinglet-json file");
  add("ConfigJson", test::tiny_config().dump(), "it looks like a config.json");
  add("OtherFormat", R"({"format":"other"})", "not a kinglet-json file");
  add("Version2", R"({"format":"kinglet-json","version":2})", "unsupported version");
  add("VersionText", R"({"format":"kinglet-json","version":"1"})", "unsupported version");
  add("NoTensors", R"({"format":"kinglet-json","version":1,"config":{}})", "not an object (tensors)");
  add("TensorsArray", R"({"format":"kinglet-json","version":1,"config":{},"tensors":[[1]]})",
      "not an object (tensors)");
  add("ConfigArray", R"({"format":"kinglet-json","version":1,"config":[],"tensors":{}})",
      "not an object (config)");
  add("TokenizerText", before + R"(},"tokenizer":"x"})", "not an object (tokenizer)");

  tensor("Ragged", "[[1,2],[3]]", "another length than the first one (tensors[\"x\"][1]");
  tensor("RaggedLonger", "[[1,2],[3,4,5]]", "found 3, allowed 2");
  tensor("RaggedDeep", "[[[1,2],[3,4]],[[5,6],[7]]]", "tensors[\"x\"][1][1]");
  tensor("NumberBesideList", "[[1],2]", "a number where its neighbours are lists (tensors[\"x\"][1]");
  tensor("ListBesideNumber", "[1,[2]]", "a list where its neighbours are numbers (tensors[\"x\"][1]");
  tensor("ListBesideNumberDeep", "[[1,2],[3,[4]]]", "tensors[\"x\"][1][1]");
  tensor("Shallower", "[[[1]],[2]]", "a number where its neighbours are lists (tensors[\"x\"][1][0]");
  tensor("EmptyList", "[]", "an empty list (tensors[\"x\"]");
  tensor("EmptyInner", "[[1],[]]", "an empty list (tensors[\"x\"][1]");
  tensor("NullItem", "[1,null]", "not a number (tensors[\"x\"][1]");
  tensor("TextItem", "[\"1\"]", "not a number");
  tensor("BoolItem", "[true]", "not a number");
  tensor("ObjectItem", "[{}]", "not a number");
  tensor("Number", "1", "neither lists of numbers nor a place in the blob");
  tensor("Null", "null", "neither lists of numbers nor a place in the blob");
  tensor("Text", "\"x\"", "neither lists");
  tensor("Escape", "[1,\n\"\\u001b[1m\"]", "not a number");

  place("DtypeUnknown", "\"f31\"", "[2]", "0", "tensors[\"x\"].dtype");
  place("DtypeNumber", "1", "[2]", "0", "tensors[\"x\"].dtype");
  place("ShapeNegative", "\"f32\"", "[-2]", "0", "tensors[\"x\"].shape");
  place("ShapeWraps", "\"f32\"", "[4611686018427387904,4]", "0", "does not fit the dtype");
  place("ShapeNoList", "\"f32\"", "2", "0", "tensors[\"x\"].shape");
  place("ShapeNineDims", "\"f32\"", "[1,1,1,1,1,1,1,1,1]", "0", "tensors[\"x\"].shape");
  place("RowNoMultipleOfBlock", "\"q8_0\"", "[2]", "0", "does not fit the dtype");
  place("OffsetPastEnd", "\"f32\"", "[2]", "17", "8 bytes at 17 lie outside the blob, which has 24");
  place("OffsetWraps", "\"f32\"", "[2]", "18446744073709551612", "lie outside the blob");
  place("OffsetNegative", "\"f32\"", "[2]", "-4", "tensors[\"x\"].offset");
  place("OffsetFloat", "\"f32\"", "[2]", "4.0", "tensors[\"x\"].offset");
  tensor("PlaceNoOffset", R"({"dtype":"f32","shape":[2]})", "tensors[\"x\"].offset");
  tensor("PlaceUnknownField", R"({"dtype":"f32","shape":[2],"offset":0,"size":8})",
         "an unknown field (tensors[\"x\"].size");
  add("NoBlob", before + R"("x":{"dtype":"f32","shape":[2],"offset":0}}})", "a blob that is not named");
  for (const auto& [name, blob] :
       {std::pair("Parent", "../model.blob"), std::pair("Absolute", "/etc/passwd"), std::pair("Empty", ""),
        std::pair("Dot", "."), std::pair("Backslash", "a\\\\b"), std::pair("Nul", "a\\u0000b")}) {
    add(std::string("Blob") + name,
        before + R"("x":{"dtype":"f32","shape":[2],"offset":0}},"blob":")" + blob + "\"}",
        "the blob must be a plain file name");
  }
  return files;
}

}  // namespace kinglet::io
