#pragma once

// Text from a model: one sequence or many, the same call. Sequences share each pass, and by the
// numerics contract each gets the tokens, and the bits, that it gets alone.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/model.h"
#include "kinglet/sampler.h"

namespace kinglet {

namespace nn {
class Recorder;
}

enum class CacheKind { kF16, kF32, kQ8_0 };

struct GenerateOptions {
  CacheKind cache = CacheKind::kF16;
  std::size_t context = 0;  // limit on prompt and text; 0: the model's own
  std::size_t threads = 0;  // 0: all that the process may use
  std::size_t chunk = 128;  // rows of a pass at most: changes speed and memory, never a bit
  std::size_t sequences = 8;  // run side by side at most
  bool digest = false;      // hash all logits
  // Speculation by prompt lookup: what followed earlier occurrences of the last tokens, at most so
  // many of them, is evaluated ahead. Changes speed and memory, never a bit. 0: off; 16 at most.
  std::size_t draft_ngram = 0;
};

struct Request {
  std::vector<TokenId> prompt;
  std::size_t tokens = 256;  // at most this many new ones; 0: only the prompt is evaluated
  SamplerOptions sampling;
  std::vector<std::string> stops;  // generation ends before the first of them
  bool ignore_end_ids = false;
};

enum class Finish { kLength, kEnd, kStop, kContext, kInterrupted };
std::string_view name_of(Finish finish);  // "length", "eos", "stop", "context", "interrupted"

struct Result {
  std::vector<TokenId> ids;  // the new tokens, without the one that ended the text
  std::string text;          // of the new tokens; empty where the model has no tokenizer
  Finish finish = Finish::kLength;
  std::string digest;        // "<numerics version>:<64 hex digits>", where asked for
  std::size_t positions = 0;  // evaluated, all of them hashed where asked for
  std::size_t drafted = 0, accepted = 0;  // tokens evaluated ahead, and those that turned out right
};

struct Timings {
  std::size_t prompt_tokens = 0, new_tokens = 0;
  std::size_t drafted = 0, accepted = 0;  // of all sequences
  double prefill_seconds = 0;      // passes that hold prompt rows
  double decode_seconds = 0;       // all other passes, sampling included
  double first_token_seconds = 0;  // from the call to the first token of any sequence
  std::size_t cache_bytes = 0, scratch_bytes = 0;
};

// What a run may look at and touch while it goes. All optional.
struct Watch {
  // New text (whole characters) or, without a tokenizer, none, of sequence `index`.
  std::function<void(std::size_t index, TokenId id, std::string_view text)> on_token;
  // Sequence `index` is over.
  std::function<void(std::size_t index, const Result& result)> on_result;
  // Asked between passes: true ends the run; what there is is returned, marked kInterrupted.
  std::function<bool()> is_interrupted;
  // The clock of `kinglet profile` (src/nn/recorder.h), with room for the threads of the run.
  nn::Recorder* recorder = nullptr;
};

struct Generated {
  std::vector<Result> results;  // one per request, in order
  Timings timings;
};

// Errors: kUsage (an empty prompt, one that does not fit the context, an id out of range, sampler
// options, draft_ngram), before any work; kRuntime (out of memory; logits that are not finite, naming position
// and layer).
Generated generate(const Model& model, const std::vector<Request>& requests,
                   const GenerateOptions& options = {}, const Watch& watch = {});

}  // namespace kinglet
