#include "io/strict_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace kinglet::io {
namespace {

// The part of the parser's message that says what is wrong: "... at line 1, column 5: <reason>".
std::string reason(std::string_view message) {
  const std::size_t column = message.find("column ");
  const std::size_t colon = message.find(": ", column == std::string_view::npos ? 0 : column);
  if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  return printable(message);
}

}  // namespace

Error JsonCursor::error(std::string problem) const {
  const std::string_view read = text_.text.substr(0, position());
  const std::size_t line_start = read.rfind('\n') + 1;  // npos + 1 is 0
  return refused(std::move(problem))
      .in(text_.file)
      .at(fmt::format("line {}, column {}", 1 + std::count(read.begin(), read.end(), '\n'),
                      read.size() - line_start),
          offset());
}

void check_json_start(const JsonCursor& cursor) {
  const std::string_view text = cursor.text();
  if (text.empty()) throw cursor.error("empty, not JSON");
  if (text.starts_with("\xEF\xBB\xBF")) throw cursor.error("starts with a byte order mark");
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
      text.substr(0, 2).find('\0') != std::string_view::npos) {
    throw cursor.error("UTF-16 or binary, not JSON in UTF-8");
  }
  // The parser takes NUL for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw refused("a NUL byte in JSON").in(cursor.file()).at("", cursor.offset() + nul);
  }
}

bool JsonBuilder::string(std::string& value) {
  if (value.size() > limits_.string_bytes) {
    throw cursor_.error(fmt::format("a string of {} bytes, at most {} are read", value.size(),
                                    limits_.string_bytes));
  }
  return add(std::move(value));
}

bool JsonBuilder::key(std::string& name) {
  constexpr std::size_t kLongestKey = 64 * 1024;
  if (name.size() > kLongestKey) {
    throw cursor_.error(
        fmt::format("a key of {} bytes, at most {} are read", name.size(), kLongestKey));
  }
  auto& members = open_.back()->get_ref<nlohmann::json::object_t&>();
  const auto [entry, is_new] = members.emplace(std::move(name), nullptr);
  if (!is_new) throw cursor_.error("duplicate key " + kinglet::quoted(entry->first));
  member_ = &entry->second;
  return true;
}

bool JsonBuilder::parse_error(std::size_t, const std::string&,
                              const nlohmann::json::exception& error) {
  throw cursor_.error("not valid JSON: " + reason(error.what()));
}

nlohmann::json& JsonBuilder::place(nlohmann::json&& value) {
  if (++values_ > limits_.values) {
    throw cursor_.error(fmt::format("more than {} values", limits_.values));
  }
  if (open_.empty()) return root_ = std::move(value);
  if (open_.back()->is_object()) return *member_ = std::move(value);
  auto& items = open_.back()->get_ref<nlohmann::json::array_t&>();
  return items.emplace_back(std::move(value));
}

bool JsonBuilder::add(nlohmann::json&& value) {
  place(std::move(value));
  return true;
}

bool JsonBuilder::open(nlohmann::json&& container) {
  if (open_.size() == limits_.depth) {
    throw cursor_.error(fmt::format("nested deeper than {}", limits_.depth));
  }
  open_.push_back(&place(std::move(container)));
  return true;
}

bool JsonBuilder::close() {
  open_.pop_back();
  return true;
}

nlohmann::json parse_json(const JsonText& text, const JsonLimits& limits) {
  JsonCursor cursor(text);
  JsonBuilder builder(cursor, limits);
  parse_json_events(cursor, builder);
  return std::move(builder.root());
}

nlohmann::json parse_json_object(const JsonText& text, const JsonLimits& limits) {
  nlohmann::json value = parse_json(text, limits);
  if (!value.is_object()) {
    throw refused("not a JSON object").in(text.file).at("", text.offset).found(value.type_name());
  }
  return value;
}

}  // namespace kinglet::io
