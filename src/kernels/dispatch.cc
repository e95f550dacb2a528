#include "kernels/dispatch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet::kernels {

extern const Table k_scalar;
#if defined(__x86_64__)
extern const Table k_sse2, k_avx2, k_avx512, k_avx512vnni, k_avx512bf16;
#elif defined(__aarch64__)
extern const Table k_neon, k_neondot;
#endif

namespace {

struct Level {
  std::string_view name;
  const Table* table;
  bool (*runs_here)();
};

bool always() { return true; }

#if defined(__x86_64__)
// Clang 16 does not know this one by name.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
// The compiler's own test also asks whether the operating system saves the wide registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd");
}
bool has_avx512vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_avx512bf16() { return has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }
#elif defined(__aarch64__)
bool has_neondot() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
#endif

// Best first.
constexpr Level kLevels[] = {
#if defined(__x86_64__)
    {"avx512bf16", &k_avx512bf16, has_avx512bf16},
    {"avx512vnni", &k_avx512vnni, has_avx512vnni},
    {"avx512", &k_avx512, has_avx512},
    {"avx2", &k_avx2, has_avx2},
    {"sse2", &k_sse2, always},
#elif defined(__aarch64__)
    {"neondot", &k_neondot, has_neondot},
    {"neon", &k_neon, always},
#endif
    {"scalar", &k_scalar, always},
};

std::vector<const Table*> find_available() {
  std::vector<const Table*> tables;
  for (const Level& level : kLevels) {
    if (level.runs_here()) tables.push_back(level.table);
  }
  return tables;
}

const Table& choose() {
  const char* forced = std::getenv("KINGLET_ISA");
  if (forced == nullptr || *forced == '\0') return *available().front();
  for (const Level& level : kLevels) {
    if (level.name != forced) continue;
    if (level.runs_here()) return *level.table;
    throw usage_error("this processor does not have the forced instruction set")
        .at("KINGLET_ISA")
        .found(quoted(forced));
  }
  throw usage_error("unknown instruction set")
      .at("KINGLET_ISA")
      .found(quoted(forced))
      .allowed(fmt::format("{}", fmt::join(built_in(), ", ")));
}

}  // namespace

std::span<const Table* const> available() {
  static const std::vector<const Table*> tables = find_available();
  return tables;
}

std::span<const std::string_view> built_in() {
  static constexpr auto names = [] {
    std::array<std::string_view, std::size(kLevels)> list;
    for (std::size_t i = 0; i < list.size(); ++i) list[i] = kLevels[i].name;
    return list;
  }();
  return names;
}

const Table& active() {
  static const Table& table = choose();
  return table;
}

}  // namespace kinglet::kernels
