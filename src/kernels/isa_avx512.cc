// The kernels of level avx512. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_avx512;
const Table k_avx512 = make_table<Avx512>();

}  // namespace kinglet::kernels
