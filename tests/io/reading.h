#pragma once

// Opens bytes in memory as one format, reads tensors as floats, and says what a refusal must be like.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf_model.h"
#include "io/hf_directory.h"
#include "io/json_weights.h"
#include "io/llama2c.h"
#include "io/npz.h"
#include "io/open.h"
#include "kinglet/error.h"

namespace kinglet::io {

enum class Format { kGguf, kSafetensors, kLlama2c, kJson, kNpz };

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

constexpr const char* kBlobContent = "0123\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40tail";
inline std::string_view blob_content() { return {kBlobContent, 24}; }  // 1, 2, 3, 4 from byte 4

// `text` outlives the model.
inline ModelFile open_text(Format format, std::string_view text) {
  File file = File::memory("hostile.file", bytes_of(text));
  static const MemoryFile kBlob[] = {{"model.blob", bytes_of(blob_content())}};
  const Folder folder = Folder::in_memory("folder", kBlob);
  switch (format) {
    case Format::kGguf: return open_gguf(std::move(file));
    case Format::kSafetensors: return open_safetensors_file(std::move(file), folder);
    case Format::kLlama2c: return open_llama2c(std::move(file), folder);
    case Format::kJson: return open_json_weights(std::move(file), folder);
    case Format::kNpz: return open_npz(std::move(file));
  }
  throw runtime_error("no such format");
}

inline std::string raw_of(const TensorSource& source, const TensorInfo& tensor) {
  std::string bytes(static_cast<std::size_t>(tensor.nbytes), '\0');
  source.read_rows(tensor, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

inline std::vector<float> floats_of(const TensorSource& source, std::string_view name) {
  const TensorInfo* tensor = source.find(name);
  if (tensor == nullptr) {
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  const std::string bytes = raw_of(source, *tensor);
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

inline std::vector<std::string> names_of(const TensorSource& source) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : source.tensors()) names.push_back(tensor.name);
  return names;
}

// What every refusal is: kRefused, one printable line that names the file and has `says` in it.
inline void expect_refused(const std::function<void()>& open, std::string_view file,
                           std::string_view says) {
  try {
    open();
    ADD_FAILURE() << "was accepted";
  } catch (const Error& error) {
    const std::string_view message = error.what();
    EXPECT_EQ(error.fault(), Fault::kRefused) << message;
    EXPECT_NE(message.find(file), message.npos) << message;
    EXPECT_NE(message.find(says), message.npos) << message << "\n  should say: " << says;
    EXPECT_TRUE(std::none_of(message.begin(), message.end(),
                             [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
        << message;
    EXPECT_LT(message.size(), 1000u);
  }
}

// True where opening and reading everything ends well or in a refusal; anything else fails the test.
inline bool survives(Format format, std::string_view text) {
  try {
    const ModelFile model = open_text(format, text);
    for (const TensorInfo& tensor : model.tensors->tensors()) raw_of(*model.tensors, tensor);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::kRefused) << error.what();
    return false;
  }
}

}  // namespace kinglet::io
