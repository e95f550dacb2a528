// The kernels of level scalar. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_scalar;
const Table k_scalar = make_table<Scalar>();

}  // namespace kinglet::kernels
