#include "convert/probe_text.h"

#include <algorithm>

#include "runtime/open_tokenizer.h"

namespace kinglet {

std::vector<TokenId> probe_tokens(const io::ModelFile& model, std::size_t vocabulary, std::size_t count) {
  std::vector<TokenId> ids;
  if (const auto tokenizer = open_tokenizer(model)) {
    if (tokenizer->adds_bos() && tokenizer->bos_id()) ids.push_back(*tokenizer->bos_id());
    const std::vector<TokenId> text = tokenizer->encode(kProbeText);
    for (std::size_t i = 0; ids.size() < count && !text.empty(); ++i) ids.push_back(text[i % text.size()]);
  }
  for (std::size_t i = ids.size(); i < count; ++i) ids.push_back(static_cast<TokenId>(i * i * 7919 % vocabulary));
  ids.resize(count);
  for (TokenId& id : ids) id = std::clamp(id, TokenId{0}, static_cast<TokenId>(vocabulary - 1));
  return ids;
}

}  // namespace kinglet
