#include "io/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "dtype/format.h"
#include "io/gguf.h"
#include "io/gguf_names.h"
#include "io/head_order.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

// ---- tables ----

constexpr std::int64_t kAnyInt = INT32_MAX;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxContext = UINT32_MAX;

// Integer keys "<architecture>.<gguf>", in [1, max]. One value, or a list of equal ones (a value per layer).
struct IntegerKey {
  std::string_view gguf;
  const char* config;
  std::int64_t max;
  bool required;  // in a file with tensors
};
constexpr IntegerKey kIntegerKeys[] = {
    {"embedding_length", "hidden_size", kAnyInt, true},
    {"block_count", "num_hidden_layers", kMaxLayers, true},
    {"attention.head_count", "num_attention_heads", kAnyInt, true},
    {"attention.head_count_kv", "num_key_value_heads", kAnyInt, false},
    {"feed_forward_length", "intermediate_size", kAnyInt, true},
    {"context_length", "max_position_embeddings", kMaxContext, false},
    {"attention.key_length", "head_dim", kAnyInt, false},
    {"attention.sliding_window", "sliding_window", kMaxContext, false}};

// Ids of tokens; those that end a generation are listed.
struct TokenKey {
  const char* gguf;
  const char* config;  // nullptr: none
  bool ends;
};
constexpr TokenKey kTokenKeys[] = {
    {"tokenizer.ggml.bos_token_id", "bos_token_id", false},
    {"tokenizer.ggml.eos_token_id", "eos_token_id", true},
    {"tokenizer.ggml.eot_token_id", nullptr, true},
    {"tokenizer.ggml.eom_token_id", nullptr, true},
    {"tokenizer.ggml.unknown_token_id", "unk_token_id", false},
    {"tokenizer.ggml.padding_token_id", "pad_token_id", false}};

constexpr std::uint64_t kMaxVocabulary = 1u << 20;

// ---- names ----

// Which of q and k a tensor (in kinglet's naming) is.
enum class Projection { kOther, kQuery, kKey };
Projection projection_of(std::string_view name) {
  if (name.find(".self_attn.q_proj.") != name.npos) return Projection::kQuery;
  if (name.find(".self_attn.k_proj.") != name.npos) return Projection::kKey;
  return Projection::kOther;
}

// ---- keys ----

class ConfigMaker {
 public:
  ConfigMaker(const GgufHeader& header, std::string architecture)
      : header_(header), architecture_(std::move(architecture)) {}

  std::string key(std::string_view name) const { return architecture_ + "." + std::string(name); }

  Error error(std::string problem, const std::string& name) const {
    Error error = refused(std::move(problem)).in(header_.file());
    if (const GgufKey* found = header_.find(name)) {
      error.at(printable(name), found->offset).found(header_.shown(*found));
    } else {
      error.at(printable(name));
    }
    return error;
  }

  // A value that may be given per layer, where all layers agree.
  std::optional<std::int64_t> integer(std::string_view suffix, std::int64_t max) const {
    const std::string name = key(suffix);
    const GgufKey* found = header_.find(name);
    if (found == nullptr) return std::nullopt;
    std::int64_t value = 0;
    if (found->is_array) {
      const auto list = *header_.integers(name);
      if (list.empty() || std::any_of(list.begin(), list.end(), [&](std::int64_t v) {
            return v != list.front();
          })) {
        throw error("layers that differ in this are not supported", name);
      }
      value = list.front();
    } else {
      value = *header_.integer(name);
    }
    if (value < 1 || value > max) {
      throw error("a key is out of range", name).allowed(fmt::format("integer in [1, {}]", max));
    }
    return value;
  }

  // Finite and positive.
  std::optional<double> positive(std::string_view suffix) const {
    const std::string name = key(suffix);
    const auto value = header_.number(name);
    if (value && !(std::isfinite(*value) && *value > 0)) {
      throw error("a key is not finite or not positive", name);
    }
    return value;
  }

 private:
  const GgufHeader& header_;
  std::string architecture_;
};

// rope.scaling.* as HF's rope_scaling; null where the file has none.
json rope_scaling(const GgufHeader& header, const ConfigMaker& make) {
  const auto old_linear = make.positive("rope.scale_linear");
  const std::string type_key = make.key("rope.scaling.type");
  const std::string type(header.string(type_key).value_or(old_linear ? "linear" : "none"));
  if (type == "none") return nullptr;
  if (type != "linear" && type != "yarn") {
    throw make.error("unsupported rope scaling", type_key).allowed("none, linear, yarn");
  }
  const double factor = make.positive("rope.scaling.factor").value_or(old_linear.value_or(1.0));
  json scaling = {{"rope_type", type}, {"factor", factor}};
  if (const auto original = make.integer("rope.scaling.original_context_length", kMaxContext)) {
    scaling["original_max_position_embeddings"] = *original;
  }
  if (type == "linear") return factor == 1.0 ? json(nullptr) : scaling;
  // ggml multiplies its own factor of cos and sin by attn_factor; HF's attention_factor is the product.
  for (const char* name : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}) {
    const auto attention = make.positive(name);
    if (attention && *attention != 1.0) {
      scaling["attention_factor"] = *attention * (0.1 * std::log(std::max(factor, 1.0)) + 1.0);
    }
  }
  for (const char* name : {"beta_fast", "beta_slow"}) {
    const auto beta = make.positive(fmt::format("rope.scaling.yarn_{}", name));
    if (beta) scaling[name] = *beta;
  }
  return scaling;
}

void add_rope(const GgufHeader& header, const ConfigMaker& make, json& config) {
  config["rope_theta"] = make.positive("rope.freq_base").value_or(10000.0);
  const json scaling = rope_scaling(header, make);
  if (!scaling.is_null()) config["rope_scaling"] = scaling;

  const auto rotated = make.integer("rope.dimension_count", kAnyInt);
  std::int64_t head = config.value("head_dim", std::int64_t{0});
  if (head == 0 && config.contains("hidden_size") && config.contains("num_attention_heads")) {
    head = config["hidden_size"].get<std::int64_t>() /
           config["num_attention_heads"].get<std::int64_t>();
  }
  if (!rotated || head == 0 || *rotated == head) return;
  if (*rotated > head) {
    throw make.error("more dimensions are rotated than a head has",
                     make.key("rope.dimension_count"))
        .allowed(fmt::format("at most {}", head));
  }
  config["partial_rotary_factor"] = static_cast<double>(*rotated) / static_cast<double>(head);
}

void add_shape_keys(const GgufHeader& header, const ConfigMaker& make, json& config) {
  const bool known = config.contains("hidden_act");
  for (const IntegerKey& row : kIntegerKeys) {
    const auto value = make.integer(row.gguf, row.max);
    if (value) {
      config[row.config] = *value;
    } else if (row.required && known && !header.tensors().empty()) {
      throw make.error("a key is missing", make.key(row.gguf));
    }
  }
  const auto value_length = make.integer("attention.value_length", kAnyInt);
  if (value_length && config.contains("head_dim") && *value_length != config["head_dim"]) {
    throw make.error("heads whose keys and values differ in length are not supported",
                     make.key("attention.value_length"));
  }
  const auto eps = make.positive("attention.layer_norm_rms_epsilon");
  if (eps) {
    config["rms_norm_eps"] = *eps;
  } else if (known && !header.tensors().empty()) {
    throw make.error("a key is missing", make.key("attention.layer_norm_rms_epsilon"));
  }
}

// ---- the vocabulary's own consistency ----

void check_vocabulary(const GgufHeader& header, const TensorTable& tensors) {
  const auto refuse = [&header](std::string problem, const char* name) {
    const GgufKey* key = header.find(name);
    return refused(std::move(problem)).in(header.file()).at(name, key ? key->offset : 0);
  };
  const auto tokens = header.strings("tokenizer.ggml.tokens");
  if (!tokens) {
    if (!header.has("tokenizer.ggml.model")) return;
    throw refused("a tokenizer without tokens").in(header.file()).at("tokenizer.ggml.tokens");
  }
  const TensorInfo* embedding = tensors.find("model.embed_tokens.weight");
  const std::uint64_t rows = embedding != nullptr && embedding->shape.size() == 2
                                 ? embedding->shape[0]
                                 : kMaxVocabulary;
  if (tokens->empty() || tokens->size() > std::min(rows, kMaxVocabulary)) {
    throw refuse("the number of tokens does not fit the model", "tokenizer.ggml.tokens")
        .found(fmt::format("{}", tokens->size()))
        .allowed(fmt::format("1 to {}", std::min(rows, kMaxVocabulary)));
  }
  for (const char* name : {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
    const GgufKey* key = header.find(name);
    if (key == nullptr) continue;
    if (!key->is_array || key->count != tokens->size()) {
      throw refuse("not one value for each token", name)
          .found(fmt::format("{}", key->count))
          .allowed(fmt::format("{}", tokens->size()));
    }
  }
  header.numbers("tokenizer.ggml.scores");
  header.integers("tokenizer.ggml.token_type");
  header.strings("tokenizer.ggml.merges");
}

void add_token_ids(const GgufHeader& header, ModelFile& model, json& config, json& generation) {
  const GgufKey* tokens = header.find("tokenizer.ggml.tokens");
  const auto vocabulary = config.contains("vocab_size") ? config["vocab_size"].get<std::int64_t>()
                          : tokens != nullptr ? static_cast<std::int64_t>(tokens->count)
                                              : std::int64_t{0};
  json ends = json::array();
  for (const TokenKey& row : kTokenKeys) {
    const auto id = header.integer(row.gguf);
    if (!id) continue;
    if (*id < 0 || *id >= vocabulary) {
      const bool is_none = *id == -1 || *id == UINT32_MAX;  // how writers say "none"
      if (!is_none) {
        model.warnings.push_back(fmt::format("{}: {} is {}, outside the vocabulary of {}: ignored",
                                             header.file(), row.gguf, *id, vocabulary));
      }
      continue;
    }
    if (row.config != nullptr) config[row.config] = *id;
    if (row.ends) ends.push_back(*id);
  }
  if (!ends.empty()) generation["eos_token_id"] = ends;
}

// ---- tensors ----

class GgufSource : public TensorSource {
 public:
  GgufSource(File file, TensorTable table, std::vector<std::uint64_t> head_rows)
      : file_(std::move(file)), table_(std::move(table)), head_rows_(std::move(head_rows)) {}

  std::span<const TensorInfo> tensors() const override { return table_.all(); }
  const TensorInfo* find(std::string_view name) const override { return table_.find(name); }

  void read_rows(const TensorInfo& tensor, std::uint64_t begin,
                 std::span<std::byte> out) const override {
    const std::uint64_t head = head_rows_[table_.index_of(tensor)];
    if (head == 0) return read_plain_rows(file_, tensor, begin, out);
    check_rows(tensor, begin, out);
    // A bias is one row whose values are permuted as the rows of a matrix are.
    const bool is_bias = tensor.shape.size() == 1;
    const std::size_t bytes = is_bias ? dtype::row_bytes(tensor.dtype, 1)
                                      : static_cast<std::size_t>(row_bytes_of(tensor));
    const auto read = [&](std::uint64_t row, std::span<std::byte> rows) {
      file_.read(tensor.offset + row * bytes, rows);
    };
    read_half_split({head, bytes}, begin, out, read);
  }

 private:
  File file_;
  TensorTable table_;
  std::vector<std::uint64_t> head_rows_;  // rows of one head where a tensor is interleaved, else 0
};

// The rows of one head of an interleaved q or k.
std::uint64_t head_rows(const TensorInfo& tensor, const json& config) {
  const bool is_query = projection_of(tensor.name) == Projection::kQuery;
  const auto all_heads = config.value("num_attention_heads", std::int64_t{0});
  const std::int64_t heads = is_query ? all_heads : config.value("num_key_value_heads", all_heads);
  const std::uint64_t rows = tensor.shape[0];
  const auto count = static_cast<std::uint64_t>(heads);
  const bool is_block_bias =
      tensor.shape.size() == 1 && dtype::format_of(tensor.dtype).block != 1;
  if (count == 0 || rows % count != 0 || rows / count % 2 != 0 || tensor.shape.size() > 2 ||
      is_block_bias) {
    throw refused("tensor " + kinglet::quoted(tensor.name_in_file) + " does not divide into heads")
        .in(tensor.file)
        .at("dimensions")
        .found(fmt::format("[{}] of {}", fmt::join(tensor.shape, ", "),
                           dtype::name_of(tensor.dtype)))
        .allowed(fmt::format("{} heads of an even number of rows", count));
  }
  return rows / count;
}

TensorTable table_of(const GgufHeader& header, const GgufArchitecture* known) {
  TensorTable table;
  for (const GgufTensor& tensor : header.tensors()) {
    TensorInfo info;
    info.name_in_file = tensor.name;
    info.name = known != nullptr ? kinglet_of_gguf(tensor.name) : info.name_in_file;
    info.dtype = tensor.dtype;
    info.shape = tensor.shape;
    info.nbytes = tensor.nbytes;
    info.file = header.file();
    info.offset = tensor.offset;
    table.add(std::move(info));
  }
  return table;
}

json config_of(const GgufHeader& header, const std::string& architecture,
               const GgufArchitecture* known, const TensorTable& table) {
  const ConfigMaker make(header, architecture);
  json config = {{"model_type", known != nullptr ? known->model_type : architecture}};
  if (known != nullptr) config["hidden_act"] = "silu";
  add_shape_keys(header, make, config);
  add_rope(header, make, config);
  // Files of arch llama hold mixtures of experts too, which HF calls another model.
  if (const auto experts = header.integer(make.key("expert_count")); experts && *experts > 0) {
    if (architecture == "llama") config["model_type"] = "mixtral";
    config["num_local_experts"] = *experts;
  }
  const TensorInfo* embedding =
      table.find(known != nullptr ? "model.embed_tokens.weight" : "token_embd.weight");
  if (embedding != nullptr && embedding->shape.size() == 2) config["vocab_size"] = embedding->shape[0];
  if (known != nullptr) {
    config["tie_word_embeddings"] = table.find("lm_head.weight") == nullptr;
    if (architecture == "llama") {
      config["attention_bias"] = table.find("model.layers.0.self_attn.q_proj.bias") != nullptr;
      config["mlp_bias"] = table.find("model.layers.0.mlp.gate_proj.bias") != nullptr;
    }
  }
  return config;
}

}  // namespace

ModelFile open_gguf(File file) {
  const auto header = std::make_shared<const GgufHeader>(file);
  const auto architecture = header->string("general.architecture");
  if (!architecture) {
    throw refused("a key is missing").in(file.name()).at("general.architecture");
  }
  const std::string name = printable(*architecture);
  const GgufArchitecture* known = gguf_architecture(*architecture);

  TensorTable table = table_of(*header, known);
  json config = config_of(*header, name, known, table), generation = json::object();
  std::vector<std::uint64_t> heads(table.all().size(), 0);
  if (known != nullptr && known->interleaves_qk) {
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const TensorInfo& tensor = table.all()[i];
      if (projection_of(tensor.name) != Projection::kOther) heads[i] = head_rows(tensor, config);
    }
  }
  check_vocabulary(*header, table);

  ModelFile model;
  model.file = file.name();
  model.format = fmt::format("GGUF v{}", header->version());
  model.warnings.assign(header->warnings().begin(), header->warnings().end());
  add_token_ids(*header, model, config, generation);
  model.config = Metadata(file.name(), std::move(config));
  model.generation = Metadata(file.name(), std::move(generation));
  model.chat_template = header->string("tokenizer.chat_template").value_or("");
  model.gguf = header;
  model.tensors =
      std::make_unique<GgufSource>(std::move(file), std::move(table), std::move(heads));
  return model;
}

}  // namespace kinglet::io
