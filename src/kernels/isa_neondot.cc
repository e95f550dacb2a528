// The kernels of level neondot. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_neondot;
const Table k_neondot = make_table<NeonDot>();

}  // namespace kinglet::kernels
