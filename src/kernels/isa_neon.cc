// The kernels of level neon. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_neon;
const Table k_neon = make_table<Neon>();

}  // namespace kinglet::kernels
