#pragma once

// A model opened from a file: weights, configuration, tokenizer. Immutable once open; may be shared.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kinglet/math.h"
#include "kinglet/sampler.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

struct OpenOptions {
  std::filesystem::path tokenizer;  // empty: what the model brings
  Math math = Math::kExact;
  std::size_t threads = 0;          // for packing the weights; 0: all that the process may use
};

class Model {
 public:
  // GGUF file, HF directory, llama2.c .bin or kinglet-json file.
  // Errors: kRefused, naming file, field and offset; kRuntime, out of memory or an I/O failure.
  static Model open(const std::filesystem::path& path, const OpenOptions& options = {});
  // The small model inside the library, tales-3m.
  static Model built_in(const OpenOptions& options = {});

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& file() const;    // as given, printable
  const std::string& format() const;  // "GGUF v3"
  std::size_t vocabulary() const;     // logits per position, V
  std::size_t layers() const;         // blocks, L
  std::size_t width() const;          // of a hidden state, D
  std::size_t context() const;        // positions that the model was made for
  std::size_t weight_bytes() const;   // in memory

  const Tokenizer* tokenizer() const;         // null where the model has none
  std::optional<TokenId> bos() const;         // the token for "a text begins", where there is one
  bool adds_bos() const;                      // whether every text starts with it; else only an
                                              // empty one, which needs something to start from
  std::span<const TokenId> end_ids() const;   // tokens that end generation, ascending
  const SamplerOptions& sampling() const;     // the model's own defaults
  std::span<const std::string> warnings() const;  // one line each

  struct Parts;  // src/runtime/model_parts.h
  const Parts& parts() const { return *parts_; }

 private:
  explicit Model(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace kinglet
