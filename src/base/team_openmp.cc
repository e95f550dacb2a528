// The OpenMP back end of the team, and the only OpenMP pragmas of the project.

#include <omp.h>

#include "base/team.h"

namespace kinglet {

void Team::run_on_all(Call call, const void* context) {
#pragma omp parallel num_threads(static_cast<int>(wanted_))
  {
    // OpenMP may grant fewer threads than asked; the barrier counts those that are here.
#pragma omp single
    size_ = static_cast<std::size_t>(omp_get_num_threads());
    const FloatingPointScope scope;
    call(context, Member(*this, static_cast<std::size_t>(omp_get_thread_num())));
  }
}

}  // namespace kinglet
