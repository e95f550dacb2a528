// Fuzz target: a NumPy archive.

#include "io/npz.h"

#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  return fuzz::read_all([=] { return io::open_npz(fuzz::file_of(data, size)); });
}
