#pragma once

// What this process may use of the machine.

#include <cstddef>
#include <string>

namespace kinglet {

// Physical cores that the process may run on: the affinity mask, hardware threads of one core
// counted once, capped by the cgroup's CPU quota (v2 cpu.max, v1 cpu.cfs_quota_us). At least 1.
std::size_t usable_cores();

// What the processor calls itself: "AMD EPYC 9454". "unknown" where the system does not say.
std::string cpu_model();

// Bytes of the last-level cache that the first processor sees; 0 where the system does not say.
std::size_t last_level_cache_bytes();

// The most memory that this process has held since the last reset, as the system counts it; 0 where
// it does not. The reset does nothing where the system has none: the peak is then the process's.
std::size_t peak_memory_bytes();
void reset_peak_memory();

}  // namespace kinglet
