#include "dtype/pack_panel.h"

#include <algorithm>
#include <array>
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

template <class Scale>
void store_scale(std::byte* at, float value) {
  if constexpr (sizeof(Scale) == sizeof(float)) {
    std::memcpy(at, &value, sizeof(value));
  } else {  // the value came from an f16, so this is exact
    const std::uint16_t half = half_from_float(value);
    std::memcpy(at, &half, sizeof(half));
  }
}

template <class Scale>
float load_scale(const std::byte* at) {
  if constexpr (sizeof(Scale) == sizeof(float)) {
    float value = 0;
    std::memcpy(&value, at, sizeof(value));
    return value;
  } else {
    return load_half(at);
  }
}

// One row's 32 integers into its places of a block's weights (panel.h).
template <class Panel>
void interleave(const std::uint8_t* u, std::size_t row, std::byte* weights) {
  constexpr std::size_t kGroups = Panel::kNibbles ? 4 : 8;
  for (std::size_t group = 0; group < kGroups; ++group) {
    std::uint8_t four[4];
    for (std::size_t i = 0; i < 4; ++i) {
      const unsigned low = u[4 * group + i];
      four[i] = static_cast<std::uint8_t>(Panel::kNibbles ? low | u[16 + 4 * group + i] << 4 : low);
    }
    std::memcpy(weights + group * 4 * kLanes + row * 4, four, 4);
  }
}

// 16 rows of a format whose bytes only change places: block by block across the rows, so
// that a panel is written in order.
template <class Entry>
void pack_direct(const std::byte* row_data, std::size_t k, std::byte* panel) {
  using Format = typename Entry::Format;
  using Panel = typename Entry::Panel;
  constexpr Direct kFrom = Format::kDirect;
  constexpr std::size_t kGroups = Panel::kNibbles ? 4 : 8;
  const std::size_t bytes_of_row = k / kIntegerBlock * Format::kBytes;
  for (std::size_t block = 0; block < k / kIntegerBlock; ++block, panel += Panel::kBlockBytes) {
    const std::byte* source = row_data + block * Format::kBytes;
    for (std::size_t row = 0; row < kLanes; ++row, source += bytes_of_row) {
      std::memcpy(panel + row * 2, source + kFrom.scale_at, 2);
      if constexpr (Panel::kHasMinimum) {
        std::memcpy(panel + Panel::kScaleBytes + row * 2, source + kFrom.minimum_at, 2);
      }
      for (std::size_t group = 0; group < kGroups; ++group) {
        std::uint32_t four = 0;
        std::memcpy(&four, source + kFrom.integers_at + 4 * group, 4);
        four ^= kFrom.flip;
        std::memcpy(panel + Panel::kWeightsAt + (group * kLanes + row) * 4, &four, 4);
      }
    }
  }
}

template <class Entry>
void pack_integers(const std::byte* row_data, std::size_t rows, std::size_t k, std::byte* panel) {
  using Format = typename Entry::Format;
  using Panel = typename Entry::Panel;
  using Block = typename Format::Block;
  using Scale = typename Panel::Scale;
  constexpr std::size_t kSubs = kIntegerBlock / Block::kPerScale;
  static_assert(kSubs == Panel::kScales);

  if constexpr (requires { Format::kDirect; }) {
    if (rows == kLanes) return pack_direct<Entry>(row_data, k, panel);
  }
  if (rows < kLanes) std::memset(panel, 0, Panel::bytes(k));
  const std::size_t bytes_of_row = k / Block::kCount * Format::kBytes;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::byte* source = row_data + row * bytes_of_row;
    std::byte* target = panel;
    for (std::size_t at = 0; at < k; at += Block::kCount, source += Format::kBytes) {
      const Block block = Format::read(source);
      for (std::size_t i = 0; i < Block::kCount; i += kIntegerBlock, target += Panel::kBlockBytes) {
        for (std::size_t sub = 0; sub < kSubs; ++sub) {
          const std::size_t place = (sub * kLanes + row) * sizeof(Scale);
          const std::size_t from = i / Block::kPerScale + sub;
          store_scale<Scale>(target + place, block.scale[from]);
          if constexpr (Panel::kHasMinimum) {
            store_scale<Scale>(target + Panel::kScaleBytes + place, block.minimum[from]);
          }
        }
        interleave<Panel>(block.u + i, row, target + Panel::kWeightsAt);
      }
    }
  }
}

template <class Entry>
void unpack_integer_row(const std::byte* panel, std::size_t row, std::size_t k, float* out) {
  using Panel = typename Entry::Panel;
  using Scale = typename Panel::Scale;
  constexpr std::size_t kPerScale = kIntegerBlock / Panel::kScales;
  for (std::size_t at = 0; at < k; at += kIntegerBlock, panel += Panel::kBlockBytes) {
    for (std::size_t i = 0; i < kIntegerBlock; ++i) {
      const std::size_t place = (i / kPerScale * kLanes + row) * sizeof(Scale);
      const bool is_high = Panel::kNibbles && i >= 16;
      const std::size_t within = is_high ? i - 16 : i;
      const std::byte* byte =
          panel + Panel::kWeightsAt + within / 4 * 4 * kLanes + row * 4 + within % 4;
      unsigned u = load_byte(byte);
      if (Panel::kNibbles) u = is_high ? u >> 4 : u & 0x0F;
      const float scale = load_scale<Scale>(panel + place);
      out[at + i] = scale * static_cast<float>(static_cast<int>(u) - Panel::kZero);
      if constexpr (Panel::kHasMinimum) {
        out[at + i] += load_scale<Scale>(panel + Panel::kScaleBytes + place);
      }
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
