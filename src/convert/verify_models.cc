#include "convert/verify_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arch/registry.h"
#include "base/finite.h"
#include "base/text.h"
#include "convert/probe_text.h"
#include "dtype/format.h"
#include "kinglet/error.h"
#include "runtime/distribution.h"
#include "runtime/open_tokenizer.h"
#include "runtime/streamed_model.h"

namespace kinglet {
namespace {

constexpr std::size_t kPositions = 512;
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// llama2.c's vocabularies have spaces where SentencePiece's have marks.
std::string spelling(std::string_view piece) {
  std::string text;
  for (const char c : piece) text += c == ' ' ? std::string(kSpaceMark) : std::string(1, c);
  return text;
}

// The loosest of the types of either side, where the target is no copy: a matrix of blocks is multiplied
// by activations rounded to eight bits, so that its exact values in f32 give other logits.
Limits limits_for(const Plan& plan) {
  Limits limits = limits_of(DType::kF32);
  const auto loosen = [&](const Limits& other) {
    limits.mean_kl = std::max(limits.mean_kl, other.mean_kl);
    limits.same_best = std::min(limits.same_best, other.same_best);
  };
  for (const PlannedTensor& tensor : plan.tensors) {
    const DType from = tensor.source->dtype;
    if (tensor.to == from || dtype::format_of(tensor.to).unpack == nullptr) continue;
    loosen(limits_of(tensor.to));
    if (from > DType::kBF16) loosen(limits_of(DType::kQ8_0));
  }
  return limits;
}

using Hidden = std::vector<float>;

Rows rows_of(Hidden& hidden, std::size_t width) { return {hidden.data(), hidden.size() / width, width, width}; }

// After the last block.
Hidden through_blocks(StreamedModel& model, std::span<const TokenId> tokens) {
  Hidden hidden = model.embed(tokens);
  for (std::size_t layer = 0; layer < model.shape().layers; ++layer) {
    model.load_block(layer);
    model.forward(rows_of(hidden, model.shape().width));
  }
  return hidden;
}

// The logits of both models side by side.
class LogitComparison {
 public:
  LogitComparison(StreamedModel& source, StreamedModel& target) : source_(source), target_(target) {}

  // Of what both have after the last block.
  void run(ConstRows p, ConstRows q) {
    source_.load_head();
    target_.load_head();
    for (std::size_t first = 0; first < p.count; first += StreamedModel::kLogitRows) {
      const std::size_t count = std::min(StreamedModel::kLogitRows, p.count - first);
      compare(source_.logits(p.range(first, count)), target_.logits(q.range(first, count)));
    }
    result_.mean_kl /= static_cast<double>(std::max<std::size_t>(1, result_.positions));
  }

  const VerifiedLogits& result() const { return result_; }
  bool source_is_finite() const { return source_is_finite_; }
  bool target_is_finite() const { return target_is_finite_; }

 private:
  void compare(ConstRows expected, ConstRows found) {
    scratch_.resize(expected.width);
    for (std::size_t i = 0; i < expected.count; ++i) {
      source_is_finite_ = source_is_finite_ && all_finite(expected.span(i));
      target_is_finite_ = target_is_finite_ && all_finite(found.span(i));
      if (!source_is_finite_ || !target_is_finite_) return;
      const Distribution p(expected.span(i)), q(found.span(i));
      const double kl = kl_divergence(p, q, scratch_);
      result_.mean_kl += kl;
      result_.worst_kl = std::max(result_.worst_kl, kl);
      result_.same_best += p.best() == q.best();
      ++result_.positions;
    }
  }

  StreamedModel& source_;
  StreamedModel& target_;
  VerifiedLogits result_;
  bool source_is_finite_ = true, target_is_finite_ = true;
  std::vector<float> scratch_;
};

void judge(const VerifiedLogits& logits, const Limits& limits, Verification& result) {
  if (!(logits.mean_kl <= limits.mean_kl)) {
    result.problems.push_back(fmt::format("logits: mean KL {:.3g}, at most {:g} for these types", logits.mean_kl, limits.mean_kl));
  }
  if (static_cast<double>(logits.same_best) < limits.same_best * static_cast<double>(logits.positions)) {
    result.problems.push_back(fmt::format("logits: the same best token at {} of {} positions, at least {:g} of them for these types",
                                          logits.same_best, logits.positions, limits.same_best));
  }
}

}  // namespace

void compare_tokens(const io::ModelFile& source, const io::ModelFile& target, Verification& result) {
  const auto from = open_tokenizer(source), to = open_tokenizer(target);
  if (!from || !to) {
    result.notes.push_back(fmt::format("tokens were not compared: the {} has no tokenizer", from ? "target" : "source"));
    return;
  }
  for (std::size_t i = 0; i < std::min(from->size(), to->size()); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (from->is_special(id) || to->is_special(id) || from->piece(id).empty()) continue;
    if (spelling(from->piece(id)) == spelling(to->piece(id))) continue;
    result.problems.push_back(fmt::format("token {} is {} in the source and {} in the target", i,
                                          kinglet::quoted(from->piece(id)), kinglet::quoted(to->piece(id))));
    return;
  }
  constexpr EncodeOptions kWhole = {SpecialTokens::kAsText, Affixes::kAdded};
  if (from->encode(kProbeText, kWhole) != to->encode(kProbeText, kWhole)) {
    result.problems.emplace_back("the target's tokenizer cuts text differently");
  }
}

void compare_logits(const io::ModelFile& source, const io::ModelFile& target, const Plan& plan,
                    std::size_t threads, Verification& result) {
  std::optional<StreamedModel> from;
  std::vector<TokenId> tokens;
  Hidden expected;
  try {
    const std::size_t count = std::min(arch::shape_of(source.config).context, kPositions);
    from.emplace(source.config, *source.tensors, threads, count);
    tokens = probe_tokens(source, from->shape().vocabulary, count);
    if (tokens.empty()) return;
    expected = through_blocks(*from, tokens);
  } catch (const Error& error) {
    if (error.fault() != Fault::kRefused) throw;
    result.notes.push_back(fmt::format("logits were not compared: {}", error.what()));
    return;
  }
  try {
    StreamedModel to(target.config, *target.tensors, threads, tokens.size());
    if (to.shape().vocabulary != from->shape().vocabulary) {
      result.problems.push_back(fmt::format("the target has a vocabulary of {}, the source of {}",
                                            to.shape().vocabulary, from->shape().vocabulary));
      return;
    }
    LogitComparison comparison(*from, to);
    // A target with less context (a window of attention becomes its length) is compared as far as it goes.
    const std::size_t count = std::min(tokens.size(), to.shape().context);
    Hidden found = through_blocks(to, std::span(tokens).first(count));
    comparison.run(rows_of(expected, from->shape().width).range(0, count), rows_of(found, to.shape().width));
    if (!comparison.source_is_finite()) {
      result.notes.emplace_back("logits were not compared: the source's are not finite");
    } else if (!comparison.target_is_finite()) {
      result.problems.emplace_back("the target's logits are not finite");
    } else {
      result.logits = comparison.result();
      judge(*result.logits, limits_for(plan), result);
    }
  } catch (const Error& error) {
    result.problems.push_back(fmt::format("the written model does not run: {}", error.what()));
  }
}

}  // namespace kinglet
