#include "kinglet/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "kernels/dispatch.h"
#include "kinglet/error.h"
#include "nn/elementary.h"
#include "runtime/philox.h"

namespace kinglet {
namespace {

// A token that may still be drawn. Masses are probabilities but for a factor that all share. They
// are integers, so that sums of them are exact and do not depend on any order.
struct Candidate {
  TokenId id = 0;
  float logit = 0;
  std::uint64_t mass = 0;
};

// Of a weight in [0, 1]. A vocabulary of 2^20 cannot overflow the sum.
std::uint64_t mass_of(float weight) {
  // Through the signed type: processors convert to that one in one step.
  return static_cast<std::uint64_t>(
      static_cast<std::int64_t>(static_cast<double>(weight) * 0x1p40));
}

std::uint64_t sum_of(std::span<const Candidate> list) {
  std::uint64_t sum = 0;
  for (const Candidate& c : list) sum += c.mass;
  return sum;
}

std::uint64_t share_of(std::uint64_t mass, float share) {
  return static_cast<std::uint64_t>(
      std::ceil(static_cast<double>(mass) * static_cast<double>(share)));
}

bool is_better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// The last token of the shortest prefix, in the order of `before`, that has `mass` or more, and one
// token at least. Sorts no more than it must: the half that the token is in, and again.
template <class Before>
Candidate last_within(std::span<Candidate> list, std::uint64_t mass, const Before& before) {
  while (list.size() > 1) {
    const std::size_t half = list.size() / 2;
    std::nth_element(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(half), list.end(),
                     before);
    const std::uint64_t first = sum_of(list.first(half));
    if (first >= mass) {
      list = list.first(half);
    } else {
      list = list.subspan(half);
      mass -= first;
    }
  }
  return list.front();
}

float highest_of(std::span<const float> values) {
  // Several chains of comparisons, so that the compiler can use vectors.
  std::array<float, 16> lane;
  lane.fill(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + lane.size() <= values.size(); i += lane.size()) {
    for (std::size_t j = 0; j < lane.size(); ++j) {
      lane[j] = values[i + j] > lane[j] ? values[i + j] : lane[j];
    }
  }
  for (; i < values.size(); ++i) lane[0] = std::max(lane[0], values[i]);
  return *std::max_element(lane.begin(), lane.end());
}

// The logits after bias and penalties stay finite.
float finite(float logit) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return std::clamp(logit, -kMost, kMost);
}

void check(const SamplerOptions& o, std::size_t vocabulary) {
  constexpr float kMostBias = 1000;
  const auto refuse = [](const char* name, auto value, std::string allowed) {
    return usage_error("a sampling option is out of range")
        .at(name)
        .found(fmt::format("{}", value))
        .allowed(std::move(allowed));
  };
  const std::tuple<const char*, float, float, float> ranges[] = {
      {"temperature", o.temperature, 0.0f, 100.0f},
      {"top_p", o.top_p, 0.0f, 1.0f},
      {"min_p", o.min_p, 0.0f, 1.0f},
      {"typical", o.typical, 0.0f, 1.0f},
      {"repeat_penalty", o.repeat_penalty, 0.01f, 100.0f},
      {"presence_penalty", o.presence_penalty, -100.0f, 100.0f},
      {"frequency_penalty", o.frequency_penalty, -100.0f, 100.0f}};
  for (const auto& [name, value, low, high] : ranges) {
    if (!(value >= low && value <= high)) {  // NaN too
      throw refuse(name, value, fmt::format("[{}, {}]", low, high));
    }
  }
  if (o.top_k < 0) throw refuse("top_k", o.top_k, "0 (off) or more");
  for (const auto& [id, bias] : o.logit_bias) {
    if (id < 0 || static_cast<std::size_t>(id) >= vocabulary) {
      throw refuse("logit_bias", id, fmt::format("ids in [0, {})", vocabulary));
    }
    if (!(std::abs(bias) <= kMostBias)) {
      throw refuse("logit_bias", bias, fmt::format("[-{0}, {0}]", kMostBias));
    }
  }
}

}  // namespace

struct Sampler::State {
  State(const SamplerOptions& o, std::size_t vocabulary)
      : options(o), adjusted(vocabulary), scratch(vocabulary), counts(vocabulary) {
    candidates.reserve(vocabulary);
    order.reserve(vocabulary);
  }

  bool penalises_text() const {
    return options.presence_penalty != 0 || options.frequency_penalty != 0;
  }
  bool adjusts() const {
    return !options.logit_bias.empty() || options.repeat_penalty != 1 || penalises_text();
  }

  // The steps, in the order of the header.
  std::span<const float> adjust(std::span<const float> logits, std::span<const TokenId> prompt,
                                std::span<const TokenId> generated);
  void penalise_repeats(std::span<const TokenId> prompt, std::span<const TokenId> generated);
  void penalise_text(std::span<const TokenId> generated);
  void keep_all(std::span<const float> logits);
  void keep_top_k(std::span<const float> logits);
  void weigh(float temperature);
  void keep_typical();
  void keep_top_p();
  void keep_min_p();
  TokenId draw(std::size_t position);

  // Drops all that come after the last token of that mass.
  template <class Before>
  void keep_mass(std::uint64_t mass, const Before& before) {
    order = candidates;
    const Candidate last = last_within(std::span(order), mass, before);
    std::erase_if(candidates, [&](const Candidate& c) { return before(last, c); });
    total = sum_of(candidates);
  }

  SamplerOptions options;
  std::vector<float> adjusted, scratch;
  std::vector<std::uint32_t> counts;  // all 0 between calls
  std::vector<Candidate> candidates;  // ascending ids
  std::vector<Candidate> order;       // the same in another order
  float highest = 0;                  // logit of all tokens
  std::uint64_t total = 0;            // of the masses that the last filter left
};

std::span<const float> Sampler::State::adjust(std::span<const float> logits,
                                              std::span<const TokenId> prompt,
                                              std::span<const TokenId> generated) {
  if (!adjusts()) return logits;
  std::copy(logits.begin(), logits.end(), adjusted.begin());
  for (const auto& [id, bias] : options.logit_bias) {
    float& logit = adjusted[static_cast<std::size_t>(id)];
    logit = finite(logit + bias);
  }
  if (options.repeat_penalty != 1) penalise_repeats(prompt, generated);
  if (penalises_text()) penalise_text(generated);
  return adjusted;
}

void Sampler::State::penalise_repeats(std::span<const TokenId> prompt,
                                      std::span<const TokenId> generated) {
  for (const auto& tokens : {prompt, generated}) {
    for (const TokenId id : tokens) {
      if (counts[static_cast<std::size_t>(id)]++ > 0) continue;  // once for each token
      float& logit = adjusted[static_cast<std::size_t>(id)];
      logit = finite(logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty);
    }
  }
  for (const auto& tokens : {prompt, generated}) {
    for (const TokenId id : tokens) counts[static_cast<std::size_t>(id)] = 0;
  }
}

void Sampler::State::penalise_text(std::span<const TokenId> generated) {
  for (const TokenId id : generated) ++counts[static_cast<std::size_t>(id)];
  for (const TokenId id : generated) {
    const auto count = static_cast<float>(std::exchange(counts[static_cast<std::size_t>(id)], 0u));
    if (count == 0) continue;  // taken off at its first occurrence
    float& logit = adjusted[static_cast<std::size_t>(id)];
    logit = finite(logit - (options.presence_penalty + count * options.frequency_penalty));
  }
}

// What the first filter drops at any rate does not become a candidate: the nucleus of top-p holds
// no token of less than an even share of what may be lost (half of it, to be safe from rounding).
void Sampler::State::keep_all(std::span<const float> logits) {
  const std::span<float> weights = std::span(scratch).first(logits.size());
  highest = highest_of(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) weights[i] = logits[i] - highest;
  kernels::active().exp(weights.data(), weights.size(), weights.data());
  total = 0;
  for (const float weight : weights) total += mass_of(weight);

  std::uint64_t least = 0;
  if (options.typical >= 1 && options.top_p < 1) {
    least = share_of(total, 1 - options.top_p) / (2 * logits.size());
  }
  candidates.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::uint64_t mass = mass_of(weights[i]);
    if (mass >= least) candidates.push_back({static_cast<TokenId>(i), logits[i], mass});
  }
}

// A heap with the worst of the k best on top.
void Sampler::State::keep_top_k(std::span<const float> logits) {
  const auto k = static_cast<std::size_t>(options.top_k);
  candidates.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (candidates.size() == k) {
      if (logits[i] <= candidates.front().logit) continue;  // a tie goes to the lower id
      std::pop_heap(candidates.begin(), candidates.end(), is_better);
      candidates.pop_back();
    }
    candidates.push_back({static_cast<TokenId>(i), logits[i], 0});
    std::push_heap(candidates.begin(), candidates.end(), is_better);
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  highest = highest_of(logits);
  weigh(1);
}

// Masses at a temperature, relative to the best candidate's.
void Sampler::State::weigh(float temperature) {
  constexpr float kLeast =
      -1000;  // its exp is 0; keeps finite what a small temperature makes of it
  const float best = std::min_element(candidates.begin(), candidates.end(), is_better)->logit;
  const std::span<float> weights = std::span(scratch).first(candidates.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::max((candidates[i].logit - best) / temperature, kLeast);
  }
  kernels::active().exp(weights.data(), weights.size(), weights.data());
  total = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    total += candidates[i].mass = mass_of(weights[i]);
  }
}

// The tokens whose surprise, -log p, is nearest to the expected one.
void Sampler::State::keep_typical() {
  const double log_total = nn::logarithm(static_cast<double>(total) * 0x1p-40);
  const auto surprise = [&](const Candidate& c) {
    return log_total - (static_cast<double>(c.logit) - static_cast<double>(highest));
  };
  double expected = 0;
  for (const Candidate& c : candidates) {
    if (c.mass == 0) continue;
    expected += static_cast<double>(c.mass) / static_cast<double>(total) * surprise(c);
  }
  keep_mass(share_of(total, options.typical), [&](const Candidate& a, const Candidate& b) {
    const double from_a = std::abs(surprise(a) - expected);
    const double from_b = std::abs(surprise(b) - expected);
    return from_a != from_b ? from_a < from_b : a.id < b.id;
  });
}

void Sampler::State::keep_top_p() {
  keep_mass(share_of(total, options.top_p), is_better);
}

void Sampler::State::keep_min_p() {
  const auto best = std::min_element(candidates.begin(), candidates.end(), is_better);
  const std::uint64_t least = share_of(best->mass, options.min_p);
  std::erase_if(candidates, [least](const Candidate& c) { return c.mass < least; });
}

// The first id at which the masses, summed in the order of the ids, pass the draw's share of them.
TokenId Sampler::State::draw(std::size_t position) {
  weigh(options.temperature);
  const double share = uniform_draw(options.seed, position) * static_cast<double>(total);
  std::uint64_t left = std::min(static_cast<std::uint64_t>(share), total - 1);
  for (const Candidate& c : candidates) {
    if (left < c.mass) return c.id;
    left -= c.mass;
  }
  return candidates.back().id;  // not reached: left < total
}

Sampler::Sampler(const SamplerOptions& options, std::size_t vocabulary) {
  check(options, vocabulary);
  state_ = std::make_unique<State>(options, vocabulary);
}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

TokenId Sampler::sample(std::span<const float> logits, std::span<const TokenId> prompt,
                        std::span<const TokenId> generated, std::size_t position) {
  State& s = *state_;
  const SamplerOptions& options = s.options;
  const std::span<const float> adjusted = s.adjust(logits, prompt, generated);
  if (options.temperature == 0) {
    const auto first = std::find(adjusted.begin(), adjusted.end(), highest_of(adjusted));
    return static_cast<TokenId>(first - adjusted.begin());
  }
  const bool cuts_to_k =
      options.top_k > 0 && static_cast<std::size_t>(options.top_k) < adjusted.size();
  if (cuts_to_k) {
    s.keep_top_k(adjusted);
  } else {
    s.keep_all(adjusted);
  }
  if (options.typical < 1) s.keep_typical();
  if (options.top_p < 1) s.keep_top_p();
  if (options.min_p > 0) s.keep_min_p();
  return s.draw(position);
}

}  // namespace kinglet
