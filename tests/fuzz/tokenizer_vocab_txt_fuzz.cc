// Fuzz target: a vocab.txt, then some text through it.

#include "fuzz/tokenizing.h"
#include "tokenizer/factories.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kinglet;
  const std::string_view text = fuzz::text_of(data, size);
  return fuzz::open_and_use([=] { return from_vocab_txt("vocab.txt", text); }, text.substr(0, 200));
}
