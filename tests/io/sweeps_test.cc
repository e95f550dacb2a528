// Small files of every format, cut at every byte and with every byte of their header changed:
// refused or read, never anything else. Run under ASan and UBSan these are the crash tests.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reading.h"
#include "support/tiny_files.h"
#include "support/zip_builder.h"

namespace kinglet::io {
namespace {

struct Sample {
  const char* name;
  Format format;
  std::string content;
  std::size_t header;  // bytes of it
};

std::string marked_llama2c(std::int32_t version) {
  test::Bytes bytes;
  bytes.u32(0x616b3432).i32(version);
  test::llama2c_numbers(bytes, {}).u8(1);
  if (version == 2) bytes.i32(4);
  bytes.pad_to_size(256);
  const std::size_t matrices = 48 + 64 + 32 + 32 + 64 + 3 * 96, norms = 3 * 8;
  return bytes.pad_to_size(256 + 4 * norms + (version == 1 ? 4 * matrices : matrices + matrices))
      .str();
}

std::vector<Sample> samples() {
  test::GgufBuilder gguf = test::tiny_gguf_keys();
  test::add_tiny_gguf_tensors(gguf);
  const std::string safetensors = test::tiny_safetensors(), json = test::tiny_json_weights(), npz = test::tiny_npz();
  return {{"Gguf", Format::kGguf, gguf.build(), gguf.header().size()},
          {"Safetensors", Format::kSafetensors, safetensors, safetensors.size() - 28},
          {"Llama2c0", Format::kLlama2c, test::tiny_llama2c(), 28},
          {"Llama2c1", Format::kLlama2c, marked_llama2c(1), 256},
          {"Llama2c2", Format::kLlama2c, marked_llama2c(2), 256},
          {"Json", Format::kJson, json, json.size()},
          {"Npz", Format::kNpz, npz, npz.size()}};
}

class Sweeps : public testing::TestWithParam<Sample> {};

TEST_P(Sweeps, TheSampleItselfIsRead) {
  EXPECT_TRUE(survives(GetParam().format, GetParam().content));
}

TEST_P(Sweeps, EveryCutIsRefused) {
  const Sample& sample = GetParam();
  for (std::size_t size = 0; size < sample.content.size(); ++size) {
    const std::string cut = sample.content.substr(0, size);
    EXPECT_FALSE(survives(sample.format, cut)) << "accepted when cut to " << size << " bytes";
  }
}

TEST_P(Sweeps, EveryChangedByteOfTheHeaderIsReadOrRefused) {
  const Sample& sample = GetParam();
  std::string changed = sample.content;
  for (std::size_t at = 0; at < sample.header; ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      changed[at] = static_cast<char>(value);
      survives(sample.format, changed);
    }
    changed[at] = sample.content[at];
  }
}

// Numbers as wide as the formats have, at every place: lengths, counts and offsets at their edges.
TEST_P(Sweeps, EveryChangedNumberOfTheHeaderIsReadOrRefused) {
  const Sample& sample = GetParam();
  for (std::size_t at = 0; at + 8 <= sample.header; ++at) {
    for (const unsigned long long value :
         {~0ull, ~0ull - 7, 1ull << 63, (1ull << 63) - 1, 1ull << 61, 1ull << 32}) {
      std::string changed = sample.content;
      std::memcpy(changed.data() + at, &value, sizeof(value));
      survives(sample.format, changed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Sweeps, testing::ValuesIn(samples()),
                         [](const auto& sample) { return std::string(sample.param.name); });

// A directory: config.json and the index changed byte by byte.
class DirectorySweep : public testing::Test {
 protected:
  bool survives_with(std::string_view config_text, std::string_view index_text) const {
    const MemoryFile files[] = {{"config.json", bytes_of(config_text)},
                                {"model.safetensors.index.json", bytes_of(index_text)},
                                {"1.safetensors", bytes_of(shard)}};
    try {
      open_model_memory("folder", files);
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kRefused) << error.what();
      return false;
    }
  }
  // Every cut of `text` is refused; every change of a byte is read or refused.
  void sweep(const std::string& text, const std::function<bool(std::string_view)>& opens) const {
    EXPECT_TRUE(opens(text));
    for (std::size_t size = 0; size < text.size(); ++size) {
      EXPECT_FALSE(opens(std::string_view(text).substr(0, size))) << "cut to " << size;
    }
    for (std::size_t at = 0; at < text.size(); ++at) {
      for (const int value : {0, 1, 0x7f, 0x80, 0xff, int{'"'}, int{'{'}, int{'9'}}) {
        std::string changed = text;
        changed[at] = static_cast<char>(value);
        opens(changed);
      }
    }
  }

  const std::string shard = test::tiny_safetensors();
  const std::string config = test::tiny_config().dump();
  const std::string index = R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors"}})";
};

TEST_F(DirectorySweep, OfConfigJson) {
  sweep(config, [this](std::string_view text) { return survives_with(text, index); });
}

TEST_F(DirectorySweep, OfTheIndex) {
  sweep(index, [this](std::string_view text) { return survives_with(config, text); });
}

}  // namespace
}  // namespace kinglet::io
