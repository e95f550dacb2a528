#include "io/json_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "dtype/format.h"
#include "io/looks_like.h"
#include "io/strict_json.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxTextBytes = 100'000'000;
constexpr std::size_t kMaxDims = 8;
constexpr std::size_t kLongestName = 4096;
constexpr JsonLimits kLimits{.values = 8'000'000};

std::string path_of(std::string_view tensor) { return fmt::format("tensors[\"{}\"]", printable(tensor)); }

// A tensor given as nested lists, while and after it is read.
struct Inline {
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> values;  // f32 or f64, as asked
  std::uint64_t offset = 0;  // of its '['
};

// Takes the numbers of one tensor; every list of a level must be as long as the first one.
class InlineReader {
 public:
  InlineReader(const JsonCursor& cursor, std::string name, TextNumbers numbers)
      : cursor_(cursor), name_(std::move(name)), numbers_(numbers) {}

  bool is_open() const { return !index_.empty(); }
  Inline& tensor() { return tensor_; }

  Error error(std::string problem) const {
    std::string path = path_of(name_);
    for (const std::uint64_t i : index_) path += fmt::format("[{}]", i);
    return cursor_.error(std::move(problem)).at(std::move(path), cursor_.offset());
  }

  void start() {
    if (index_.empty()) tensor_.offset = cursor_.offset() - 1;
    if (index_.size() == kMaxDims) throw error(fmt::format("more than {} dimensions", kMaxDims));
    if (leaf_level_ != 0 && index_.size() == leaf_level_) throw error("a list where its neighbours are numbers");
    index_.push_back(0);
    if (tensor_.shape.size() < index_.size()) tensor_.shape.push_back(kUnknown);
  }

  template <class Number>
  void number(Number value) {
    if (leaf_level_ == 0) {
      if (tensor_.shape.size() > index_.size()) throw error("a number where its neighbours are lists");
      leaf_level_ = index_.size();
    }
    if (index_.size() != leaf_level_) throw error("a number where its neighbours are lists");
    if (numbers_ == TextNumbers::kF64) {
      append(static_cast<double>(value));
    } else {
      append(static_cast<float>(value));
    }
    ++index_.back();
  }

  void end() {
    const std::uint64_t count = index_.back();
    std::uint64_t& wanted = tensor_.shape[index_.size() - 1];
    if (wanted == kUnknown) wanted = count;
    index_.pop_back();
    if (count == 0) throw error("an empty list");
    if (count != wanted) {
      throw error("a list of another length than the first one")
          .found(fmt::format("{}", count))
          .allowed(fmt::format("{}", wanted));
    }
    if (is_open()) ++index_.back();
  }

 private:
  static constexpr std::uint64_t kUnknown = UINT64_MAX;

  template <class Float>
  void append(Float value) {
    if (!std::isfinite(value)) {
      throw error(fmt::format("a number that is not finite in f{}", 8 * sizeof(Float)));
    }
    const auto bytes = std::as_bytes(std::span(&value, 1));
    tensor_.values.insert(tensor_.values.end(), bytes.begin(), bytes.end());
  }

  const JsonCursor& cursor_;
  std::string name_;
  TextNumbers numbers_;
  Inline tensor_;
  std::vector<std::uint64_t> index_;  // of the element that comes next, for each open list
  std::size_t leaf_level_ = 0;        // open lists around a number; 0: none was seen
};

// The parser's events: lists that are tensors become floats, all else goes to the DOM.
class WeightsHandler {
 public:
  WeightsHandler(const JsonCursor& cursor, TextNumbers numbers)
      : cursor_(cursor), numbers_(numbers), builder_(cursor, kLimits) {}

  json& root() { return builder_.root(); }
  std::vector<std::string>& names() { return names_; }
  std::map<std::string, Inline>& lists() { return lists_; }
  std::string_view tokenizer() const { return tokenizer_; }

  bool null() { return no_text("null") && builder_.null(); }
  bool boolean(bool value) { return no_text("true or false") && builder_.boolean(value); }
  bool string(std::string& value) { return no_text("a string") && builder_.string(value); }
  bool binary(json::binary_t&) { return false; }

  bool number_integer(std::int64_t value) {
    if (!reader_) return builder_.number_integer(value);
    reader_->number(value);
    return true;
  }
  bool number_unsigned(std::uint64_t value) {
    if (!reader_) return builder_.number_unsigned(value);
    reader_->number(value);
    return true;
  }
  bool number_float(double value, const std::string& text) {
    if (!reader_) return builder_.number_float(value, text);
    if (numbers_ == TextNumbers::kF64) {
      reader_->number(value);
      return true;
    }
    // From the text itself: by way of a double it would be rounded twice.
    float nearest = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), nearest);
    reader_->number(result.ec == std::errc() ? nearest : static_cast<float>(value));
    return true;
  }

  bool start_array(std::size_t size) {
    if (!reader_ && builder_.depth() == 2 && in_tensors_) {
      reader_.emplace(cursor_, names_.back(), numbers_);
      builder_.null();  // holds the key's place
    }
    if (!reader_) return builder_.start_array(size);
    reader_->start();
    return true;
  }
  bool end_array() {
    if (!reader_) return builder_.end_array();
    reader_->end();
    if (!reader_->is_open()) {
      lists_.emplace(names_.back(), std::move(reader_->tensor()));
      reader_.reset();
    }
    return true;
  }

  bool start_object(std::size_t size) {
    no_text("an object");
    if (builder_.depth() == 1) {
      in_tensors_ = key_ == "tensors";
      if (key_ == "tokenizer") tokenizer_begin_ = cursor_.position() - 1;
    }
    return builder_.start_object(size);
  }
  bool end_object() {
    builder_.end_object();
    if (builder_.depth() != 1) return true;
    in_tensors_ = false;
    if (key_ == "tokenizer") {
      tokenizer_ = cursor_.text().substr(tokenizer_begin_, cursor_.position() - tokenizer_begin_);
    }
    return true;
  }
  bool key(std::string& name) {
    if (builder_.depth() == 1) key_ = name;
    if (builder_.depth() == 2 && in_tensors_) names_.push_back(name);
    return builder_.key(name);
  }
  bool parse_error(std::size_t position, const std::string& token, const json::exception& error) {
    return builder_.parse_error(position, token, error);
  }

 private:
  bool no_text(const char* what) const {
    if (reader_) throw reader_->error("not a number").found(what);
    return true;
  }

  const JsonCursor& cursor_;
  TextNumbers numbers_;
  JsonBuilder builder_;
  std::string key_;          // the last one of the outermost object
  bool in_tensors_ = false;  // inside the object "tensors"
  std::optional<InlineReader> reader_;  // while a list of numbers is read
  std::vector<std::string> names_;      // of tensors, in the file's order
  std::map<std::string, Inline> lists_;
  std::size_t tokenizer_begin_ = 0;
  std::string_view tokenizer_;
};

class JsonSource : public TensorSource {
 public:
  void add(TensorInfo info, std::optional<std::vector<std::byte>> values) {
    table_.add(std::move(info));
    values_.push_back(std::move(values));
  }
  void set_blob(File blob) { blob_.emplace(std::move(blob)); }
  const std::optional<File>& blob() const { return blob_; }

  std::span<const TensorInfo> tensors() const override { return table_.all(); }
  const TensorInfo* find(std::string_view name) const override { return table_.find(name); }

  void read_rows(const TensorInfo& tensor, std::uint64_t begin,
                 std::span<std::byte> out) const override {
    const auto& values = values_[table_.index_of(tensor)];
    if (!values) return read_plain_rows(*blob_, tensor, begin, out);
    check_rows(tensor, begin, out);
    const auto rows = std::span(*values).subspan(begin * row_bytes_of(tensor), out.size());
    std::copy(rows.begin(), rows.end(), out.begin());
  }

 private:
  std::optional<File> blob_;
  TensorTable table_;
  std::vector<std::optional<std::vector<std::byte>>> values_;  // nothing: the tensor is in the blob
};

class Opener {
 public:
  Opener(const File& file, const Folder& folder) : file_(file), folder_(folder) {}

  Error error(std::string problem, std::string path) const {
    return refused(std::move(problem)).in(file_.name()).at(std::move(path));
  }

  void check_fields(const json& object, const std::string& path,
                    std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        throw error("an unknown field", path + printable(key))
            .allowed(fmt::format("{}", fmt::join(known, ", ")));
      }
    }
  }

  void check_format(const json& root) const {
    if (!root.contains("format") || root["format"] != "kinglet-json") {
      const char* hint = root.contains("model_type") ? ": it looks like a config.json, give its directory"
                         : root.contains("added_tokens") ? ": it looks like a tokenizer.json"
                         : root.contains("weight_map")   ? ": it looks like an index, give its directory"
                                                         : "";
      throw error(std::string("not a kinglet-json file") + hint, "format")
          .allowed("\"kinglet-json\"");
    }
    if (!root.contains("version") || root["version"] != 1) {
      throw error("unsupported version of kinglet-json", "version").allowed("1");
    }
    check_fields(root, "", {"format", "version", "config", "tensors", "blob", "tokenizer", "generation", "chat_template"});
    for (const char* key : {"config", "tensors"}) {
      if (!root.contains(key) || !root[key].is_object()) throw error("not an object", key);
    }
    for (const char* key : {"tokenizer", "generation"}) {
      if (root.contains(key) && !root[key].is_object() && !root[key].is_null()) throw error("not an object", key);
    }
    if (root.contains("chat_template") && !root["chat_template"].is_string()) throw error("not a text", "chat_template");
  }

  File open_blob(const json& root) const {
    const auto name = root.find("blob");
    if (name == root.end()) throw error("tensors in a blob that is not named", "blob");
    if (!name->is_string() || !is_plain_file_name(name->get_ref<const std::string&>())) {
      throw error("the blob must be a plain file name in this directory", "blob");
    }
    return folder_.open(name->get_ref<const std::string&>());
  }

  // {"dtype", "shape", "offset"}: a place in the blob.
  TensorInfo in_blob(const std::string& name, const json& entry, const File& blob) const {
    const std::string path = path_of(name);
    if (!entry.is_object()) throw error("neither lists of numbers nor a place in the blob", path);
    check_fields(entry, path + ".", {"dtype", "shape", "offset"});
    const auto field = [&](const char* key) -> const json& {
      const auto found = entry.find(key);
      if (found == entry.end()) throw error("a field is missing", path + "." + key);
      return *found;
    };
    const auto number = [&](const json& value, const char* key) {
      if (!value.is_number_unsigned()) throw error("not a whole number below 2^64", path + "." + key);
      return value.get<std::uint64_t>();
    };

    TensorInfo info;
    info.name = info.name_in_file = name;
    info.file = blob.name();
    const json& type = field("dtype");
    const auto dtype =
        type.is_string() ? dtype::named(type.get_ref<const std::string&>()) : std::nullopt;
    if (!dtype) {
      throw error("unsupported dtype", path + ".dtype")
          .found(printable(type.dump(-1, ' ', false, json::error_handler_t::replace)));
    }
    info.dtype = *dtype;
    const json& shape = field("shape");
    if (!shape.is_array() || shape.size() > kMaxDims) {
      throw error(fmt::format("not a list of at most {} numbers", kMaxDims), path + ".shape");
    }
    for (const json& n : shape) info.shape.push_back(number(n, "shape"));
    const auto nbytes = dtype::checked_nbytes(info.shape, info.dtype);
    if (!nbytes) throw error("the shape does not fit the dtype", path + ".shape");
    info.nbytes = *nbytes;
    info.offset = number(field("offset"), "offset");
    if (!fits(info.offset, info.nbytes, blob.size())) {
      throw error(fmt::format("{} bytes at {} lie outside the blob, which has {}", info.nbytes,
                              info.offset, blob.size()),
                  path);
    }
    return info;
  }

 private:
  const File& file_;
  const Folder& folder_;
};

TensorInfo inline_info(const File& file, const std::string& name, const Inline& list,
                       TextNumbers numbers) {
  TensorInfo info;
  info.dtype = numbers == TextNumbers::kF64 ? DType::kF64 : DType::kF32;
  info.name = info.name_in_file = name;
  info.shape = list.shape;
  info.nbytes = list.values.size();
  info.file = file.name();
  info.offset = list.offset;
  return info;
}

}  // namespace

ModelFile open_json_weights(File file, const Folder& folder, TextNumbers numbers) {
  if (file.size() == 0) throw refused("not a kinglet-json file" + looks_like(file)).in(file.name());
  const std::string text = file.read_all(kMaxTextBytes);
  JsonCursor cursor({text, file.name()});
  WeightsHandler handler(cursor, numbers);
  parse_json_events(cursor, handler);
  json& root = handler.root();
  if (!root.is_object()) {
    throw refused("not a JSON object").in(file.name()).at("line 1, column 1", 0).found(root.type_name());
  }

  const Opener opener(file, folder);
  opener.check_format(root);
  auto source = std::make_unique<JsonSource>();
  std::vector<TensorInfo> in_blob;
  for (const std::string& name : handler.names()) {
    if (name.size() > kLongestName) throw opener.error("a name is too long", path_of(name));
    if (const auto list = handler.lists().find(name); list != handler.lists().end()) {
      TensorInfo info = inline_info(file, name, list->second, numbers);
      source->add(std::move(info), std::move(list->second.values));
      continue;
    }
    if (!source->blob()) source->set_blob(opener.open_blob(root));
    in_blob.push_back(opener.in_blob(name, root["tensors"][name], *source->blob()));
    source->add(in_blob.back(), std::nullopt);
  }
  in_order_of_offset(in_blob);  // refuses overlaps

  ModelFile model;
  model.file = file.name();
  model.format = "kinglet-json v1";
  model.config = Metadata(file.name(), std::move(root["config"]));
  const auto generation = root.find("generation");
  const bool has_generation = generation != root.end() && generation->is_object();
  model.generation = Metadata(file.name(), has_generation ? std::move(*generation) : json::object());
  model.chat_template = root.value("chat_template", "");
  if (!handler.tokenizer().empty()) {
    model.tokenizer = {TokenizerText::Kind::kTokenizerJson, file.name(),
                       std::string(handler.tokenizer())};
  }
  model.tensors = std::move(source);
  return model;
}

}  // namespace kinglet::io
