#pragma once

// Which number format each tensor of the target gets, from --dtype and --tensor-dtype.

#include <optional>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "convert/mixes.h"
#include "convert/plan.h"
#include "dtype/format.h"

namespace kinglet {

inline bool is_float(DType dtype) { return dtype <= DType::kBF16; }
inline bool is_weight(DType dtype) { return dtype::format_of(dtype).unpack != nullptr; }

class Types {
 public:
  // `layers`: of the model, for mixes. Errors: kUsage (an unknown type, or one that the target cannot
  // hold; no regular expression).
  Types(const ConvertOptions& options, Target target, std::size_t layers);
  Types(Types&&) noexcept;
  ~Types();

  // Fills in `to` and `note`; source and name are set.
  void choose(PlannedTensor& tensor) const;

 private:
  class Rule;
  DType asked_for(const PlannedTensor& tensor) const;

  Target target_;
  std::size_t layers_;
  const Mix* mix_ = nullptr;
  std::optional<DType> all_;
  std::vector<Rule> rules_;
};

}  // namespace kinglet
