#include "tokenizer/json_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;

// Takes the events of the parser. Either it builds the tree, or it is inside one of the big lists.
class Handler {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  explicit Handler(JsonDocument& document) : document_(document) {}

  bool null() { return scalar(json()); }
  bool boolean(bool value) { return scalar(json(value)); }
  bool number_integer(number_integer_t value) {
    if (list_ == List::kNone) return scalar(json(value));
    return number(value, static_cast<double>(value), true);
  }
  bool number_unsigned(number_unsigned_t value) {
    if (list_ == List::kNone) return scalar(json(value));
    const auto capped = static_cast<std::int64_t>(std::min<number_unsigned_t>(value, INT64_MAX));
    return number(capped, static_cast<double>(value), true);
  }
  bool number_float(number_float_t value, const string_t&) {
    if (list_ == List::kNone) return scalar(json(value));
    return number(0, value, false);
  }
  bool string(string_t& value) {
    switch (list_) {
      case List::kNone:
        return scalar(json(std::move(value)));
      case List::kScored:
        if (inner_ != 0) malformed("a piece and its score");
        document_.pieces.add(value);
        inner_ = 1;
        return true;
      case List::kMerges:
        merge(value);
        return true;
      case List::kIds:
        malformed("an id for each piece");
    }
    return true;
  }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) {
    enter();
    if (list_ != List::kNone) malformed("no object");
    if (at_list("vocab")) return start_list(List::kIds);
    return open(json::object());
  }
  bool end_object() {
    if (list_ == List::kNone) open_.pop_back();
    list_ends();
    return leave();
  }
  bool key(string_t& value) {
    if (list_ == List::kIds) {
      document_.pieces.add(value);
      return true;
    }
    if (open_.back()->contains(value)) throw refused("the key " + kinglet::quoted(value) + " stands there twice");
    key_ = std::move(value);
    return true;
  }

  bool start_array(std::size_t) {
    enter();
    if (list_ == List::kNone) {
      if (at_list("vocab")) return start_list(List::kScored);
      if (at_list("merges")) return start_list(List::kMerges);
      return open(json::array());
    }
    if (list_ == List::kIds || depth_ != list_depth_ + 1) malformed("a deeper list");
    inner_ = 0;
    return true;
  }
  bool end_array() {
    if (list_ == List::kNone) {
      open_.pop_back();
    } else if (depth_ == list_depth_ + 1) {
      if (inner_ != 2) malformed("a pair");
      inner_ = 0;
    }
    list_ends();
    return leave();
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    throw refused("is no well-formed JSON").at("", position);
  }

 private:
  enum class List { kNone, kIds, kScored, kMerges };

  [[noreturn]] void malformed(std::string_view what) const {
    throw refused(fmt::format("wanted {}", what))
        .at(list_ == List::kMerges ? "model.merges" : "model.vocab")
        .found(fmt::format("something else after {} entries",
                           list_ == List::kMerges ? document_.rights.size() : document_.pieces.size()));
  }
  void enter() {
    if (++depth_ > kMaxDepth) throw refused(fmt::format("is nested over {} deep", kMaxDepth));
  }
  bool leave() {
    --depth_;
    return true;
  }

  // Whether the value that starts is root.model.<name>.
  bool at_list(std::string_view name) const { return open_.size() == 2 && in_model_ && key_ == name; }
  bool start_list(List list) {
    scalar(json());
    list_ = list;
    list_depth_ = depth_;
    inner_ = 0;
    return true;
  }
  void list_ends() {
    if (list_ != List::kNone && depth_ == list_depth_) list_ = List::kNone;
  }

  bool number(std::int64_t integer, double value, bool is_integer) {
    if (list_ == List::kIds) {
      if (!is_integer) malformed("an integer id for each piece");
      document_.ids.push_back(integer);
    } else if (list_ == List::kScored && inner_ == 1) {
      document_.scores.push_back(value);
      document_.ids.push_back(static_cast<std::int64_t>(document_.ids.size()));
      inner_ = 2;
    } else {
      malformed("no number");
    }
    return true;
  }
  // "left right", or one half of a pair.
  void merge(std::string_view text) {
    if (depth_ == list_depth_ + 1) {
      if (inner_ > 1) malformed("a pair");
      (inner_ == 0 ? document_.lefts : document_.rights).add(text);
      ++inner_;
      return;
    }
    const std::size_t space = text.find(' ');
    if (space == text.npos) malformed("a pair");
    document_.lefts.add(text.substr(0, space));
    document_.rights.add(text.substr(space + 1));
  }

  json* place(json value) {
    if (open_.empty()) {
      document_.tree = std::move(value);
      return &document_.tree;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }
  bool scalar(json value) {
    if (list_ != List::kNone) malformed("an entry");
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    if (open_.size() == 1) in_model_ = key_ == "model";
    open_.push_back(place(std::move(value)));
    return true;
  }

  JsonDocument& document_;
  std::vector<json*> open_;  // the containers around the next value
  std::string key_;
  bool in_model_ = false;
  std::size_t depth_ = 0;
  List list_ = List::kNone;
  std::size_t list_depth_ = 0;
  int inner_ = 0;  // parts of the innermost pair that were read
};

}  // namespace

JsonDocument parse_tokenizer_json(std::string_view text) {
  JsonDocument document;
  Handler handler(document);
  json::sax_parse(text.begin(), text.end(), &handler);
  if (!document.tree.is_object()) throw refused("is no JSON object");
  return document;
}

}  // namespace kinglet
