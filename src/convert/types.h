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
  // `layers`: of the model, for mixes. `chosen` (may be null, outlives it): types that come before --dtype. Errors:
  // kUsage (an unknown type, or one that the target cannot hold; no regular expression).
  Types(const ConvertOptions& options, Target target, std::size_t layers, const ChosenTypes* chosen);
  Types(Types&&) noexcept;
  ~Types();

  // Fills in `to` and `note`; source and name are set.
  void choose(PlannedTensor& tensor) const;

  // Whether --tensor-dtype gives its type.
  bool has_rule(const PlannedTensor& tensor) const { return rule_for(tensor) != nullptr; }

 private:
  class Rule;
  const Rule* rule_for(const PlannedTensor& tensor) const;
  DType asked_for(const PlannedTensor& tensor) const;

  Target target_;
  std::size_t layers_;
  const ChosenTypes* chosen_;
  const Mix* mix_ = nullptr;
  std::optional<DType> all_;
  std::vector<Rule> rules_;
};

}  // namespace kinglet
