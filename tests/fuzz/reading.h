#pragma once

// What the fuzz targets of the readers share: the input as a file, and reading all that was opened.
// A refusal is a good end; any other exception, and any other kind of Error, is a finding.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "io/open.h"
#include "kinglet/error.h"

namespace kinglet::fuzz {

inline File file_of(const std::uint8_t* data, std::size_t size) {
  return File::memory("input", std::as_bytes(std::span(data, size)));
}

template <class Open>
int read_all(const Open& open) {
  try {
    const io::ModelFile model = open();
    for (const TensorInfo& tensor : model.tensors->tensors()) {
      std::vector<std::byte> bytes(tensor.nbytes);  // never more than the input has, times 4 (llama2.c v2)
      model.tensors->read_rows(tensor, 0, bytes);
      if (model.tensors->find(tensor.name) != &tensor) std::abort();
    }
  } catch (const Error& error) {
    if (error.fault() != Fault::kRefused) std::abort();
    for (const char* c = error.what(); *c != '\0'; ++c) {
      if (static_cast<unsigned char>(*c) < 0x20) std::abort();  // one printable line
    }
  }
  return 0;
}

}  // namespace kinglet::fuzz
