#pragma once

// The two parts of a verification that take the files as models (verify.h).

#include "convert/verify.h"

namespace kinglet {

// The texts of the tokens, where both files have tokenizers, and how both cut a text.
void compare_tokens(const io::ModelFile& source, const io::ModelFile& target, Verification& result);

// The logits on a built-in text, up to position 511 or the model's last. A source that kinglet cannot
// run is a note.
void compare_logits(const io::ModelFile& source, const io::ModelFile& target, const Plan& plan,
                    std::size_t threads, Verification& result);

}  // namespace kinglet
