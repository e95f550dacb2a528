// The kernels of level sse2. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_sse2;
const Table k_sse2 = make_table<Sse2>();

}  // namespace kinglet::kernels
