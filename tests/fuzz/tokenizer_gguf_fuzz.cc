// Fuzz target: the vocabulary of a GGUF file, then some text through it. The header is read as the
// command reads it, so lists and keys are those that a file can have.

#include "fuzz/reading.h"
#include "fuzz/tokenizing.h"
#include "io/gguf_model.h"
#include "runtime/open_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  return fuzz::open_and_use(
      [=] {
        auto tokenizer = open_tokenizer(io::open_gguf(fuzz::file_of(data, size)));
        if (!tokenizer) throw refused("no vocabulary");
        return *std::move(tokenizer);
      },
      fuzz::text_of(data, size).substr(0, 600));
}
