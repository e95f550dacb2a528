// The OpenMP back end of the team, and the only OpenMP pragmas of the project.

#include <omp.h>

#include "base/team.h"

namespace kinglet {

void Team::run_on_all(Call call, const void* context) {
  taken_ = 0;
  if (wanted_ == 1) {  // no need to wake OpenMP
    size_ = 1;
    const FloatingPointScope scope;
    call(context, Member(*this, 0));
    return;
  }
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
