#pragma once

// Little-endian bytes put together by hand, for files that tests make.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet::test {

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Bytes& u8(std::uint8_t value) { return put(value); }
  Bytes& u32(std::uint32_t value) { return put(value); }
  Bytes& i32(std::int32_t value) { return put(value); }
  Bytes& u64(std::uint64_t value) { return put(value); }
  Bytes& f32(float value) { return put(value); }
  Bytes& floats(std::span<const float> values) {
    for (const float value : values) f32(value);
    return *this;
  }
  Bytes& text(std::string_view value) {
    text_ += value;
    return *this;
  }
  Bytes& pad_to_multiple(std::size_t step, char filler = '\0') {
    while (text_.size() % step != 0) text_ += filler;
    return *this;
  }
  Bytes& pad_to_size(std::size_t size) {
    text_.resize(size, '\0');
    return *this;
  }

  const std::string& str() const { return text_; }
  std::size_t size() const { return text_.size(); }

 private:
  std::string text_;
};

// start, start + step, ...: values that tell each place of a tensor from every other.
inline std::vector<float> ramp(std::size_t count, float start = 0, float step = 1) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = start + step * static_cast<float>(i);
  return values;
}

inline std::string as_text(std::span<const float> values) { return Bytes().floats(values).str(); }

}  // namespace kinglet::test
