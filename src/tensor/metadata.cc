#include "tensor/metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

std::string shown(const nlohmann::json& value) {
  return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

Metadata::Metadata() : json_(std::make_unique<nlohmann::json>(nlohmann::json::object())) {}
Metadata::Metadata(std::string file, nlohmann::json json)
    : file_(std::move(file)), json_(std::make_unique<nlohmann::json>(std::move(json))) {}
Metadata::Metadata(const Metadata& other)
    : file_(other.file_), path_(other.path_), json_(std::make_unique<nlohmann::json>(*other.json_)) {}
Metadata::Metadata(Metadata&& other) noexcept = default;
Metadata& Metadata::operator=(Metadata other) noexcept {
  std::swap(file_, other.file_);
  std::swap(path_, other.path_);
  std::swap(json_, other.json_);
  return *this;
}
Metadata::~Metadata() = default;

const nlohmann::json* Metadata::find(std::string_view key) const {
  const auto entry = json_->find(std::string(key));
  return entry == json_->end() || entry->is_null() ? nullptr : &*entry;
}

const nlohmann::json& Metadata::need(std::string_view key) const {
  if (const nlohmann::json* value = find(key)) return *value;
  throw refused("a configuration key is missing").in(file_).at(path_ + std::string(key));
}

Error Metadata::unusable(std::string_view key, const nlohmann::json& value,
                         std::string allowed) const {
  return refused("a configuration value is not usable")
      .in(file_)
      .at(path_ + std::string(key))
      .found(shown(value))
      .allowed(std::move(allowed));
}

bool Metadata::has(std::string_view key) const { return find(key) != nullptr; }

bool Metadata::mentions(std::string_view key) const { return json_->contains(std::string(key)); }

std::int64_t Metadata::integer(std::string_view key, std::int64_t min, std::int64_t max) const {
  const nlohmann::json& value = need(key);
  const std::string allowed = fmt::format("integer in [{}, {}]", min, max);
  if (!value.is_number_integer()) throw unusable(key, value, allowed);
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw unusable(key, value, allowed);
  }
  const auto number = value.get<std::int64_t>();
  if (number < min || number > max) throw unusable(key, value, allowed);
  return number;
}

double Metadata::number(std::string_view key) const {
  const nlohmann::json& value = need(key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    throw unusable(key, value, "a finite number");
  }
  return value.get<double>();
}

bool Metadata::boolean(std::string_view key) const {
  const nlohmann::json& value = need(key);
  if (!value.is_boolean()) {
    throw unusable(key, value, "true or false");
  }
  return value.get<bool>();
}

std::string Metadata::string(std::string_view key) const {
  const nlohmann::json& value = need(key);
  if (!value.is_string()) {
    throw unusable(key, value, "a string");
  }
  return value.get<std::string>();
}

std::vector<std::int64_t> Metadata::integers(std::string_view key) const {
  const nlohmann::json& value = need(key);
  std::vector<std::int64_t> list;
  for (const nlohmann::json& item : value.is_array() ? value : nlohmann::json::array({value})) {
    if (!item.is_number_integer()) {
      throw unusable(key, value, "an integer or a list of integers");
    }
    list.push_back(item.get<std::int64_t>());
  }
  return list;
}

std::vector<double> Metadata::numbers(std::string_view key) const {
  const nlohmann::json& value = need(key);
  std::vector<double> list;
  bool usable = value.is_array();
  for (std::size_t i = 0; usable && i < value.size(); ++i) {
    usable = value[i].is_number() && std::isfinite(value[i].get<double>());
    if (usable) list.push_back(value[i].get<double>());
  }
  if (!usable) {
    throw unusable(key, value, "a list of finite numbers");
  }
  return list;
}

std::vector<std::string> Metadata::strings(std::string_view key) const {
  const nlohmann::json& value = need(key);
  std::vector<std::string> list;
  bool usable = value.is_array();
  for (std::size_t i = 0; usable && i < value.size(); ++i) {
    usable = value[i].is_string();
    if (usable) list.push_back(value[i].get<std::string>());
  }
  if (!usable) throw unusable(key, value, "a list of strings");
  return list;
}

Metadata Metadata::object(std::string_view key) const {
  const nlohmann::json& value = need(key);
  if (!value.is_object()) {
    throw unusable(key, value, "an object");
  }
  Metadata inner(file_, value);
  inner.path_ = path_ + std::string(key) + ".";
  return inner;
}

std::int64_t Metadata::integer_or(std::string_view key, std::int64_t absent, std::int64_t min,
                                  std::int64_t max) const {
  return has(key) ? integer(key, min, max) : absent;
}
double Metadata::number_or(std::string_view key, double absent) const {
  return has(key) ? number(key) : absent;
}
bool Metadata::boolean_or(std::string_view key, bool absent) const {
  return has(key) ? boolean(key) : absent;
}
std::string Metadata::string_or(std::string_view key, std::string absent) const {
  return has(key) ? string(key) : std::move(absent);
}

}  // namespace kinglet
