#include "dtype/table4.h"

namespace kinglet::dtype {
namespace {

constexpr int iq4_nl(std::size_t code) { return IQ4_NLPanel::Codes::integer(static_cast<unsigned>(code)); }
constexpr int mxfp4(std::size_t code) { return MXFP4Panel::Codes::integer(static_cast<unsigned>(code)); }

void read_codes(const std::byte* n, std::uint8_t* codes) {
  for (std::size_t i = 0; i < 16; ++i) {
    codes[i] = load_byte(n + i) & 15u;
    codes[i + 16] = static_cast<std::uint8_t>(load_byte(n + i) >> 4);
  }
}

void write_codes(const int* codes, std::byte* n) {
  for (std::size_t i = 0; i < 16; ++i) n[i] = static_cast<std::byte>(codes[i] | codes[i + 16] << 4);
}

// --- iq4_nl -----------------------------------------------------------------------------------

// Ascending, so the nearest entry is the first plus the steps at all middles that lie below.
void nearest_entries(const float* x, float inverse, float* q) {
  for (std::size_t i = 0; i < 32; ++i) q[i] = static_cast<float>(iq4_nl(0));
  for (std::size_t entry = 1; entry < 16; ++entry) {
    const float middle = 0.5f * static_cast<float>(iq4_nl(entry - 1) + iq4_nl(entry));
    const float step = static_cast<float>(iq4_nl(entry) - iq4_nl(entry - 1));
    for (std::size_t i = 0; i < 32; ++i) q[i] += x[i] * inverse > middle ? step : 0.0f;
  }
}

ScaleFit refit_table(const Target<32>& target, float inverse) {
  float q[32];
  nearest_entries(target.x, inverse, q);
  Lanes qx, qq;
  for (std::size_t i = 0; i < 32; i += Lanes::kCount) {
    const Lanes entries = Lanes::load(q + i), weighted = Lanes::load(target.importance + i) * entries;
    qx += weighted * Lanes::load(target.x + i);
    qq += weighted * entries;
  }
  const float scale = total(qx) / total(qq);
  return {scale, scale * total(qx)};
}

// The table is not symmetric: either of its ends may hold the largest value.
ScaleFit fit_table(const Target<32>& target) {
  const Extent extent = extent_of(target.x, 32);
  const float peak = extent.highest > -extent.lowest ? extent.highest : extent.lowest;
  ScaleFit best;
  if (peak == 0.0f) return best;
  for (const float stretch : {0.85f, 0.95f, 1.05f, 1.15f}) {
    for (const float end : {-127.0f, 113.0f}) {
      const ScaleFit fit = refit_table(target, end * stretch / peak);
      if (fit.gain > best.gain) best = fit;
    }
  }
  for (int i = 0; i < 2 && best.scale != 0.0f; ++i) {
    const ScaleFit fit = refit_table(target, 1.0f / best.scale);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best;
}

// --- mxfp4 ------------------------------------------------------------------------------------

// 2^(e - 128), exact: below e = 2 a subnormal.
float power(unsigned e) {
  const std::uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1u) << 23;
  return std::bit_cast<float>(bits);
}

// The magnitude's entry, 0 to 7.
int nearest_magnitude(float magnitude) {
  int code = 0;
  for (std::size_t entry = 1; entry < 8; ++entry) {
    const float middle = 0.5f * static_cast<float>(mxfp4(entry - 1) + mxfp4(entry));
    code += magnitude > middle ? 1 : 0;
  }
  return code;
}

void nearest_codes(const float* x, float inverse, int* codes) {
  for (std::size_t i = 0; i < 32; ++i) {
    const float scaled = x[i] * inverse;
    const int code = nearest_magnitude(scaled < 0.0f ? -scaled : scaled);
    codes[i] = scaled < 0.0f && code > 0 ? code + 8 : code;
  }
}

float error_of_codes(const Target<32>& target, float scale, const int* codes) {
  float entries[32];
  for (std::size_t i = 0; i < 32; ++i) entries[i] = static_cast<float>(mxfp4(static_cast<std::size_t>(codes[i])));
  Lanes sums;
  for (std::size_t i = 0; i < 32; i += Lanes::kCount) {
    const Lanes off = Lanes::load(target.x + i) - Lanes::all(scale) * Lanes::load(entries + i);
    sums += Lanes::load(target.importance + i) * off * off;
  }
  return total(sums);
}

}  // namespace

IQ4_NL::Block IQ4_NL::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = load_half(block);
  read_codes(block + 2, out.u);
  return out;
}

void IQ4_NL::write(const Target<32>& target, std::byte* block) {
  const float scale = store_half(block, fit_table(target).scale * target.unit) / target.unit;
  float q[32];
  nearest_entries(target.x, scale != 0.0f ? 1.0f / scale : 0.0f, q);
  int codes[32];
  for (std::size_t i = 0; i < 32; ++i) {
    codes[i] = 0;
    for (std::size_t entry = 1; entry < 16; ++entry) {
      codes[i] += q[i] >= static_cast<float>(iq4_nl(entry)) ? 1 : 0;
    }
  }
  write_codes(codes, block + 2);
}

MXFP4::Block MXFP4::read(const std::byte* block) {
  Block out = {};
  out.scale[0] = power(load_byte(block));
  read_codes(block + 1, out.u);
  return out;
}

// The scale is a power of two: those beside the one that just holds the largest value are tried.
void MXFP4::write(const Target<32>& target, std::byte* block) {
  const auto unit = static_cast<int>(std::bit_cast<std::uint32_t>(target.unit) >> 23) + 1;  // 2^(unit - 128)
  int best_codes[32] = {};
  unsigned best_e = 0;
  float least = -1.0f;
  for (int shift = -4; shift <= -1; ++shift) {
    const int e = unit + shift < 0 ? 0 : unit + shift > 254 ? 254 : unit + shift;
    // Of the values divided by the unit: 2^(e - unit).
    const float scale = std::bit_cast<float>(static_cast<std::uint32_t>(127 + e - unit) << 23);
    int codes[32];
    nearest_codes(target.x, 1.0f / scale, codes);
    const float error = error_of_codes(target, scale, codes);
    if (least >= 0.0f && !(error < least)) continue;
    least = error;
    best_e = static_cast<unsigned>(e);
    for (std::size_t i = 0; i < 32; ++i) best_codes[i] = codes[i];
  }
  block[0] = static_cast<std::byte>(best_e);
  write_codes(best_codes, block + 1);
}

}  // namespace kinglet::dtype
