#pragma once

// From a file's rows to panels, and single rows back out of them (embeddings are gathered from the
// panels that the head multiplies with, so tied weights are held once).

#include <cstddef>

#include "tensor/dtype.h"

namespace kinglet::dtype {

// Bytes of one panel: 16 rows of `k` values.
std::size_t panel_bytes(DType dtype, std::size_t k);

// Packs `rows` (1 to 16) rows of `k` values, each row_bytes(dtype, k) after the one before, into
// `panel`; the other rows of the panel become zeros.
void pack_panel(DType dtype, const std::byte* row_data, std::size_t rows, std::size_t k,
                std::byte* panel);

// Row `row` (0 to 15) of a panel as floats: the same values that unpack() gives for the file's row.
void unpack_panel_row(DType dtype, const std::byte* panel, std::size_t row, std::size_t k,
                      float* out);

}  // namespace kinglet::dtype
