// The kernels of level avx2. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_avx2;
const Table k_avx2 = make_table<Avx2>();

}  // namespace kinglet::kernels
