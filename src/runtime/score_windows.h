#pragma once

// The windows of a text that is scored: which tokens each evaluates, and which of them it scores
// (include/kinglet/score.h says how the two protocols differ).

#include <cstddef>
#include <span>
#include <vector>

#include "kinglet/score.h"

namespace kinglet {

struct ScoreWindow {
  std::size_t begin = 0, end = 0;  // tokens of the text
  std::size_t scored = 0;          // the first that is scored, and all after it; > begin
};

// `context`: the model's. Errors (kUsage): too short a text, a window or stride that cannot be.
std::vector<ScoreWindow> score_windows(std::size_t tokens, std::size_t context, const ScoreOptions& options);

// A part of a window that goes through the model in one pass.
struct ScorePiece {
  bool starts_window = false;
  std::vector<TokenId> tokens;
  std::vector<std::size_t> wanted;  // rows whose next token is scored
  std::size_t next = 0;             // index in the text of the token after the piece's first
};

// Passes of at most `chunk` rows. `bos`: takes the place of each window's first token, or -1.
ScorePiece piece_of(const ScoreWindow& window, std::span<const Token> text, std::size_t at,
                    std::size_t chunk, TokenId bos);

}  // namespace kinglet
