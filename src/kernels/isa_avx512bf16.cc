// The kernels of level avx512bf16. Its compile flags are in the list of CMakeLists.txt.

#include "kernels/make_table.h"

namespace kinglet::kernels {

extern const Table k_avx512bf16;
const Table k_avx512bf16 = make_table<Avx512Bf16>();

}  // namespace kinglet::kernels
