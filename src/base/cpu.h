#pragma once

// What this process may use of the machine.

#include <cstddef>

namespace kinglet {

// Physical cores that the process may run on: the affinity mask, hardware threads of one core
// counted once, capped by the cgroup's CPU quota (v2 cpu.max, v1 cpu.cfs_quota_us). At least 1.
std::size_t usable_cores();

}  // namespace kinglet
