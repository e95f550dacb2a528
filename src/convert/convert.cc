#include "convert/convert.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/output_file.h"
#include "base/team.h"
#include "base/text.h"
#include "convert/manifest.h"
#include "convert/partial.h"
#include "convert/row_converter.h"
#include "convert/sha256.h"
#include "convert/size_target.h"
#include "dtype/format.h"
#include "io/zip.h"
#include "kinglet/version.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestBeside = 200'000'000;
constexpr std::uint64_t kCheckpointBytes = 16 << 20;  // of the target between two lines of the journal

// ---- places ----

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return fs::equivalent(a, b, none);
}

// The output is the input, a file of it, or a directory that holds it.
void check_places(const fs::path& in, const fs::path& out, const ConvertOptions& options) {
  std::error_code none;
  if (!fs::exists(fs::symlink_status(out, none))) return;
  if (is_same(in, out)) throw usage_error("the output is the input").in(printable(out.native()));
  if (fs::is_directory(in, none)) {
    for (const auto& entry : fs::directory_iterator(in, none)) {
      if (is_same(entry.path(), out)) throw usage_error("the output is a file of the input").in(printable(out.native()));
    }
  }
  for (fs::path above = fs::canonical(in, none); above.has_relative_path();) {
    above = above.parent_path();
    if (is_same(above, out)) throw usage_error("the output holds the input").in(printable(out.native()));
  }
  if (!options.force) {
    throw usage_error("the output exists; --force replaces it").in(printable(out.native()));
  }
}

// ---- the identity of the work: for the journal ----

// All that decides the target's bytes: the plan, and the size and time of each file of the source.
std::string identity_of(const fs::path& in, const Plan& plan, const ConvertOptions& options) {
  Sha256 hash;
  const auto add = [&hash](std::string_view text) { hash.add_text(text); };
  std::vector<fs::path> files;
  if (fs::is_directory(in)) {
    for (const auto& entry : fs::directory_iterator(in)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(in);
  }
  for (const fs::path& file : files) {
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0) continue;
    add(fmt::format("{} {} {}.{}", file.native(), status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec));
  }
  for (const PlannedTensor& tensor : plan.tensors) {
    add(fmt::format("{} {} {} {}", tensor.source->name, tensor.source->file, tensor.source->offset, tensor.name));
    add(fmt::format("{} {} {}", dtype::name_of(tensor.source->dtype), dtype::name_of(tensor.to), tensor.head));
    add({reinterpret_cast<const char*>(tensor.importance.data()), tensor.importance.size() * sizeof(float)});
  }
  for (const PlannedFile& file : plan.files) {
    add(file.name);
    for (const Piece& piece : file.pieces) {
      add(piece.tensor          ? fmt::format("tensor {}", *piece.tensor)
          : piece.crc_of_tensor ? fmt::format("CRC {}", *piece.crc_of_tensor)
                                : piece.text);
    }
  }
  add(options.allow_nan ? "nan" : "");
  return nlohmann::json({{"kinglet", "convert"}, {"version", 1}, {"work", hash.finish()}}).dump();
}

// ---- writing ----

// Carries a plan out. Positions count the bytes of all files; what lies before `out.done()` is there.
class Writing {
 public:
  Writing(const io::ModelFile& model, const Plan& plan, const ConvertOptions& options,
          const ConvertWatch& watch, PartialOutput& out)
      : model_(model), plan_(plan), options_(options), watch_(watch), out_(out),
        team_(options.threads > 0 ? options.threads : default_threads()),
        synced_(out.done()), crcs_(plan.tensors.size()) {}

  // False where it was interrupted.
  bool run() {
    for (const PlannedFile& file : plan_.files) {
      file_begin_ = position_;
      const std::uint64_t end = position_ + bytes_of(file);
      if (end <= out_.done() && end > position_) {
        position_ = end;
        continue;
      }
      out_.next_file(file.name, out_.done() > position_ ? out_.done() - position_ : 0);
      for (const Piece& piece : file.pieces) {
        if (!write(piece)) return false;
      }
    }
    out_.finish();
    if (position_ > synced_) out_.checkpoint(position_);
    return true;
  }

 private:
  std::uint64_t bytes_of(const PlannedFile& file) const {
    std::uint64_t size = 0;
    for (const Piece& piece : file.pieces) size += size_of(plan_, piece);
    return size;
  }

  bool write(const Piece& piece) {
    if (piece.tensor) return write_tensor(*piece.tensor, piece.crc_before);
    return write_text(piece.crc_of_tensor ? io::crc_bytes(crcs_[*piece.crc_of_tensor]) : piece.text);
  }

  bool is_there(std::uint64_t bytes) {
    if (position_ + bytes > out_.done()) return false;
    position_ += bytes;
    return true;
  }

  bool write_text(const std::string& text) {
    return is_there(text.size()) || put(std::as_bytes(std::span(text)));
  }

  bool write_tensor(std::size_t index, std::optional<std::uint32_t> crc) {
    const PlannedTensor& tensor = plan_.tensors[index];
    if (crc) crcs_[index] = *crc;
    if (tensor.bytes == 0) return true;
    RowConverter rows(*model_.tensors, tensor, options_.allow_nan, team_);
    for (std::uint64_t row = 0; row < rows.rows(); row += rows.at_once()) {
      const std::uint64_t count = std::min(rows.at_once(), rows.rows() - row);
      const std::uint64_t begin = position_ - file_begin_;
      if (is_there(count * rows.target_bytes())) {
        if (crc) crcs_[index] = io::crc32_of(out_.read_back(begin, count * rows.target_bytes()), crcs_[index]);
        continue;
      }
      const auto bytes = rows.convert(row, count);
      if (crc) crcs_[index] = io::crc32_of(bytes, crcs_[index]);
      if (!put(bytes)) return false;
    }
    return true;
  }

  bool put(std::span<const std::byte> bytes) {
    out_.write(bytes);
    position_ += bytes.size();
    if (watch_.on_progress) watch_.on_progress(position_, plan_.bytes);
    const bool stops = watch_.is_interrupted && watch_.is_interrupted();
    if (stops || position_ - synced_ >= kCheckpointBytes) {
      out_.checkpoint(position_);
      synced_ = position_;
    }
    return !stops;
  }

  const io::ModelFile& model_;
  const Plan& plan_;
  const ConvertOptions& options_;
  const ConvertWatch& watch_;
  PartialOutput& out_;
  Team team_;
  std::uint64_t position_ = 0, synced_ = 0, file_begin_ = 0;
  std::vector<std::uint32_t> crcs_;  // of tensors, where they are wanted
};

// A file beside the target that is there and says something else is another model's, and would be read as its own.
void check_beside(const fs::path& target, const Plan& plan, const ConvertOptions& options) {
  for (const FileBeside& file : plan.beside) {
    const fs::path path = target.parent_path() / file.name;
    std::error_code none;
    if (!fs::exists(fs::symlink_status(path, none))) continue;
    if (file.text.empty()) throw usage_error("would be read as the output's, which has none").in(printable(path.native()));
    if (options.force || File::open(path).read_all(kLongestBeside) == file.text) continue;
    throw usage_error("another model's lies beside the output; --force replaces it").in(printable(path.native()));
  }
}

void write_beside(const fs::path& target, const Plan& plan) {
  for (const FileBeside& file : plan.beside) {
    if (file.text.empty()) continue;
    OutputFile out(target.parent_path() / file.name);
    out.write(file.text);
    out.commit();
  }
}

// "model/" is "model"; what a link stands for is written, not the link.
fs::path place_of(const fs::path& out) {
  const fs::path path = out.has_filename() ? out : out.parent_path();
  std::error_code none;
  const fs::path target = fs::is_symlink(path, none) ? fs::canonical(path, none) : path;
  return none ? path : target;
}

}  // namespace

Outcome dry_run(const fs::path& in, const fs::path& out, const ConvertOptions& options, const ConvertWatch& watch) {
  const io::ModelFile model = io::open_model_file(in);
  const Target kind = target_of(place_of(out), options.to);
  const auto chosen = choose_types(model, kind, options, watch);
  if (!chosen) return Outcome::kInterrupted;
  const Plan plan = make_plan(model, kind, options, &*chosen);
  if (watch.on_plan) watch.on_plan(plan);
  return Outcome::kDone;
}

Converted convert(const fs::path& in, const fs::path& out, const ConvertOptions& options,
                  const ConvertWatch& watch) {
  const fs::path target = place_of(out);
  const Target kind = target_of(target, options.to);
  check_places(in, target, options);
  const io::ModelFile model = io::open_model_file(in);
  Converted converted;
  const auto chosen = choose_types(model, kind, options, watch);
  if (!chosen) {
    converted.outcome = Outcome::kInterrupted;
    return converted;
  }
  const Plan plan = make_plan(model, kind, options, &*chosen);
  const bool is_directory = kind == Target::kDirectory;
  std::error_code none;
  const bool fits = is_directory ? fs::is_directory(target, none) : fs::is_regular_file(target, none);
  if (fs::exists(target, none) && !fits) {
    throw usage_error(is_directory ? "the output exists and is no directory" : "the output exists and is no regular file")
        .in(printable(target.native()));
  }
  check_beside(target, plan, options);
  if (watch.on_plan) watch.on_plan(plan);

  PartialOutput partial({target, is_directory}, identity_of(in, plan, options),
                        options.resume ? Start::kResumed : Start::kAnew);
  converted.tensors = plan.tensors.size();
  converted.bytes = plan.bytes;
  if (!Writing(model, plan, options, watch, partial).run()) {
    partial.keep();
    converted.outcome = Outcome::kInterrupted;
    converted.kept = partial.path();
    return converted;
  }
  if (options.verify) {
    const std::size_t threads = options.threads > 0 ? options.threads : default_threads();
    converted.verification = verify(model, plan, partial.path(), threads);
    if (!converted.verification->problems.empty()) {
      converted.outcome = Outcome::kFailed;
      converted.kept = partial.set_aside();
      return converted;
    }
  }
  if (is_directory && options.verify) {
    partial.next_file("manifest.json", 0);
    const std::string text = manifest_of(model, plan, options, *converted.verification);
    partial.write(std::as_bytes(std::span(text)));
  }
  write_beside(target, plan);
  partial.publish();
  if (!is_directory) {
    const fs::path beside = manifest_beside(target);
    if (options.verify) write_manifest(beside, manifest_of(model, plan, options, *converted.verification));
    else fs::remove(beside, none);  // of what was there before
  }
  return converted;
}

}  // namespace kinglet
