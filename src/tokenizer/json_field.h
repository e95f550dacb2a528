#pragma once

// A value of a tokenizer.json that knows its path, so that every error says where it stands.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/error.h"
#include "kinglet/tokenizer.h"

namespace kinglet {

class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  bool is_null() const { return value_->is_null(); }
  const std::string& path() const { return path_; }
  const nlohmann::json& json() const { return *value_; }

  // A member; null where it is absent. Errors (kRefused): this is no object.
  JsonField operator[](std::string_view key) const;
  // The elements. Errors: this is no list.
  std::vector<JsonField> items() const;
  // The members in the order of their names. Errors: this is no object.
  std::vector<std::pair<std::string, JsonField>> members() const;

  // Errors (kRefused): another type.
  std::string string() const;
  bool boolean() const;
  TokenId token_id() const;  // also: outside [0, 2^20)
  std::size_t count() const;
  char32_t character() const;  // a string of one code point

  std::string string_or(std::string_view otherwise) const { return is_null() ? std::string(otherwise) : string(); }
  bool boolean_or(bool otherwise) const { return is_null() ? otherwise : boolean(); }
  std::size_t count_or(std::size_t otherwise) const { return is_null() ? otherwise : count(); }

  // "type" of a component.
  std::string type() const { return (*this)["type"].string(); }

  Error wrong(std::string problem) const;  // at this path

 private:
  const nlohmann::json* value_;
  std::string path_;
};

// Calls `visit` with each component, those inside "Sequence"s in its place: `list` is the name of a
// Sequence's member. A null component is none.
void for_each_component(const JsonField& component, std::string_view list,
                        const std::function<void(const JsonField&)>& visit);

}  // namespace kinglet
