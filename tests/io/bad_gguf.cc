// The catalogue's GGUF files: headers that are malformed, and models that contradict themselves.

#include <functional>
#include <limits>

#include "catalogue.h"
#include "support/tiny_files.h"

namespace kinglet::io {
namespace {

using test::Bytes;
using test::GgufBuilder;

constexpr std::uint64_t k2to63 = 1ull << 63;

class List {
 public:
  explicit List(std::string prefix) : prefix_(std::move(prefix)) {}

  void add(const std::string& name, std::string content, std::string says) {
    files_.push_back({prefix_ + name, Format::kGguf, std::move(content), std::move(says)});
  }
  // A builder with one valid key and tensor, made wrong by `change`.
  void change(const std::string& name, const std::function<void(GgufBuilder&)>& change,
              std::string says) {
    GgufBuilder gguf;
    gguf.text("general.architecture", "llama");
    change(gguf);
    add(name, gguf.build(), std::move(says));
  }
  // The tiny model with more keys before its tensors.
  void model(const std::string& name, const std::function<void(GgufBuilder&)>& keys,
             std::string says) {
    GgufBuilder gguf = test::tiny_gguf_keys();
    keys(gguf);
    add(name, test::add_tiny_gguf_tensors(gguf).build(), std::move(says));
  }
  std::vector<BadFile> take() { return std::move(files_); }

 private:
  std::string prefix_;
  std::vector<BadFile> files_;
};

std::string number_name(std::uint64_t n) { return std::to_string(n); }

// The bytes of a tensor's entry.
std::string entry(std::string_view name, std::uint32_t n_dims, std::vector<std::uint64_t> dims,
                  std::uint32_t type, std::uint64_t offset) {
  Bytes bytes;
  bytes.text(GgufBuilder::string(name)).u32(n_dims);
  for (const std::uint64_t n : dims) bytes.u64(n);
  return bytes.u32(type).u64(offset).str();
}

void add_starts(List& list) {
  const std::string good = test::tiny_gguf();
  list.add("Empty", "", "too short: 0 bytes, header is 24");
  list.add("OneByte", "G", "too short: 1 bytes");
  list.add("MagicOnly", "GGUF", "too short: 4 bytes");
  list.add("HeaderCut", good.substr(0, 23), "too short: 23 bytes");
  list.add("WrongMagic", "GGUX" + good.substr(4), "not a GGUF file");
  list.add("Ggml", "lmgg" + good.substr(4), "looks like a GGML file");
  list.add("Ggjt", "tjgg" + good.substr(4), "looks like a GGJT file");
  list.add("Html", "<!DOCTYPE html><html>", "looks like an HTML page");
  list.add("Lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer");
  list.add("Zip", "PK\x03\x04" + good.substr(4), "ZIP archive");
  list.add("Pickle", "\x80\x02" + good.substr(2), "Python pickle");
  for (const std::uint32_t version : {0u, 1u, 4u, 0xFFFFFFFFu}) {
    list.change("Version" + number_name(version), [&](GgufBuilder& g) { g.version = version; },
                "unsupported GGUF version (version at byte 4: found " + number_name(version));
  }
  list.change("BigEndian", [](GgufBuilder& g) { g.version = 0x03000000; }, "big-endian file");
}

void add_counts(List& list) {
  const std::uint64_t wraps_48 = UINT64_MAX / 48 + 1, wraps_88 = UINT64_MAX / 88 + 1;
  for (const std::uint64_t n :
       {UINT64_MAX, k2to63, std::uint64_t{1} << 60, wraps_48, wraps_88, std::uint64_t{65'537}}) {
    list.change("Tensors" + number_name(n), [n](GgufBuilder& g) { g.says_tensors = n; },
                "number of tensors at byte 8: found " + number_name(n));
    list.change("Keys" + number_name(n), [n](GgufBuilder& g) { g.says_keys = n; },
                "number of keys at byte 16: found " + number_name(n));
  }
  list.change("OneTensorMore", [](GgufBuilder& g) {
    g.floats("a", {8}, test::ramp(8)).says_tensors = 2;
  }, "hostile.file");
  list.change("OneKeyMore", [](GgufBuilder& g) {
    g.floats("a", {8}, test::ramp(8)).says_keys = 2;
  }, "of tensor 0");
  list.change("OneKeyLess", [](GgufBuilder& g) {
    g.u32("general.file_type", 0).floats("a", {8}, test::ramp(8)).says_keys = 1;
  }, "of tensor 0");
}

void add_keys(List& list) {
  const auto key = [](std::uint64_t length, std::string_view rest) {
    return Bytes().text("GGUF").u32(3).u64(0).u64(1).u64(length).text(rest).pad_to_size(96).str();
  };
  for (const std::uint64_t length :
       {UINT64_MAX, k2to63, UINT64_MAX - 31, std::uint64_t{1} << 30, std::uint64_t{65'536}}) {
    list.add("KeyLength" + number_name(length), key(length, "abc"),
             "name of key 0 at byte 24: found " + number_name(length));
  }
  list.add("KeyLengthPastEnd", key(65, "abc"), "the header is cut: 1 bytes are missing");
  list.change("EmptyKey", [](GgufBuilder& g) { g.u32("", 1); }, "a key without a name");
  list.change("DuplicateKey", [](GgufBuilder& g) { g.u32("a", 1).u32("a", 1); },
              "duplicate key (name of key 2 'a'");
  list.change("DuplicateKeyOtherType", [](GgufBuilder& g) { g.u32("a", 1).text("a", "x"); },
              "duplicate key");
  list.change("KeyWithEscape", [](GgufBuilder& g) { g.raw_key("\x1b[31m%n\n", 99, ""); },
              "type of key 1 '\\x1b[31m%n\\x0a'");
  for (const std::uint32_t type : {13u, 14u, 255u, 0xFFFFFFFFu}) {
    list.change("ValueType" + number_name(type), [type](GgufBuilder& g) { g.raw_key("a", type, "12345678"); },
                "unknown value type (type of key 1 'a'");
  }
  list.change("Bool2", [](GgufBuilder& g) { g.raw_key("a", GgufBuilder::kBool, "\x02"); },
              "a bool that is neither");
  list.change("BoolsOf2", [](GgufBuilder& g) { g.array("a", GgufBuilder::kBool, 3, {"\x01\0\x02", 3}); },
              "a bool that is neither");
  for (const std::uint64_t length : {UINT64_MAX, UINT64_MAX - 7, k2to63, std::uint64_t{1} << 40}) {
    list.change("StringLength" + number_name(length), [length](GgufBuilder& g) {
      g.raw_key("a", GgufBuilder::kString, Bytes().u64(length).text("abc").str());
    }, "string of key 1 'a'");
  }
  list.add("StringPastEndByOne",
           Bytes().text("GGUF").u32(3).u64(0).u64(1).u64(1).text("a").u32(8).u64(4).text("abc").str(),
           "the header is cut: 1 bytes are missing");
}

void add_arrays(List& list) {
  const auto array = [&list](const std::string& name, std::uint32_t type, std::uint64_t count,
                             std::string says) {
    list.change(name, [=](GgufBuilder& g) { g.array("a", type, count, "12345678"); }, std::move(says));
  };
  array("ArrayCountMax", GgufBuilder::kU8, UINT64_MAX, "element count of key 1 'a'");
  array("ArrayCountWraps", GgufBuilder::kU64, 1ull << 61, "element count of key 1 'a'");
  array("ArrayCountWrapsToOne", GgufBuilder::kU64, (1ull << 61) + 1, "element count of key 1 'a'");
  array("ArrayCountBillion", GgufBuilder::kU8, 1'000'000'000, "element count of key 1 'a'");
  array("ArrayOfBillionStrings", GgufBuilder::kString, 1'000'000'000, "element count of key 1 'a'");
  array("ArrayType99", 99, 1, "unknown value type (element type of key 1 'a'");
  array("ArrayOfArrays", GgufBuilder::kArray, 1, "arrays of arrays are not supported");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += Bytes().u32(GgufBuilder::kArray).u64(1).str();
  list.change("ArraysNested", [&deep](GgufBuilder& g) { g.raw_key("a", GgufBuilder::kArray, deep); },
              "arrays of arrays");
  list.change("ArrayStringCut", [](GgufBuilder& g) {
    g.array("a", GgufBuilder::kString, 2, GgufBuilder::string("ok") + Bytes().u64(1000).str());
  }, "string of key 1 'a'");
}

void add_alignments(List& list) {
  for (const std::uint32_t n : {0u, 3u, 13u, 131'072u, 1u << 31, 0xFFFFFFFFu}) {
    list.change("Alignment" + number_name(n), [n](GgufBuilder& g) { g.u32("general.alignment", n); },
                "general.alignment at byte");
  }
  list.change("AlignmentText", [](GgufBuilder& g) { g.text("general.alignment", "32"); },
              "found string, allowed an integer");
  list.change("AlignmentContradictsLayout", [](GgufBuilder& g) {
    g.u32("general.alignment", 64).floats("a", {8}, test::ramp(8)).floats("b", {8}, test::ramp(8));
  }, "a tensor is not aligned (offset of tensor 1 'b'");
}

void add_tensors(List& list) {
  const auto raw = [&list](const std::string& name, const std::string& bytes, std::string says) {
    list.change(name, [&](GgufBuilder& g) { g.raw_tensor(bytes).raw_tensor(""); g.says_tensors = 1; },
                std::move(says));
  };
  for (const std::uint64_t length : {UINT64_MAX, k2to63, std::uint64_t{65}}) {
    raw("TensorName" + number_name(length), Bytes().u64(length).text("abc").pad_to_size(64).str(),
        "name of tensor 0 at byte");
  }
  list.change("DuplicateTensor", [](GgufBuilder& g) {
    g.floats("a", {8}, test::ramp(8)).floats("a", {8}, test::ramp(8));
  }, "duplicate tensor (name of tensor 1 'a'");
  for (const std::uint32_t n : {0u, 5u, 1000u, 0xFFFFFFFFu}) {
    raw("Dims" + number_name(n), entry("a", n, {1, 1, 1, 1, 1}, 0, 0),
        "n_dims of tensor 0 'a'");
  }
  for (const std::uint64_t n : {std::uint64_t{0}, UINT64_MAX, k2to63}) {
    raw("Dim" + number_name(n), entry("a", 2, {8, n}, 0, 0), "a dimension is out of range");
  }
  const std::uint64_t max63 = (1ull << 63) - 1;
  raw("ProductWraps", entry("a", 3, {1ull << 32, 1ull << 31, 4}, 0, 0), "the product wraps");
  raw("ProductWrapsToZero", entry("a", 4, {1ull << 16, 1ull << 16, 1ull << 16, 1ull << 16}, 0, 0),
      "the product wraps");
  raw("BytesWrap", entry("a", 1, {1ull << 62}, 0, 0), "the product wraps");
  raw("BytesOfBlocksWrap", entry("a", 2, {max63 - 31, 4}, 8, 0), "the product wraps");
  raw("OffsetPlusBytesWraps", entry("a", 1, {8}, 0, UINT64_MAX - 31), "ends past 2^64");
  raw("BytesPlusDataWraps", entry("a", 1, {(1ull << 62) - 8}, 0, 0), "ends past 2^64");
  raw("HugeButNoWrap", entry("a", 2, {1ull << 30, 1ull << 30}, 0, 0), "bytes are missing");
  for (const std::uint32_t type : {4u, 5u, 31u, 36u, 43u, 255u, 0xFFFFFFFFu}) {
    raw("Type" + number_name(type), entry("a", 1, {256}, type, 0),
        "unsupported tensor type (type of tensor 0 'a'");
  }
  raw("TypeNamed", entry("a", 1, {256}, 21, 0), "found 21 (iq3_s)");
  raw("RowNoMultipleOfBlock", entry("a", 2, {33, 32}, 8, 0), "no multiple of 32 values");
  raw("RowNoMultipleOfSuperBlock", entry("a", 2, {128, 256}, 12, 0), "no multiple of 256 values");
  raw("OffsetMisaligned", entry("a", 1, {8}, 0, 16), "a tensor is not aligned");
  raw("OffsetPastEnd", entry("a", 1, {8}, 0, 1ull << 40), "truncated?");
  list.change("Overlap", [](GgufBuilder& g) {
    g.floats("a", {16}, test::ramp(16)).tensor("b", {8}, 0, "", 32);
  }, "tensor 'b' overlaps another");
  list.change("SameOffset", [](GgufBuilder& g) {
    g.floats("a", {8}, test::ramp(8)).tensor("b", {8}, 0, "", 0);
  }, "overlaps another");
  const std::string good = test::tiny_gguf();
  list.add("DataCutByOne", good.substr(0, good.size() - 1), "1 bytes are missing");
  list.add("DataCutInHalf", good.substr(0, good.size() / 2), "bytes are missing");
}

}  // namespace

std::vector<BadFile> bad_gguf_files() {
  List list("Gguf");
  add_starts(list);
  add_counts(list);
  add_keys(list);
  add_arrays(list);
  add_alignments(list);
  add_tensors(list);
  return list.take();
}

std::vector<BadFile> bad_gguf_models() {
  List list("GgufModel");
  // The tiny model's keys with one of them replaced.
  const auto replace = [&list](const std::string& name, const std::string& key, std::uint32_t value,
                               std::string says) {
    std::string text = test::tiny_gguf();
    const std::size_t at = text.find(key) + key.size() + 4;
    std::memcpy(text.data() + at, &value, sizeof(value));
    list.add(name, text, std::move(says));
  };
  for (const char* suffix : {"embedding_length", "block_count", "feed_forward_length",
                             "attention.head_count", "context_length"}) {
    const std::string key = std::string("llama.") + suffix;
    std::string name = suffix;
    std::erase_if(name, [](char c) { return c == '_' || c == '.'; });
    replace(name + "Zero", key, 0, key + " at byte");
    if (key != "llama.context_length") replace(name + "Max", key, UINT32_MAX, key + " at byte");
  }
  replace("Layers1025", "llama.block_count", 1025, "integer in [1, 1024]");
  replace("HeadsDoNotDivide", "llama.attention.head_count", 3, "does not divide into heads");
  replace("HeadsTooMany", "llama.attention.head_count", 8, "an even number of rows");
  for (const auto& [name, eps] : {std::pair("EpsZero", 0.0f), std::pair("EpsNegative", -1e-5f),
                                  std::pair("EpsNan", std::numeric_limits<float>::quiet_NaN()),
                                  std::pair("EpsInf", std::numeric_limits<float>::infinity())}) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &eps, 4);
    replace(name, "llama.attention.layer_norm_rms_epsilon", bits, "not finite or not positive");
  }
  list.add("NoArchitecture", GgufBuilder().u32("a", 1).build(), "general.architecture");
  list.add("ArchitectureIsANumber", GgufBuilder().u32("general.architecture", 1).build(),
           "found u32, allowed a string");
  list.model("RopeBaseZero", [](auto& g) { g.f32("llama.rope.freq_base", 0); }, "llama.rope.freq_base");
  list.model("RopeTypeUnknown", [](auto& g) { g.text("llama.rope.scaling.type", "\x1b[1m"); },
             "found '\\x1b[1m'");
  list.model("RopeTooWide", [](auto& g) { g.u32("llama.rope.dimension_count", 6); }, "at most 4");
  list.model("WidthAsText", [](auto& g) { g.text("llama.attention.key_length", "4"); },
             "llama.attention.key_length");
  list.model("ValueLengthDiffers",
             [](auto& g) {
               g.u32("llama.attention.key_length", 4).u32("llama.attention.value_length", 8);
             },
             "llama.attention.value_length");
  list.add("MissingKey",
           GgufBuilder().text("general.architecture", "llama").floats("a", {8}, test::ramp(8)).build(),
           "llama.embedding_length");

  const auto vocabulary = [&list](const std::string& name, std::vector<std::string> tokens,
                                  std::uint64_t scores, std::uint64_t types, std::string says) {
    GgufBuilder g;
    g.text("general.architecture", "llama").text("tokenizer.ggml.model", "llama");
    g.texts("tokenizer.ggml.tokens", tokens);
    g.array("tokenizer.ggml.scores", GgufBuilder::kF32, scores, std::string(4 * scores, '\0'));
    g.array("tokenizer.ggml.token_type", GgufBuilder::kI32, types, std::string(4 * types, '\0'));
    list.add(name, g.build(), std::move(says));
  };
  vocabulary("TokensEmpty", {}, 0, 0, "the number of tokens");
  vocabulary("ScoresShort", {"a", "b", "c"}, 2, 3, "tokenizer.ggml.scores");
  vocabulary("TypesShort", {"a", "b", "c"}, 3, 2, "tokenizer.ggml.token_type");
  list.add("TokensMissing",
           GgufBuilder().text("general.architecture", "llama").text("tokenizer.ggml.model", "llama").build(),
           "a tokenizer without tokens");
  list.add("TokensAreNumbers",
           GgufBuilder()
               .text("general.architecture", "llama")
               .array("tokenizer.ggml.tokens", GgufBuilder::kU8, 2, "ab")
               .build(),
           "allowed an array of strings");
  GgufBuilder more_tokens;
  more_tokens.text("general.architecture", "qwen9").text("tokenizer.ggml.model", "gpt2");
  more_tokens.texts("tokenizer.ggml.tokens", {"a"}).text("tokenizer.ggml.merges", "x");
  list.add("MergesAreText", more_tokens.build(), "tokenizer.ggml.merges");
  GgufBuilder small = test::tiny_gguf_keys({.V = 5});
  list.add("MoreTokensThanRows", test::add_tiny_gguf_tensors(small, {.V = 5}).build(),
           "allowed 1 to 5");
  return list.take();
}

}  // namespace kinglet::io
