#pragma once

// What `kinglet score` prints.

#include <string>
#include <vector>

#include "kinglet/model.h"
#include "kinglet/score.h"

namespace kinglet::cli {

// The text that was scored, and its tokens.
struct ScoredText {
  std::string text;
  std::vector<Token> tokens;

  std::string bytes_of(std::size_t index) const;  // of one token
};

// A line of --tokens: JSON.
std::string token_line(const ScoredText& text, const TokenScore& token);

struct ScoreReport {
  std::string model, protocol;
  bool json = false;
  int indent = 2;  // of JSON; -1: all on one line
};
// Text, or one JSON document.
std::string report_of(const Score& score, const ScoreReport& report);
std::string report_of(const Divergence& divergence, const ScoredText& text, const Model& model,
                      const ScoreReport& report);

// --logits: softmax and, where a target is given, cross-entropy of rows of logits, in double.
// Errors: kUsage, a target that is none of the columns; what vectors_given() throws.
void print_logits(const std::string& logits, const std::string& target, bool json);

}  // namespace kinglet::cli
