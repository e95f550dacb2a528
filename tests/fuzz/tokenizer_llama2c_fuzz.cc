// Fuzz target: a tokenizer.bin and any other bare vocabulary, then some text through it.

#include "fuzz/tokenizing.h"
#include "tokenizer/factories.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::open_and_use([=] { return from_llama2c("tokenizer.bin", text); }, text.substr(0, 200));
  return fuzz::open_and_use([=] { return from_bare_file("vocabulary", text, 4); }, text.substr(0, 200));
}
