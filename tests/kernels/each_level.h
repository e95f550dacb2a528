#pragma once

// A test fixture that runs once for every instruction-set level that this processor has.

#include <gtest/gtest.h>

#include <string>

#include "kernels/dispatch.h"

namespace kinglet::test {

class EachLevel : public ::testing::TestWithParam<const kernels::Table*> {
 protected:
  const kernels::Table& kernels() const { return *GetParam(); }
};

// The table of plain loops: the readable definition.
inline const kernels::Table& scalar_table() { return *kernels::available().back(); }

inline std::string level_name(const ::testing::TestParamInfo<const kernels::Table*>& info) {
  return info.param->isa;
}
inline auto all_levels() {
  const auto tables = kernels::available();
  return ::testing::ValuesIn(tables.begin(), tables.end());
}

}  // namespace kinglet::test
