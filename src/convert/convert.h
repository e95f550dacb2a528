#pragma once

// One model file into another. A plan is made first (plan.h), then carried out into OUT.partial
// (partial.h), which takes OUT's place when it is whole.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/budget.h"
#include "convert/plan.h"
#include "convert/verify.h"
#include "kinglet/error.h"

namespace kinglet {

struct ConvertOptions {
  std::string to;      // "gguf" or "safetensors"; empty: by OUT's name
  std::string dtype;   // of the matrices; empty: the source's, f32 where the target cannot hold it
  std::vector<std::string> tensor_dtypes;  // "REGEX=TYPE", the first that fits a tensor's name counts
  std::filesystem::path imatrix;  // an importance matrix (imatrix.h), or empty
  bool sensitivity = false;       // measures which matrices matter (sensitivity.h)
  std::uint64_t target_bytes = 0;  // of the output, at most, with types chosen so that it is as near to the source as
  double target_bpw = 0;           // can be; or bits for each of its weights. 0: `dtype` says
  bool force = false;          // an output that is there is replaced
  bool resume = false;         // goes on from what a broken run left
  bool allow_unknown = false;  // tensors that kinglet does not know are copied as they are
  bool verify = true;          // the written file is read back and compared before it takes OUT's place
  bool allow_nan = false;      // weights may be NaN or infinite
  std::size_t threads = 0;     // 0: all that the process may use
};

// All optional.
struct ConvertWatch {
  std::function<void(std::uint64_t done, std::uint64_t of)> on_measure;  // passes through blocks
  // `chosen` is empty where no size is asked for.
  std::function<void(std::span<const Sensitivity> matrices, const ChosenTypes& chosen)> on_sensitivity;
  std::function<void(const Plan& plan)> on_plan;
  std::function<void(std::uint64_t done, std::uint64_t of)> on_progress;  // bytes of the target
  std::function<bool()> is_interrupted;  // asked between pieces of a tensor; true: the partial output stays
};

enum class Outcome { kDone, kInterrupted, kFailed };

struct Converted {
  Outcome outcome = Outcome::kDone;
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;
  std::optional<Verification> verification;
  std::filesystem::path kept;  // kFailed: where the output is that failed. kInterrupted: what a resumed run goes on
                               // from, empty where nothing was written yet
};

// Errors: kUsage (the output exists, is the input or holds it; a type); kRefused (the source);
// kRuntime (I/O). A verified output brings a manifest: OUT.manifest.json, or manifest.json in a
// directory. One that failed is kept as OUT.failed. After that or an error the target is what it was; a partial output is removed.
Converted convert(const std::filesystem::path& in, const std::filesystem::path& out,
                  const ConvertOptions& options, const ConvertWatch& watch = {});

// What comes before the writing alone: what is measured, and the plan. kDone or kInterrupted.
Outcome dry_run(const std::filesystem::path& in, const std::filesystem::path& out, const ConvertOptions& options,
                const ConvertWatch& watch);

}  // namespace kinglet
