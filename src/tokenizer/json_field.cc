#include "tokenizer/json_field.h"

#include <fmt/format.h>

#include "base/text.h"
#include "tokenizer/utf8.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {
namespace {

const nlohmann::json& absent() {
  static const nlohmann::json null;
  return null;
}

std::string shown(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return printable(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

}  // namespace

Error JsonField::wrong(std::string problem) const { return refused(std::move(problem)).at(path_); }

JsonField JsonField::operator[](std::string_view key) const {
  if (!value_->is_object()) throw wrong("wanted an object").found(shown(*value_));
  const auto found = value_->find(std::string(key));
  std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  return {found == value_->end() ? absent() : *found, std::move(path)};
}

std::vector<JsonField> JsonField::items() const {
  if (!value_->is_array()) throw wrong("wanted a list").found(shown(*value_));
  std::vector<JsonField> items;
  for (std::size_t i = 0; i < value_->size(); ++i)
    items.emplace_back((*value_)[i], fmt::format("{}[{}]", path_, i));
  return items;
}

std::vector<std::pair<std::string, JsonField>> JsonField::members() const {
  if (!value_->is_object()) throw wrong("wanted an object").found(shown(*value_));
  std::vector<std::pair<std::string, JsonField>> members;
  for (const auto& [key, value] : value_->items())
    members.emplace_back(key, JsonField(value, path_ + "." + printable(key)));
  return members;
}

std::string JsonField::string() const {
  if (!value_->is_string()) throw wrong("wanted a string").found(shown(*value_));
  return value_->get<std::string>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) throw wrong("wanted true or false").found(shown(*value_));
  return value_->get<bool>();
}

TokenId JsonField::token_id() const {
  const bool fits = value_->is_number_unsigned() && value_->get<std::uint64_t>() < kMaxTokens;
  if (!fits)
    throw wrong("wanted a token id").found(shown(*value_)).allowed(fmt::format("0 to {}", kMaxTokens - 1));
  return value_->get<TokenId>();
}

std::size_t JsonField::count() const {
  if (!value_->is_number_unsigned()) throw wrong("wanted a count").found(shown(*value_));
  return value_->get<std::size_t>();
}

char32_t JsonField::character() const {
  const std::string text = string();
  if (text.empty() || first_code_point(text).length != text.size())
    throw wrong("wanted one character").found(kinglet::quoted(text));
  return first_code_point(text).value;
}

void for_each_component(const JsonField& component, std::string_view list,
                        const std::function<void(const JsonField&)>& visit) {
  if (component.is_null()) return;
  if (component.type() != "Sequence") return visit(component);
  for (const JsonField& inner : component[list].items()) for_each_component(inner, list, visit);
}

}  // namespace kinglet
