#include "convert/verify_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "dtype/format.h"
#include "convert/probe_text.h"
#include "kinglet/error.h"
#include "kinglet/model.h"
#include "runtime/open_tokenizer.h"

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

// Built-in text as tokens, repeated up to `count`; numbers where there is no tokenizer.
std::vector<Token> tokens_for(const Model& model, std::size_t count) {
  std::vector<TokenId> ids;
  if (const Tokenizer* tokenizer = model.tokenizer()) {
    if (model.adds_bos() && model.bos()) ids.push_back(*model.bos());
    const std::vector<TokenId> text = tokenizer->encode(kProbeText);
    for (std::size_t i = 0; ids.size() < count && !text.empty(); ++i) ids.push_back(text[i % text.size()]);
  }
  for (std::size_t i = ids.size(); i < count; ++i) {
    ids.push_back(static_cast<TokenId>(i * i * 7919 % model.vocabulary()));
  }
  ids.resize(count);
  std::vector<Token> tokens;
  for (const TokenId id : ids) tokens.push_back({std::min(id, static_cast<TokenId>(model.vocabulary() - 1)), 0, 0});
  return tokens;
}

// The loosest of the target's types, where it is no copy.
Limits limits_for(const Plan& plan) {
  Limits limits = limits_of(DType::kF32);
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.to == tensor.source->dtype || dtype::format_of(tensor.to).unpack == nullptr) continue;
    const Limits other = limits_of(tensor.to);
    limits.mean_kl = std::max(limits.mean_kl, other.mean_kl);
    limits.same_best = std::min(limits.same_best, other.same_best);
  }
  return limits;
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

void compare_logits(const VerifiedFiles& files, const Plan& plan, std::size_t threads, Verification& result) {
  std::optional<Model> source;
  try {
    source = Model::open(files.source, {.tokenizer = {}, .threads = threads});
  } catch (const Error& error) {
    if (error.fault() != Fault::kRefused) throw;
    result.notes.push_back(fmt::format("logits were not compared: {}", error.what()));
    return;
  }
  const std::size_t count = std::min(source->context(), kPositions);
  if (count < 2) return;
  Divergence found;
  try {
    const Model target = Model::open(files.target, {.tokenizer = {}, .threads = threads});
    ScoreOptions options;
    options.window = count;
    options.cache = CacheKind::kF32;
    options.threads = threads;
    found = score_against(target, *source, tokens_for(*source, count), 0, options);
  } catch (const Error& error) {
    result.problems.push_back(fmt::format("the written model does not run: {}", error.what()));
    return;
  }
  result.logits = {found.mean_kl, found.kl.empty() ? 0 : found.kl.back(), found.same_best, found.kl.size()};
  const Limits limits = limits_for(plan);
  const double share = found.kl.empty() ? 1 : static_cast<double>(found.same_best) / static_cast<double>(found.kl.size());
  if (!(std::abs(found.mean_kl) <= limits.mean_kl)) {
    result.problems.push_back(fmt::format("logits: mean KL {:.3g}, at most {:g} for these types", found.mean_kl, limits.mean_kl));
  }
  if (share < limits.same_best) {
    result.problems.push_back(fmt::format("logits: the same best token at {} of {} positions, at least {:g} of them for these types",
                                          found.same_best, found.kl.size(), limits.same_best));
  }
}

}  // namespace kinglet
