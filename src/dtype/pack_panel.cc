#include "dtype/pack_panel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "dtype/format.h"
#include "dtype/list.h"

namespace kinglet::dtype {
namespace {

struct PanelFunctions {
  std::size_t (*bytes)(std::size_t k);
  void (*pack)(const std::byte* row_data, std::size_t rows, std::size_t k, std::byte* panel);
  void (*unpack_row)(const std::byte* panel, std::size_t row, std::size_t k, float* out);
};

// --- floats: the transpose of 16 rows ---------------------------------------------------------

template <class Entry>
void pack_floats(const std::byte* row_data, std::size_t rows, std::size_t k, std::byte* panel) {
  using Stored = typename Entry::Panel::Stored;
  constexpr std::size_t kStep = 64;  // columns at a time: 16 rows of them stay in the first cache
  for (std::size_t begin = 0; begin < k; begin += kStep) {
    const std::size_t end = std::min(k, begin + kStep);
    const std::size_t tile_bytes = Entry::Panel::bytes(end - begin);
    Stored tile[kStep * kLanes] = {};
    for (std::size_t row = 0; row < rows; ++row) {
      Stored source[kStep];
      std::memcpy(source, row_data + (row * k + begin) * sizeof(Stored),
                  (end - begin) * sizeof(Stored));
      for (std::size_t i = 0; i < end - begin; ++i) tile[place_in_panel<typename Entry::Panel>(i, row)] = source[i];
    }
    std::memcpy(panel + Entry::Panel::bytes(begin), tile, tile_bytes);
  }
}

template <class Entry>
void unpack_float_row(const std::byte* panel, std::size_t row, std::size_t k, float* out) {
  using Stored = typename Entry::Panel::Stored;
  const Format& format = format_of(Entry::kDType);
  for (std::size_t i = 0; i < k; ++i) {
    format.unpack(panel + place_in_panel<typename Entry::Panel>(i, row) * sizeof(Stored), 1, out + i);
  }
}

// --- integers ---------------------------------------------------------------------------------

std::uint32_t load_word(const void* from) {
  std::uint32_t word = 0;
  std::memcpy(&word, from, sizeof(word));
  return word;
}
void store_word(std::uint32_t word, std::byte* to) { std::memcpy(to, &word, sizeof(word)); }

// One row's 32 codes into their places of a block (panel.h), the four of a group at a time.
template <class Panel>
void store_codes(const std::uint8_t* codes, std::size_t row, std::byte* block) {
  constexpr std::size_t kGroupBytes = Panel::kGroupBytes;
  constexpr std::uint32_t kEachByte = 0x01010101;
  block += 4 * row;
  if constexpr (Panel::Codes::kBits == 8) {
    for (std::size_t j = 0; j < 8; ++j) store_word(load_word(codes + 4 * j), block + j * kGroupBytes);
  }
  if constexpr (Panel::kHasNibbles) {
    for (std::size_t j = 0; j < 4; ++j) {
      const std::uint32_t low = load_word(codes + 4 * j) & 15 * kEachByte;
      const std::uint32_t high = load_word(codes + 4 * (j + 4)) & 15 * kEachByte;
      store_word(low | high << 4, block + j * kGroupBytes);
    }
  }
  if constexpr (Panel::kHasTwoBits) {
    constexpr int kFrom = Panel::kHasNibbles ? 4 : 0;
    for (std::size_t part = 0; part < 2; ++part) {
      std::uint32_t word = 0;
      for (std::size_t j = 0; j < 4; ++j) {
        word |= (load_word(codes + 4 * (4 * part + j)) >> kFrom & 3 * kEachByte) << 2 * j;
      }
      store_word(word, block + Panel::kTwoBitsAt + part * kGroupBytes);
    }
  }
  if constexpr (Panel::kHasOneBit) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 8; ++j) {
      word |= (load_word(codes + 4 * j) >> (Panel::Codes::kBits - 1) & kEachByte) << j;
    }
    store_word(word, block + Panel::kOneBitAt);
  }
}

template <class Panel>
unsigned load_code(const std::byte* block, std::size_t row, std::size_t i) {
  const std::size_t j = i / 4;
  block += 4 * row + i % 4;
  const auto byte = [&](std::size_t plane, std::size_t group) {
    return unsigned{load_byte(block + plane + group * Panel::kGroupBytes)};
  };
  if constexpr (Panel::Codes::kBits == 8) return byte(0, j);
  unsigned code = 0;
  if constexpr (Panel::kHasNibbles) code = byte(0, j % 4) >> j / 4 * 4 & 15u;
  if constexpr (Panel::kHasTwoBits) {
    code |= (byte(Panel::kTwoBitsAt, j / 4) >> j % 4 * 2 & 3u) << (Panel::kHasNibbles ? 4 : 0);
  }
  if constexpr (Panel::kHasOneBit) code |= (byte(Panel::kOneBitAt, 0) >> j & 1u) << (Panel::Codes::kBits - 1);
  return code;
}

// Where block b of a panel of width k has its parts; `kind` is 0 for scales, 1 for minima.
template <class Panel>
class BlockPlaces {
 public:
  BlockPlaces(std::size_t k, std::size_t b)
      : blocks_(std::min(kSuperBlocks, k / kIntegerBlock - b / kSuperBlocks * kSuperBlocks)),
        super_(b / kSuperBlocks * Panel::super_bytes(kSuperBlocks)),
        own_(b % kSuperBlocks) {}

  std::size_t codes() const { return super_ + own_ * Panel::kCodeBytes; }
  std::size_t factor(std::size_t kind, std::size_t sub, std::size_t row) const {
    return super_ + blocks_ * Panel::kCodeBytes + own_ * Panel::kFactorBytes + kind * Panel::kKindBytes +
           (sub * kLanes + row) * sizeof(typename Panel::Factors::Stored);
  }
  std::size_t unit(std::size_t kind, std::size_t row) const {
    return super_ + blocks_ * (Panel::kCodeBytes + Panel::kFactorBytes) + (kind * kLanes + row) * sizeof(std::uint16_t);
  }

 private:
  std::size_t blocks_, super_, own_;
};

template <class Stored>
void store_factor(float value, std::byte* at) {
  if constexpr (sizeof(Stored) == sizeof(float)) {
    std::memcpy(at, &value, sizeof(value));
  } else {  // the value came from an f16, so this is exact
    const std::uint16_t half = half_from_float(value);
    std::memcpy(at, &half, sizeof(half));
  }
}

// The factors of 32 values that begin at the i-th of `from`.
template <class Panel, class Block>
void store_factors(const Block& from, std::size_t i, const BlockPlaces<Panel>& places, std::size_t row,
                   std::byte* panel) {
  for (std::size_t sub = 0; sub < Panel::kScales; ++sub) {
    const std::size_t at = i / Block::kPerScale + sub;
    std::byte* scale = panel + places.factor(0, sub, row);
    std::byte* minimum = panel + places.factor(1, sub, row);
    if constexpr (Panel::Factors::kHasUnits) {
      *scale = static_cast<std::byte>(from.scale_factor[at]);
      if constexpr (Panel::kHasMinimum) *minimum = static_cast<std::byte>(from.minimum_factor[at]);
    } else {
      using Stored = typename Panel::Factors::Stored;
      store_factor<Stored>(from.scale[at], scale);
      if constexpr (Panel::kHasMinimum) store_factor<Stored>(from.minimum[at], minimum);
    }
  }
}

// Minima are taken off, so their unit is negative.
template <class Panel, class Block>
void store_units(const Block& from, const BlockPlaces<Panel>& places, std::size_t row, std::byte* panel) {
  constexpr std::uint16_t kSign = 0x8000;
  std::memcpy(panel + places.unit(0, row), &from.d, sizeof(from.d));
  if constexpr (Panel::kHasMinimum) {
    const auto negative = static_cast<std::uint16_t>(from.dmin ^ kSign);
    std::memcpy(panel + places.unit(1, row), &negative, sizeof(negative));
  }
}

// 16 rows of a format whose bytes only change places: block by block across the rows, so
// that a panel is written in order.
template <class Entry>
void pack_direct(const std::byte* row_data, std::size_t k, std::byte* panel) {
  using Format = typename Entry::Format;
  using Panel = typename Entry::Panel;
  constexpr Direct kFrom = Format::kDirect;
  constexpr std::size_t kGroups = Panel::kCodeBytes / Panel::kGroupBytes;
  const std::size_t bytes_of_row = k / kIntegerBlock * Format::kBytes;
  for (std::size_t b = 0; b < k / kIntegerBlock; ++b) {
    const std::byte* source = row_data + b * Format::kBytes;
    const BlockPlaces<Panel> places(k, b);
    std::byte* codes = panel + places.codes();
    for (std::size_t row = 0; row < kLanes; ++row, source += bytes_of_row) {
      std::memcpy(panel + places.factor(0, 0, row), source + kFrom.scale_at, 2);
      if constexpr (Panel::kHasMinimum) {
        std::memcpy(panel + places.factor(1, 0, row), source + kFrom.minimum_at, 2);
      }
      for (std::size_t group = 0; group < kGroups; ++group) {
        store_word(load_word(source + kFrom.codes_at + 4 * group) ^ kFrom.flip, codes + (group * kLanes + row) * 4);
      }
    }
  }
}

template <class Entry>
void pack_integers(const std::byte* row_data, std::size_t rows, std::size_t k, std::byte* panel) {
  using Format = typename Entry::Format;
  using Panel = typename Entry::Panel;
  using Block = typename Format::Block;
  static_assert(kIntegerBlock / Block::kPerScale == Panel::kScales);

  if constexpr (requires { Format::kDirect; }) {
    if (rows == kLanes) return pack_direct<Entry>(row_data, k, panel);
  }
  if (rows < kLanes) std::memset(panel, 0, Panel::bytes(k));
  const std::size_t bytes_of_row = k / Block::kCount * Format::kBytes;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::byte* source = row_data + row * bytes_of_row;
    for (std::size_t at = 0; at < k; at += Block::kCount, source += Format::kBytes) {
      const Block block = Format::read(source);
      for (std::size_t i = 0; i < Block::kCount; i += kIntegerBlock) {
        const BlockPlaces<Panel> places(k, (at + i) / kIntegerBlock);
        store_codes<Panel>(block.u + i, row, panel + places.codes());
        store_factors<Panel>(block, i, places, row, panel);
        if constexpr (Panel::Factors::kHasUnits) store_units<Panel>(block, places, row, panel);
      }
    }
  }
}

// Kind 0 or 1 of a row's factors, times its unit.
template <class Panel>
float load_factor(const std::byte* panel, const BlockPlaces<Panel>& places, std::size_t kind, std::size_t sub,
                  std::size_t row) {
  const std::byte* at = panel + places.factor(kind, sub, row);
  if constexpr (Panel::Factors::kHasUnits) {
    return load_half(panel + places.unit(kind, row)) * static_cast<float>(static_cast<std::int8_t>(load_byte(at)));
  } else if constexpr (sizeof(typename Panel::Factors::Stored) == sizeof(float)) {
    return std::bit_cast<float>(load_word(at));
  } else {
    return load_half(at);
  }
}

template <class Entry>
void unpack_integer_row(const std::byte* panel, std::size_t row, std::size_t k, float* out) {
  using Panel = typename Entry::Panel;
  constexpr std::size_t kPerScale = kIntegerBlock / Panel::kScales;
  for (std::size_t at = 0; at < k; at += kPerScale) {
    const BlockPlaces<Panel> places(k, at / kIntegerBlock);
    const std::size_t first = at % kIntegerBlock;
    const float scale = load_factor<Panel>(panel, places, 0, first / kPerScale, row);
    const float minimum = Panel::kHasMinimum ? load_factor<Panel>(panel, places, 1, first / kPerScale, row) : 0.0f;
    for (std::size_t i = 0; i < kPerScale; ++i) {
      const unsigned code = load_code<Panel>(panel + places.codes(), row, first + i);
      const float product = scale * static_cast<float>(Panel::Codes::integer(code));
      out[at + i] = Panel::kHasMinimum ? product + minimum : product;
    }
  }
}

template <class Entry>
constexpr PanelFunctions functions_of() {
  if constexpr (Entry::Panel::kInteger) {
    return {Entry::Panel::bytes, pack_integers<Entry>, unpack_integer_row<Entry>};
  } else {
    return {Entry::Panel::bytes, pack_floats<Entry>, unpack_float_row<Entry>};
  }
}

template <class... Entries>
constexpr std::array<PanelFunctions, sizeof...(Entries)> table_of(std::tuple<Entries...>*) {
  return {functions_of<Entries>()...};
}

constexpr auto kFunctions = table_of(static_cast<WeightFormats*>(nullptr));

const PanelFunctions& functions(DType dtype) { return kFunctions[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::size_t panel_bytes(DType dtype, std::size_t k) { return functions(dtype).bytes(k); }

void pack_panel(DType dtype, const std::byte* row_data, std::size_t rows, std::size_t k,
                std::byte* panel) {
  functions(dtype).pack(row_data, rows, k, panel);
}

void unpack_panel_row(DType dtype, const std::byte* panel, std::size_t row, std::size_t k,
                      float* out) {
  functions(dtype).unpack_row(panel, row, k, out);
}

}  // namespace kinglet::dtype
