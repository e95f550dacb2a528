#include "cli/score_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/vectors_option.h"
#include "dense/activation.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

// Bytes that are no UTF-8 by themselves, such as a part of a character, become U+FFFD.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double rate_of(const Score& score) {
  return score.seconds > 0 ? static_cast<double>(score.evaluated) / score.seconds : 0;
}

Json json_of(const Score& score) {
  Json json = {{"perplexity", score.perplexity()},
               {"perplexity_error", score.perplexity_error()},
               {"mean_nll", score.mean()},
               {"log_probability", score.log_probability},
               {"tokens", score.tokens},
               {"windows", score.windows},
               {"evaluated", score.evaluated}};
  if (score.bytes > 0) {
    json["bytes"] = score.bytes;
    json["bits_per_byte"] = score.bits_per_byte();
  }
  if (score.seconds > 0) json["tokens_per_second"] = rate_of(score);
  if (score.is_interrupted) json["interrupted"] = true;
  return json;
}

std::string summary_of(const Score& score) {
  std::string text = fmt::format("perplexity      {:.4f} +- {:.4f}\n", score.perplexity(), score.perplexity_error());
  text += fmt::format("mean nll        {:.5f} nats a token ({} tokens, sum {:.10g})\n", score.mean(), score.tokens,
                      -score.log_probability);
  if (score.bytes > 0) {
    text += fmt::format("bits per byte   {:.4f} ({} bytes)\n", score.bits_per_byte(), score.bytes);
  }
  return text;
}

// The value below which `part` of the ascending list lies.
double quantile(const std::vector<double>& ascending, double part) {
  if (ascending.empty()) return 0;
  const auto last = static_cast<double>(ascending.size() - 1);
  return ascending[static_cast<std::size_t>(part * last + 0.5)];
}

constexpr double kParts[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

Json json_of_worst(const Divergence& divergence, const ScoredText& text, const Tokenizer* tokenizer) {
  Json worst = Json::array();
  for (const TokenDivergence& token : divergence.worst) {
    Json row = {{"index", token.index}, {"id", token.id}, {"text", text.bytes_of(token.index)}, {"kl", token.kl},
                {"p", token.p}, {"q", token.q}, {"best_p", token.best_p}, {"best_q", token.best_q}};
    if (tokenizer != nullptr) {
      row["best_p_piece"] = tokenizer->piece(token.best_p);
      row["best_q_piece"] = tokenizer->piece(token.best_q);
    }
    worst.push_back(std::move(row));
  }
  return worst;
}

std::string json_report(const Divergence& divergence, const ScoredText& text, const Model& model,
                        const ScoreReport& report) {
  Json quantiles = Json::object(), differences = Json::object();
  for (const double part : kParts) {
    const std::string name = fmt::format("{:g}%", 100 * part);
    quantiles[name] = quantile(divergence.kl, part);
    differences[name] = quantile(divergence.difference, part);
  }
  const Json json = {{"model", report.model},
                     {"protocol", report.protocol},
                     {"mean_kl", divergence.mean_kl},
                     {"mean_kl_error", divergence.mean_kl_error},
                     {"kl", quantiles},
                     {"largest_kl", divergence.kl.empty() ? 0 : divergence.kl.back()},
                     {"same_best", divergence.same_best},
                     {"tokens", divergence.model.tokens},
                     {"probability_difference", differences},
                     {"score", json_of(divergence.model)},
                     {"reference_score", json_of(divergence.reference)},
                     {"worst", json_of_worst(divergence, text, model.tokenizer())}};
  return json.dump(report.indent, ' ', false, Json::error_handler_t::replace);
}

std::string shown(const Tokenizer* tokenizer, TokenId id) {
  const bool has_piece = tokenizer != nullptr && static_cast<std::size_t>(id) < tokenizer->size();
  return has_piece ? kinglet::quoted(std::string(tokenizer->piece(id))) : fmt::format("{}", id);
}

}  // namespace

std::string ScoredText::bytes_of(std::size_t index) const {
  const Token& token = tokens[index];
  return text.substr(token.begin, token.end - token.begin);
}

std::string token_line(const ScoredText& text, const TokenScore& token) {
  return text_of({{"index", token.index},
                  {"id", token.id},
                  {"text", text.bytes_of(token.index)},
                  {"logprob", token.log_probability},
                  {"rank", token.rank},
                  {"entropy", token.entropy}});
}

std::string report_of(const Score& score, const ScoreReport& report) {
  if (report.json) {
    Json json = {{"model", report.model}, {"protocol", report.protocol}};
    json.update(json_of(score));
    return json.dump(report.indent);
  }
  return summary_of(score) + fmt::format("evaluated       {} positions in {} window{}, {:.1f} tokens/s", score.evaluated,
                                         score.windows, score.windows == 1 ? "" : "s", rate_of(score));
}

std::string report_of(const Divergence& divergence, const ScoredText& text, const Model& model,
                      const ScoreReport& report) {
  if (report.json) return json_report(divergence, text, model, report);
  const std::size_t tokens = divergence.model.tokens;
  const double count = static_cast<double>(std::max<std::size_t>(tokens, 1));
  std::string out = fmt::format("KL divergence   {:.6f} +- {:.6f} nats (reference || model), {} tokens\n",
                                divergence.mean_kl, divergence.mean_kl_error, tokens);
  out += fmt::format("same best token {:.2f} % ({} of {})\n",
                     100 * static_cast<double>(divergence.same_best) / count, divergence.same_best, tokens);
  out += fmt::format("perplexity      {:.4f} +- {:.4f}, the reference's {:.4f} ({:+.3f} %)\n\n",
                     divergence.model.perplexity(), divergence.model.perplexity_error(),
                     divergence.reference.perplexity(),
                     100 * (divergence.model.perplexity() / divergence.reference.perplexity() - 1));
  out += fmt::format("{:<10}{:>12}{:>34}\n", "quantile", "KL", "probability of the token, change");
  for (const double part : kParts) {
    out += fmt::format("{:>7.0f} %{:>13.6f}{:>32.2f} %\n", 100 * part, quantile(divergence.kl, part),
                       100 * quantile(divergence.difference, part));
  }
  out += fmt::format("\n{:<8}{:<16}{:>9}{:>9}{:>9}  {}", "token", "text", "KL", "p", "q", "expected: reference, model");
  const Tokenizer* tokenizer = model.tokenizer();
  for (const TokenDivergence& token : divergence.worst) {
    out += fmt::format("\n{:<8}{:<16}{:>9.4f}{:>9.4f}{:>9.4f}  {}, {}", token.index,
                       kinglet::quoted(text.bytes_of(token.index)), token.kl, token.p, token.q,
                       shown(tokenizer, token.best_p), shown(tokenizer, token.best_q));
  }
  return out;
}

void print_logits(const std::string& logits, const std::string& target, bool json) {
  const dense::Vectors rows = vectors_given(logits, "--logits");
  const std::size_t width = rows.values.columns();
  std::optional<std::size_t> column;
  if (!target.empty()) {
    column = static_cast<std::size_t>(parse_integer("--target", target, 0, static_cast<std::int64_t>(width) - 1));
  }
  for (std::size_t t = 0; t < rows.values.rows(); ++t) {
    const std::span<const double> z = rows.values.row(t);
    std::vector<double> probabilities(width);
    dense::activate(dense::Activation::kSoftmax, z, probabilities);
    const double loss = column ? dense::log_sum_exp(z) - z[*column] : 0;
    if (json) {
      Json line = {{"probabilities", probabilities}};
      if (column) line["cross_entropy"] = loss;
      print_line(line.dump());
    } else {
      print_line(number_list(probabilities, Digits::kEight));
      if (column) print_line(fmt::format("cross-entropy {:.8g}", loss));
    }
  }
  flush();
}

}  // namespace kinglet::cli
