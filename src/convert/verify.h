#pragma once

// Is what was written what was read? The written file is opened as any model is, and compared with
// the source: each tensor's values, the tokens' texts, and the logits of both models.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "convert/plan.h"

namespace kinglet {

// How far a type may be from its source. Errors of tensors are root mean squares, relative to the
// source's; divergences are means of KL(source || target) in nats.
struct Limits {
  double relative = 0;
  double mean_kl = 0;
  double same_best = 0;  // share of the positions at which both expect the same token most
};
Limits limits_of(DType dtype);

struct VerifiedTensor {
  std::string name;         // kinglet's
  DType from = DType::kF32, to = DType::kF32;
  double relative = 0;      // error, root mean square
  double worst = 0;         // largest error of one value
  double cosine = 1;
  std::string sha256;       // of the target's values as they lie, rows in kinglet's order
  std::string problem;      // empty: within the limits
};

struct VerifiedLogits {
  double mean_kl = 0, worst_kl = 0;
  std::size_t same_best = 0, positions = 0;
};

struct Verification {
  std::vector<VerifiedTensor> tensors;
  std::optional<VerifiedLogits> logits;
  std::vector<std::string> notes;     // what could not be compared, and why
  std::vector<std::string> problems;  // one line each; empty: verified

  const VerifiedTensor* worst() const;  // by relative error; nullptr where there is none
};

// `plan` made the target out of `model`. Both are gone through piece by piece: one block of a model and
// the head are in memory at a time. Errors: kRuntime. What is wrong with the
// target is no error but a problem.
Verification verify(const io::ModelFile& model, const Plan& plan, const std::filesystem::path& target,
                    std::size_t threads);

}  // namespace kinglet
