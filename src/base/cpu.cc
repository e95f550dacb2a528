#include "base/cpu.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <utility>

namespace kinglet {
namespace {

// The first `values` numbers of a small system file into out; false where it has none ("max").
bool read_number(const std::string& path, double& value) {
  std::ifstream file(path);
  return static_cast<bool>(file >> value);
}

// CPUs' worth of time that the cgroup grants; infinity where there is no limit.
double cgroup_quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (v2 >> quota >> period && quota > 0 && period > 0) return quota / period;
  if (read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota) &&
      read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period) && quota > 0 && period > 0) {
    return quota / period;
  }
  return INFINITY;
}

std::size_t physical_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return 1;
  std::set<std::pair<int, int>> cores;  // (package, core)
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    double package = 0, core = 0;
    const bool known = read_number(folder + "physical_package_id", package) &&
                       read_number(folder + "core_id", core);
    cores.insert(known ? std::pair(static_cast<int>(package), static_cast<int>(core))
                       : std::pair(-1, cpu));
  }
  return std::max<std::size_t>(1, cores.size());
}

}  // namespace

std::size_t usable_cores() {
  const double quota = std::max(1.0, std::ceil(cgroup_quota()));
  const std::size_t cores = physical_cores();
  return quota < static_cast<double>(cores) ? static_cast<std::size_t>(quota) : cores;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::size_t last_level_cache_bytes() {
  double kib = 0;  // "32768K"
  for (int index = 0; index < 8; ++index) {
    read_number(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index), kib);
  }
  if (kib > 0) return static_cast<std::size_t>(kib) << 10;
  return static_cast<std::size_t>(std::max(0L, ::sysconf(_SC_LEVEL3_CACHE_SIZE)));
}

std::size_t peak_memory_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) << 10;
  }
  return 0;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace kinglet
