#pragma once

// Eight floats, lane by lane, in vectors that GCC and Clang have on every machine. What becomes of a lane depends on
// that lane alone, so every machine gives the same bits.

#include <cstddef>
#include <cstring>

namespace kinglet::dtype {

struct Lanes {
  using Four = float __attribute__((vector_size(16)));
  static constexpr std::size_t kCount = 8;

  Four low = {}, high = {};

  static Lanes all(float value) {
    const Four four = {value, value, value, value};
    return {four, four};
  }
  static Lanes load(const float* values) {
    Lanes out;
    std::memcpy(&out.low, values, sizeof(Four));
    std::memcpy(&out.high, values + 4, sizeof(Four));
    return out;
  }
  void store(float* values) const {
    std::memcpy(values, &low, sizeof(Four));
    std::memcpy(values + 4, &high, sizeof(Four));
  }

  friend Lanes operator+(Lanes a, Lanes b) { return {a.low + b.low, a.high + b.high}; }
  friend Lanes operator-(Lanes a, Lanes b) { return {a.low - b.low, a.high - b.high}; }
  friend Lanes operator*(Lanes a, Lanes b) { return {a.low * b.low, a.high * b.high}; }
  friend Lanes operator/(Lanes a, Lanes b) { return {a.low / b.low, a.high / b.high}; }
  Lanes& operator+=(Lanes other) { return *this = *this + other; }

  // `b` where either is NaN.
  static Lanes larger(Lanes a, Lanes b) { return {a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high}; }
  static Lanes smaller(Lanes a, Lanes b) { return {a.low < b.low ? a.low : b.low, a.high < b.high ? a.high : b.high}; }
};

}  // namespace kinglet::dtype
