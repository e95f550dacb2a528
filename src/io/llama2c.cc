#include "io/llama2c.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/text.h"
#include "io/head_order.h"
#include "io/looks_like.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

constexpr std::uint32_t kMagic = 0x616b3432;  // "ak42" as a number
constexpr std::uint64_t kHeaderBytes = 256;   // of v1 and v2
constexpr std::size_t kNumbers = 7;
constexpr std::int32_t kMaxLayers = 1024;
constexpr std::int32_t kMaxVocabulary = 1 << 20;
constexpr std::uint64_t kMaxTokenizerBytes = 200'000'000;

struct Header {
  int version = 0;
  std::uint64_t D = 0, F = 0, L = 0, H = 0, G = 0, V = 0, S = 0;  // as llama2c.h names them
  bool is_shared = true;    // classifier and embedding
  std::uint64_t group = 0;  // values per scale, v2
  std::uint64_t bytes = 0;  // of the header

  std::uint64_t d() const { return D / H; }
};

struct NumberRow {
  const char* name;
  std::int32_t max;
};
constexpr NumberRow kNumberRows[kNumbers] = {
    {"dim", 1 << 24},     {"hidden_dim", 1 << 24},  {"n_layers", kMaxLayers}, {"n_heads", 1 << 24},
    {"n_kv_heads", 1 << 24}, {"vocab_size", kMaxVocabulary}, {"seq_len", INT32_MAX}};

template <class T>
T read_value(const File& file, std::uint64_t offset) {
  T value;
  file.read(offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

Error out_of_range(const File& file, const char* field, std::uint64_t offset, std::int64_t found) {
  return refused("a number of the llama2.c header is out of range" + looks_like(file))
      .in(file.name())
      .at(field, offset)
      .found(fmt::format("{}", found));
}

void need_bytes(const File& file, std::uint64_t bytes) {
  if (file.size() >= bytes) return;
  throw refused(fmt::format("too short: {} bytes, header is {}{}", file.size(), bytes,
                            looks_like(file)))
      .in(file.name())
      .at("header", 0);
}

// The seven numbers at `begin`, each in range; heads divide what they must.
void read_numbers(const File& file, std::uint64_t begin, Header& header) {
  std::uint64_t* const targets[kNumbers] = {&header.D, &header.F, &header.L, &header.H,
                                            &header.G, &header.V, &header.S};
  for (std::size_t i = 0; i < kNumbers; ++i) {
    const std::uint64_t offset = begin + 4 * i;
    std::int64_t value = read_value<std::int32_t>(file, offset);
    const NumberRow& row = kNumberRows[i];
    if (header.version == 0 && targets[i] == &header.V && value < 0) {
      header.is_shared = false;
      value = -value;
    }
    if (value < 1 || value > row.max) {
      throw out_of_range(file, row.name, offset, value).allowed(fmt::format("1 to {}", row.max));
    }
    *targets[i] = static_cast<std::uint64_t>(value);
  }
  if (header.D % header.H != 0 || header.d() % 2 != 0) {
    throw out_of_range(file, "n_heads", begin + 12, static_cast<std::int64_t>(header.H))
        .allowed(fmt::format("a divisor of dim {} with an even quotient", header.D));
  }
  if (header.H % header.G != 0) {
    throw out_of_range(file, "n_kv_heads", begin + 16, static_cast<std::int64_t>(header.G))
        .allowed(fmt::format("a divisor of n_heads {}", header.H));
  }
}

Header read_header(const File& file) {
  Header header;
  if (!has_llama2c_magic(file)) {
    header.bytes = 4 * kNumbers;
    need_bytes(file, header.bytes);
    read_numbers(file, 0, header);
    return header;
  }
  header.bytes = kHeaderBytes;
  need_bytes(file, header.bytes);
  header.version = read_value<std::int32_t>(file, 4);
  if (header.version != 1 && header.version != 2) {
    throw out_of_range(file, "version", 4, header.version).allowed("1, 2");
  }
  read_numbers(file, 8, header);
  const auto shared = read_value<std::uint8_t>(file, 36);
  if (shared > 1) throw out_of_range(file, "shared classifier", 36, shared).allowed("0, 1");
  header.is_shared = shared == 1;
  if (header.version == 2) {
    const auto group = read_value<std::int32_t>(file, 37);
    const auto size = static_cast<std::uint64_t>(std::max(group, 0));
    if (size == 0 || header.D % size != 0 || header.F % size != 0) {
      throw out_of_range(file, "group size", 37, group)
          .allowed(fmt::format("a divisor of dim {} and hidden_dim {}", header.D, header.F));
    }
    header.group = size;
  }
  return header;
}

// Where each tensor lies: added in the file's order, each behind the last.
class Layout {
 public:
  Layout(const File& file, const Header& header)
      : file_(file), header_(header), end_(header.bytes) {}

  // One tensor for each layer: "model.layers.{i}.<name>".
  void add_layers(std::string_view name, std::vector<std::uint64_t> shape) {
    for (std::uint64_t i = 0; i < header_.L; ++i) {
      add(fmt::format("model.layers.{}.{}", i, name), shape);
    }
  }

  // A matrix of v2 is quantised, vectors never are.
  void add(std::string name, const std::vector<std::uint64_t>& shape) {
    std::uint64_t values = 1;
    for (const std::uint64_t n : shape) values *= n;  // <= 2^48: the header's numbers are bounded
    const bool quantised = header_.group > 0 && shape.size() == 2;
    TensorInfo info;
    info.name_in_file = info.name = std::move(name);
    info.shape = shape;
    info.file = file_.name();
    info.offset = end_;
    info.nbytes = 4 * values;
    skip(quantised ? values + values / header_.group * 4 : info.nbytes);
    table_.add(std::move(info));
  }

  void skip(std::uint64_t bytes) {
    const auto end = checked_add(end_, bytes);
    if (!end) throw refused("the header implies more than 2^64 bytes").in(file_.name()).at("header", 0);
    end_ = *end;
  }

  std::uint64_t end() const { return end_; }
  TensorTable& table() { return table_; }

 private:
  const File& file_;
  const Header& header_;
  std::uint64_t end_;
  TensorTable table_;
};

void add_embedding(const Header& h, Layout& layout) {
  layout.add("model.embed_tokens.weight", {h.V, h.D});
}
void add_norms_of_attention(const Header& h, Layout& layout) {
  layout.add_layers("input_layernorm.weight", {h.D});
}
void add_norms_of_mlp(const Header& h, Layout& layout) {
  layout.add_layers("post_attention_layernorm.weight", {h.D});
}
void add_attention(const Header& h, Layout& layout) {
  layout.add_layers("self_attn.q_proj.weight", {h.D, h.D});
  layout.add_layers("self_attn.k_proj.weight", {h.G * h.d(), h.D});
  layout.add_layers("self_attn.v_proj.weight", {h.G * h.d(), h.D});
  layout.add_layers("self_attn.o_proj.weight", {h.D, h.D});
}
void add_mlp(const Header& h, Layout& layout) {
  layout.add_layers("mlp.gate_proj.weight", {h.F, h.D});  // w1
  layout.add_layers("mlp.down_proj.weight", {h.D, h.F});  // w2
  layout.add_layers("mlp.up_proj.weight", {h.F, h.D});    // w3
}

void lay_out(const Header& h, Layout& layout) {
  if (h.version == 0) {
    add_embedding(h, layout);
    add_norms_of_attention(h, layout);
    add_attention(h, layout);
    add_norms_of_mlp(h, layout);
    add_mlp(h, layout);
    layout.add("model.norm.weight", {h.D});
    layout.skip(2 * 4 * h.S * (h.d() / 2));  // RoPE tables
  } else {
    add_norms_of_attention(h, layout);
    add_norms_of_mlp(h, layout);
    layout.add("model.norm.weight", {h.D});
    add_embedding(h, layout);
    add_attention(h, layout);
    add_mlp(h, layout);
  }
  if (!h.is_shared) layout.add("lm_head.weight", {h.V, h.D});
}

class Llama2cSource : public TensorSource {
 public:
  Llama2cSource(File file, const Header& header, TensorTable table)
      : file_(std::move(file)), header_(header), table_(std::move(table)) {}

  std::span<const TensorInfo> tensors() const override { return table_.all(); }
  const TensorInfo* find(std::string_view name) const override { return table_.find(name); }

  void read_rows(const TensorInfo& tensor, std::uint64_t begin,
                 std::span<std::byte> out) const override {
    check_rows(tensor, begin, out);
    const auto bytes = static_cast<std::size_t>(row_bytes_of(tensor));
    const auto read = [&](std::uint64_t row, std::span<std::byte> rows) {
      read_in_file_order(tensor, row * bytes, rows);
    };
    const bool is_interleaved = tensor.name.ends_with("self_attn.q_proj.weight") ||
                                tensor.name.ends_with("self_attn.k_proj.weight");
    if (!is_interleaved) return read(begin, out);
    read_half_split({header_.d(), bytes}, begin, out, read);
  }

 private:
  // `begin`: in the bytes of the tensor as f32.
  void read_in_file_order(const TensorInfo& tensor, std::uint64_t begin,
                          std::span<std::byte> out) const {
    if (header_.group == 0 || tensor.shape.size() != 2) {
      return file_.read(tensor.offset + begin, out);
    }
    const std::uint64_t group = header_.group, first = begin / 4, count = out.size() / 4;
    const std::uint64_t values = tensor.nbytes / 4;
    std::vector<std::int8_t> quants(count);
    file_.read(tensor.offset + first, std::as_writable_bytes(std::span(quants)));
    const std::uint64_t first_group = first / group;
    std::vector<float> scales(ceil_div(first + count, group) - first_group);
    file_.read(tensor.offset + values + 4 * first_group,
               std::as_writable_bytes(std::span(scales)));
    for (std::uint64_t i = 0; i < count; ++i) {
      const float scale = scales[(first + i) / group - first_group];
      const float value = static_cast<float>(quants[i]) * scale;
      std::memcpy(out.data() + 4 * i, &value, sizeof(value));
    }
  }

  File file_;
  Header header_;
  TensorTable table_;
};

json config_of(const Header& h) {
  return {{"model_type", "llama"},
          {"hidden_act", "silu"},
          {"hidden_size", h.D},
          {"intermediate_size", h.F},
          {"num_hidden_layers", h.L},
          {"num_attention_heads", h.H},
          {"num_key_value_heads", h.G},
          {"vocab_size", h.V},
          {"max_position_embeddings", h.S},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", h.is_shared},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"bos_token_id", 1},
          {"eos_token_id", {1, 2}}};
}

TokenizerText tokenizer_beside(const Folder& folder, std::uint64_t vocabulary) {
  for (const std::string& name : {std::string("tokenizer.bin"), fmt::format("tok{}.bin", vocabulary)}) {
    if (!folder.has(name)) continue;
    const File file = folder.open(name);
    return {TokenizerText::Kind::kLlama2c, file.name(), file.read_all(kMaxTokenizerBytes)};
  }
  return {};
}

}  // namespace

bool has_llama2c_magic(const File& file) {
  return file.size() >= 4 && read_value<std::uint32_t>(file, 0) == kMagic;
}

bool could_be_llama2c_v0(const File& file) {
  if (file.size() < 4 * kNumbers) return false;
  for (std::size_t i = 0; i < kNumbers; ++i) {
    const auto value = std::abs(std::int64_t{read_value<std::int32_t>(file, 4 * i)});
    if (value > kNumberRows[i].max) return false;
  }
  return true;
}

ModelFile open_llama2c(File file, const Folder& folder) {
  const Header header = read_header(file);
  // Checked before the table is made: the smallest file with so many layers.
  Layout layout(file, header);
  lay_out(header, layout);
  if (layout.end() > file.size()) {
    throw refused(fmt::format("the header implies {} bytes but the file has {} (truncated?)",
                              layout.end(), file.size()))
        .in(file.name())
        .at("data", header.bytes);
  }

  ModelFile model;
  model.file = file.name();
  model.format = fmt::format("llama2.c v{}", header.version);
  if (layout.end() < file.size()) {
    model.warnings.push_back(fmt::format("{}: {} bytes after the last tensor", file.name(),
                                         file.size() - layout.end()));
  }
  model.config = Metadata(file.name(), config_of(header));
  model.generation = Metadata(file.name(), json::object());
  model.tokenizer = tokenizer_beside(folder, header.V);
  model.tensors =
      std::make_unique<Llama2cSource>(std::move(file), header, std::move(layout.table()));
  return model;
}

}  // namespace kinglet::io
