#pragma once

// A tokenizer.json, read in one pass: the big lists (model.vocab, model.merges) go straight to flat
// storage, the rest becomes a tree of a few hundred values.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

// Strings one after the other in one buffer.
class StringList {
 public:
  void add(std::string_view text) {
    bytes_ += text;
    ends_.push_back(bytes_.size());
  }
  std::size_t size() const { return ends_.size(); }
  std::size_t total_bytes() const { return bytes_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

struct JsonDocument {
  nlohmann::json tree;  // model.vocab and model.merges are null in it

  StringList pieces;           // model.vocab, in the file's order
  std::vector<std::int64_t> ids;  // of the pieces, where it is an object; else the place in the list
  std::vector<double> scores;     // of the pieces, where it is a list of [piece, score]
  StringList lefts, rights;       // model.merges
};

// Errors (kRefused): malformed, nested over 64 deep, a key twice, a merge that is no pair.
JsonDocument parse_tokenizer_json(std::string_view text);

}  // namespace kinglet
