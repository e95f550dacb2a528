#pragma once

// JSON as kinglet reads it everywhere: UTF-8, one value and nothing after it, no duplicate keys at
// any depth, no NaN, bounded depth, strings and count of values. What two parsers could read
// differently is refused; every error names file, line, column and byte.
//
// The parser is nlohmann/json's event (SAX) interface; it does not recurse.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/error.h"

namespace kinglet::io {

struct JsonLimits {
  std::size_t depth = 64;
  std::size_t values = 1'000'000;
  std::size_t string_bytes = 16u << 20;
};

// A JSON text and where it comes from.
struct JsonText {
  std::string_view text;
  std::string file;          // printable
  std::uint64_t offset = 0;  // of the text in that file
};

// Errors: kRefused.
nlohmann::json parse_json(const JsonText& text, const JsonLimits& limits = {});
// The same, and the value is an object.
nlohmann::json parse_json_object(const JsonText& text, const JsonLimits& limits = {});

// How far the parser has read: just behind the value or bracket of the current event (one further
// behind a number).
class JsonCursor {
 public:
  explicit JsonCursor(const JsonText& text) : text_(text), now_(text.text.data()) {}

  std::size_t position() const { return static_cast<std::size_t>(now_ - text_.text.data()); }
  std::string_view text() const { return text_.text; }
  const std::string& file() const { return text_.file; }
  std::uint64_t offset() const { return text_.offset + position(); }

  // An error here.
  Error error(std::string problem) const;

  // Over the text, telling the cursor: what the parser reads from.
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = char;
    using pointer = const char*;
    using reference = const char&;
    using iterator_category = std::input_iterator_tag;

    Iterator(const char* at, const char** now) : at_(at), now_(now) {}
    const char& operator*() const { return *at_; }
    Iterator& operator++() {
      *now_ = ++at_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return a.at_ != b.at_; }

   private:
    const char* at_;
    const char** now_;
  };
  Iterator begin() { return {text_.text.data(), &now_}; }
  Iterator end() { return {text_.text.data() + text_.text.size(), &now_}; }

 private:
  JsonText text_;
  const char* now_;
};

// Makes a DOM from the parser's events and refuses what the head of this file says. A reader that
// wants some events for itself passes the others on.
class JsonBuilder {
 public:
  JsonBuilder(const JsonCursor& cursor, const JsonLimits& limits)
      : cursor_(cursor), limits_(limits) {}

  nlohmann::json& root() { return root_; }
  std::size_t depth() const { return open_.size(); }

  // Events, under the names that nlohmann::json::sax_parse calls.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value);
  bool binary(nlohmann::json::binary_t&) { return false; }  // not in JSON
  bool start_object(std::size_t) { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) { return open(nlohmann::json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name);
  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::json::exception& error);

 private:
  nlohmann::json& place(nlohmann::json&& value);
  bool add(nlohmann::json&& value);
  bool open(nlohmann::json&& container);
  bool close();

  const JsonCursor& cursor_;
  JsonLimits limits_;
  nlohmann::json root_;
  std::vector<nlohmann::json*> open_;  // containers that are not closed, outermost first
  nlohmann::json* member_ = nullptr;   // what the last key stands for
  std::size_t values_ = 0;
};

// Checks what the parser would let through (a byte order mark, NUL) before it runs. Errors: kRefused.
void check_json_start(const JsonCursor& cursor);

// Sends the events of the text to `handler`, which has JsonBuilder's calls.
template <class Handler>
void parse_json_events(JsonCursor& cursor, Handler& handler) {
  check_json_start(cursor);
  nlohmann::json::sax_parse(cursor.begin(), cursor.end(), &handler);
}

}  // namespace kinglet::io
