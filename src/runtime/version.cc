#include "kinglet/version.h"

#include "base/cpu.h"
#include "kernels/dispatch.h"

namespace kinglet {

std::string version() { return KINGLET_VERSION; }

std::vector<std::string> isa_levels() {
  const auto names = kernels::built_in();
  return {names.begin(), names.end()};
}

std::string isa_in_use() { return kernels::active().isa; }

std::size_t default_threads() { return usable_cores(); }

}  // namespace kinglet
