// The kernels of level avx512vnni. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_avx512vnni;
const Table k_avx512vnni = make_table<Avx512Vnni>();

}  // namespace kinglet::kernels
