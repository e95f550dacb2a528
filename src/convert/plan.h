#pragma once

// What a conversion will do, before it does it: every tensor of the source with what becomes of it,
// and the files of the target as runs of bytes in order. Nothing is written that a plan does not say.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/open.h"
#include "tensor/dtype.h"

namespace kinglet {

enum class Target { kGguf, kDirectory };

// `to` names one ("gguf", "safetensors"); empty: by the ending of `out`, a directory where it says
// nothing. Errors: kUsage.
Target target_of(const std::filesystem::path& out, const std::string& to);

const char* type_name(DType dtype);  // "q4_0"

struct PlannedTensor {
  const TensorInfo* source = nullptr;  // of the ModelFile, which outlives the plan
  std::string name;                    // in the target
  DType to = DType::kF32;
  std::uint64_t bytes = 0;             // in the target
  std::uint64_t head = 0;              // rows of a head that the target interleaves, else 0
  std::vector<float> importance;       // of each value of a row; may be empty
  std::string note;                    // why it has another type than was asked for; may be empty
};

struct LeftOut {
  std::string name, reason;
};

// Bytes that are known, or a tensor's.
struct Piece {
  std::string text;
  std::optional<std::size_t> tensor;  // of Plan::tensors
};

struct PlannedFile {
  std::string name;  // in the target's directory; empty where the target is a file
  std::vector<Piece> pieces;
};

struct Plan {
  Target target = Target::kDirectory;
  std::vector<PlannedTensor> tensors;
  std::vector<LeftOut> left_out;
  std::vector<PlannedFile> files;
  std::vector<std::string> warnings;
  std::uint64_t bytes = 0;  // of all files
};

struct ConvertOptions;
using ChosenTypes = std::map<std::string, DType, std::less<>>;  // by kinglet's names of matrices

// `chosen`: types that come before --dtype; may be null. Errors: kUsage (a type that cannot be written there); kRefused
// (tensors that kinglet does not know, named; what the target cannot say).
Plan make_plan(const io::ModelFile& model, Target target, const ConvertOptions& options,
               const ChosenTypes* chosen = nullptr);

}  // namespace kinglet
