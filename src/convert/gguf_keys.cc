#include "convert/gguf_keys.h"

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

using io::GgufType;

template <class Number>
void put(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}
void put_type(std::string& out, GgufType type) { put(out, static_cast<std::uint32_t>(type)); }
void put_text(std::string& out, std::string_view text) {
  put(out, std::uint64_t{text.size()});
  out.append(text);
}

std::string array_of(GgufType type, std::uint64_t count) {
  std::string out;
  put_type(out, GgufType::kArray);
  put_type(out, type);
  put(out, count);
  return out;
}

template <class Number>
std::string scalar(GgufType type, Number value) {
  std::string out;
  put_type(out, type);
  put(out, value);
  return out;
}

template <class Number>
std::string list(GgufType type, std::span<const Number> values) {
  std::string out = array_of(type, values.size());
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return out;
}

}  // namespace

void GgufKeys::set(std::string_view name, std::string value) {
  const auto there = std::find_if(keys_.begin(), keys_.end(), [&](const auto& key) { return key.first == name; });
  if (there == keys_.end()) keys_.emplace_back(name, std::move(value));
  else there->second = std::move(value);
}

void GgufKeys::u32(std::string_view name, std::uint64_t value) {
  set(name, scalar(GgufType::kU32, static_cast<std::uint32_t>(value)));
}
void GgufKeys::f32(std::string_view name, double value) {
  set(name, scalar(GgufType::kF32, static_cast<float>(value)));
}
void GgufKeys::boolean(std::string_view name, bool value) {
  set(name, scalar(GgufType::kBool, static_cast<std::uint8_t>(value)));
}
void GgufKeys::string(std::string_view name, std::string_view value) {
  std::string out;
  put_type(out, GgufType::kString);
  put_text(out, value);
  set(name, std::move(out));
}
void GgufKeys::strings(std::string_view name, std::span<const std::string> values) {
  std::string out = array_of(GgufType::kString, values.size());
  for (const std::string& value : values) put_text(out, value);
  set(name, std::move(out));
}
void GgufKeys::f32s(std::string_view name, std::span<const float> values) {
  set(name, list(GgufType::kF32, values));
}
void GgufKeys::i32s(std::string_view name, std::span<const std::int32_t> values) {
  set(name, list(GgufType::kI32, values));
}

void GgufKeys::copy(const io::GgufKey& key) {
  std::string out;
  if (key.is_array) {
    out = array_of(key.type, key.count);
  } else {
    put_type(out, key.type);
  }
  out.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  set(key.name, std::move(out));
}

std::string GgufKeys::header(std::span<const PlannedTensor> tensors, std::uint64_t alignment) const {
  std::string out = "GGUF";
  put(out, std::uint32_t{3});
  put(out, std::uint64_t{tensors.size()});
  put(out, std::uint64_t{keys_.size()});
  for (const auto& [name, value] : keys_) {
    put_text(out, name);
    out.append(value);
  }
  std::uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    const auto type = io::ggml_of_dtype(tensor.to);
    if (!type) throw usage_error("GGUF has no such type").at(printable(tensor.name));
    put_text(out, tensor.name);
    const auto& shape = tensor.source->shape;
    put(out, static_cast<std::uint32_t>(std::max<std::size_t>(shape.size(), 1)));
    if (shape.empty()) put(out, std::uint64_t{1});
    for (std::size_t i = shape.size(); i-- > 0;) put(out, std::uint64_t{shape[i]});
    put(out, *type);
    put(out, offset);
    offset += round_up(tensor.bytes, alignment);
  }
  out.resize(round_up(out.size(), alignment));
  return out;
}

}  // namespace kinglet
