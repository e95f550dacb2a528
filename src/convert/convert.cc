#include "convert/convert.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/text.h"
#include "dtype/format.h"
#include "io/hf_writer.h"
#include "io/open.h"
#include "io/safetensors_writer.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPieceBytes = 4 << 20;  // of a tensor in memory at a time

bool is_float(DType dtype) { return dtype <= DType::kBF16; }

std::optional<DType> wanted_dtype(const ConvertOptions& options) {
  if (options.dtype.empty()) return std::nullopt;
  const std::optional<DType> dtype = dtype::named(options.dtype);
  if (dtype && is_float(*dtype)) return dtype;
  throw usage_error("option --dtype").found(kinglet::quoted(options.dtype)).allowed("f32, f16, bf16");
}

// Buffers that are no weights (positions, masks) are kept as they are.
DType target_of(const TensorInfo& tensor, std::optional<DType> wanted) {
  if (dtype::format_of(tensor.dtype).unpack == nullptr) return tensor.dtype;
  if (wanted) return *wanted;
  return is_float(tensor.dtype) ? tensor.dtype : DType::kF32;
}

void copy_tensor(const TensorSource& source, const TensorInfo& tensor, DType target,
                 io::SafetensorsWriter& writer) {
  if (tensor.nbytes == 0) return;
  const std::uint64_t width = tensor.shape.empty() ? 1 : tensor.shape.back();
  const std::size_t row_bytes = dtype::row_bytes(tensor.dtype, static_cast<std::size_t>(width));
  const std::uint64_t rows = tensor.nbytes / row_bytes;
  const std::uint64_t at_once = std::max<std::uint64_t>(1, kPieceBytes / row_bytes);
  const dtype::Format& from = dtype::format_of(tensor.dtype);
  const dtype::Format& to = dtype::format_of(target);
  std::vector<std::byte> bytes, packed;
  std::vector<float> values;
  for (std::uint64_t row = 0; row < rows; row += at_once) {
    const std::uint64_t count = std::min(at_once, rows - row);
    bytes.resize(static_cast<std::size_t>(count) * row_bytes);
    source.read_rows(tensor, row, bytes);
    if (target == tensor.dtype) {
      writer.write(bytes);
      continue;
    }
    values.resize(static_cast<std::size_t>(count * width));
    packed.resize(values.size() * to.block_bytes);
    from.unpack(bytes.data(), values.size(), values.data());
    to.pack(values.data(), values.size(), nullptr, packed.data());
    writer.write(packed);
  }
}

nlohmann::json config_for(const io::ModelFile& model, std::optional<DType> wanted) {
  nlohmann::json config = model.config.json();
  const char* name = !wanted || *wanted == DType::kF32 ? "float32"
                     : *wanted == DType::kF16          ? "float16"
                                                       : "bfloat16";
  config["torch_dtype"] = name;
  return config;
}

void check_places(const fs::path& in, const fs::path& out, const ConvertOptions& options) {
  std::error_code error;
  if (!fs::exists(out, error)) return;
  if (fs::equivalent(in, out, error)) {
    throw usage_error("the output is the input").in(printable(out.native()));
  }
  if (!options.force) {
    throw usage_error("the output exists; --force replaces it").in(printable(out.native()));
  }
  if (!fs::is_directory(out, error)) {
    throw usage_error("the output exists and is no directory").in(printable(out.native()));
  }
}

// A directory beside `out` that becomes it, or goes away.
class StagedDirectory {
 public:
  explicit StagedDirectory(fs::path out) : out_(std::move(out)), staged_(out_) {
    staged_ += fmt::format(".tmp.{}", ::getpid());
    std::error_code error;
    fs::create_directories(staged_, error);
    if (error) throw runtime_error("cannot make it: " + error.message()).in(printable(out_.native()));
  }
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;
  ~StagedDirectory() {
    std::error_code ignored;
    fs::remove_all(staged_, ignored);
  }
  const fs::path& path() const { return staged_; }
  void commit() {
    std::error_code error;
    const fs::path old = fs::path(staged_).concat(".old");
    if (fs::exists(out_, error)) fs::rename(out_, old, error);
    if (!error) fs::rename(staged_, out_, error);
    if (error) throw runtime_error("cannot rename: " + error.message()).in(printable(out_.native()));
    fs::remove_all(old, error);
  }

 private:
  fs::path out_, staged_;
};

}  // namespace

Converted convert(const fs::path& in, const fs::path& out, const ConvertOptions& options) {
  const std::optional<DType> wanted = wanted_dtype(options);
  fs::path target = out;
  if (!target.has_filename()) target = target.parent_path();  // "model/" is "model"
  check_places(in, target, options);
  const io::ModelFile model = io::open_model_file(in);

  std::vector<io::TensorPlan> plans;
  Converted converted;
  for (const TensorInfo& tensor : model.tensors->tensors()) {
    const DType dtype = target_of(tensor, wanted);
    plans.push_back({tensor.name, dtype, tensor.shape});
    converted.bytes += dtype::checked_nbytes(tensor.shape, dtype).value_or(0);
  }
  StagedDirectory staged(target);
  io::write_hf_files(staged.path(), model, config_for(model, wanted));
  io::SafetensorsWriter writer(staged.path() / "model.safetensors", plans, {{"format", "pt"}});
  for (std::size_t i = 0; i < plans.size(); ++i) {
    copy_tensor(*model.tensors, model.tensors->tensors()[i], plans[i].dtype, writer);
  }
  writer.finish();
  staged.commit();
  converted.tensors = plans.size();
  converted.has_tokenizer = model.tokenizer.kind != io::TokenizerText::Kind::kNone;
  return converted;
}

}  // namespace kinglet
