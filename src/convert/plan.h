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

enum class Target { kGguf, kDirectory, kLlama2c, kJson, kNpz };

// `to` names one ("gguf", "safetensors", "llama2.c", "json", "npz"); empty: by the ending of `out`, a directory where
// it says nothing. Errors: kUsage.
Target target_of(const std::filesystem::path& out, const std::string& to);

// Whether weights can have this type there.
bool holds(Target target, DType dtype);

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

// Bytes that are known, a tensor's, or four bytes that are the CRC-32 of a tensor's.
struct Piece {
  std::string text = {};
  std::optional<std::size_t> tensor = {};        // of Plan::tensors
  std::optional<std::uint32_t> crc_before = {};  // with `tensor`: its CRC is wanted, and goes on from this one
  std::optional<std::size_t> crc_of_tensor = {};
};

// A small file that stands beside a target that is one file; without text: none may stand there, for it would be
// read as the target's.
struct FileBeside {
  std::string name, text;
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
  std::vector<FileBeside> beside;
  std::vector<std::string> warnings;
  std::uint64_t bytes = 0;  // of all files
};

std::uint64_t size_of(const Plan& plan, const Piece& piece);

struct ConvertOptions;
using ChosenTypes = std::map<std::string, DType, std::less<>>;  // by kinglet's names of matrices

// `chosen`: types that come before --dtype; may be null. Errors: kUsage (a type that cannot be written there); kRefused
// (tensors that kinglet does not know, named; what the target cannot say).
Plan make_plan(const io::ModelFile& model, Target target, const ConvertOptions& options,
               const ChosenTypes* chosen = nullptr);

}  // namespace kinglet
