#pragma once

// Configuration: keys and values, in the words of a Hugging Face config.json, whatever file they
// came from. Typed getters that fail with file, key, what was found and what is allowed.

#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/error.h"

namespace kinglet {

class Metadata {
 public:
  Metadata();  // empty
  // `file` stands in messages; `json` is an object.
  Metadata(std::string file, nlohmann::json json);
  Metadata(const Metadata& other);
  Metadata(Metadata&& other) noexcept;
  Metadata& operator=(Metadata other) noexcept;
  ~Metadata();

  const std::string& file() const { return file_; }
  const nlohmann::json& json() const { return *json_; }

  bool has(std::string_view key) const;       // present and not null
  bool mentions(std::string_view key) const;  // present, perhaps as null

  // Errors (kRefused): absent, another type, out of [min, max], not finite.
  std::int64_t integer(std::string_view key, std::int64_t min = 1,
                       std::int64_t max = std::numeric_limits<std::int32_t>::max()) const;
  double number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::string string(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;  // a number counts as a list of one
  std::vector<double> numbers(std::string_view key) const;
  std::vector<std::string> strings(std::string_view key) const;
  Metadata object(std::string_view key) const;

  // The same with a value for absent keys; a present key of a wrong type is still an error.
  std::int64_t integer_or(std::string_view key, std::int64_t absent, std::int64_t min = 1,
                          std::int64_t max = std::numeric_limits<std::int32_t>::max()) const;
  double number_or(std::string_view key, double absent) const;
  bool boolean_or(std::string_view key, bool absent) const;
  std::string string_or(std::string_view key, std::string absent) const;

 private:
  const nlohmann::json* find(std::string_view key) const;  // nullptr: absent or null
  const nlohmann::json& need(std::string_view key) const;
  Error unusable(std::string_view key, const nlohmann::json& value, std::string allowed) const;

  std::string file_;
  std::string path_;  // of this object inside the file: "rope_scaling."
  std::unique_ptr<nlohmann::json> json_;
};

}  // namespace kinglet
