// The oracle is the definition of each step in double precision, with everything sorted in full.

#include "kinglet/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kinglet/error.h"
#include "runtime/philox.h"
#include "support/oracle.h"

namespace kinglet {
namespace {

using test::Random;

// No filter, no penalty, temperature 1.
SamplerOptions plain(std::uint64_t seed = 0) {
  SamplerOptions options;
  options.temperature = 1;
  options.top_p = 1;
  options.seed = seed;
  return options;
}

TokenId sample_once(const SamplerOptions& options, const std::vector<float>& logits,
                    std::size_t position = 0, const std::vector<TokenId>& prompt = {},
                    const std::vector<TokenId>& generated = {}) {
  return Sampler(options, logits.size()).sample(logits, prompt, generated, position);
}

// ---- the definition ----

struct Entry {
  TokenId id;
  double logit, p;
};

// Close calls: the sampler's weights are floats, whose exp is off by 1e-7 or so. Where the oracle
// decides by less than this, either answer is right.
constexpr double kClose = 2e-6;

class Definition {
 public:
  explicit Definition(const std::vector<float>& logits) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      list_.push_back({static_cast<TokenId>(i), static_cast<double>(logits[i]), 0});
    }
  }

  void penalise(const SamplerOptions& o, const std::vector<TokenId>& prompt,
                const std::vector<TokenId>& generated) {
    for (const auto& [id, bias] : o.logit_bias) at(id).logit += static_cast<double>(bias);
    std::set<TokenId> seen(prompt.begin(), prompt.end());
    seen.insert(generated.begin(), generated.end());
    const auto repeat = static_cast<double>(o.repeat_penalty);
    for (const TokenId id : seen) at(id).logit *= at(id).logit > 0 ? 1 / repeat : repeat;
    std::map<TokenId, int> counts;
    for (const TokenId id : generated) ++counts[id];
    for (const auto& [id, count] : counts) {
      at(id).logit -= static_cast<double>(o.presence_penalty) +
                      count * static_cast<double>(o.frequency_penalty);
    }
  }
  void top_k(int k) {
    if (k <= 0) return;
    sort_by_logit();
    if (static_cast<std::size_t>(k) < list_.size()) list_.resize(static_cast<std::size_t>(k));
  }
  void typical(double mass) {
    if (mass >= 1) return;
    normalise();
    double entropy = 0;
    for (const Entry& e : list_) entropy -= e.p > 0 ? e.p * std::log(e.p) : 0;
    const auto distance = [&](const Entry& e) { return std::abs(-std::log(e.p) - entropy); };
    std::sort(list_.begin(), list_.end(), [&](const Entry& a, const Entry& b) {
      return distance(a) != distance(b) ? distance(a) < distance(b) : a.id < b.id;
    });
    for (std::size_t i = 1; i < list_.size(); ++i) {
      const double gap = distance(list_[i]) - distance(list_[i - 1]);
      is_close_ = is_close_ || (gap > 0 && gap < kClose);
    }
    keep_mass(mass);
  }
  void top_p(double mass) {
    if (mass >= 1) return;
    normalise();
    sort_by_logit();
    keep_mass(mass);
  }
  void min_p(double share) {
    if (share <= 0) return;
    normalise();
    double best = 0;
    for (const Entry& e : list_) best = std::max(best, e.p);
    for (const Entry& e : list_) is_close_ = is_close_ || std::abs(e.p / best - share) < kClose;
    std::erase_if(list_, [&](const Entry& e) { return e.p < share * best; });
  }
  void heat(double temperature) {
    for (Entry& e : list_) e.logit /= temperature;
    normalise();
    std::sort(list_.begin(), list_.end(), [](auto& a, auto& b) { return a.id < b.id; });
  }
  // Nothing where it, or a filter before it, was a close call.
  std::optional<TokenId> draw(double u) const {
    double sum = 0;
    bool is_close = is_close_;
    for (const Entry& e : list_) {
      sum += e.p;
      is_close = is_close || std::abs(sum - u) < kClose;
      if (sum > u) return is_close ? std::nullopt : std::optional(e.id);
    }
    return std::nullopt;
  }

 private:
  Entry& at(TokenId id) { return list_[static_cast<std::size_t>(id)]; }
  void sort_by_logit() {
    std::sort(list_.begin(), list_.end(), [](auto& a, auto& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
    });
  }
  void normalise() {
    double most = -INFINITY, sum = 0;
    for (const Entry& e : list_) most = std::max(most, e.logit);
    for (Entry& e : list_) sum += e.p = std::exp(e.logit - most);
    for (Entry& e : list_) e.p /= sum;
  }
  void keep_mass(double mass) {
    double sum = 0;
    for (std::size_t i = 0; i < list_.size(); ++i) {
      sum += list_[i].p;
      is_close_ = is_close_ || std::abs(sum - mass) < kClose;
      if (sum >= mass) return list_.resize(i + 1);
    }
  }

  std::vector<Entry> list_;
  bool is_close_ = false;
};

Definition by_definition(const SamplerOptions& o, const std::vector<float>& logits,
                         const std::vector<TokenId>& prompt,
                         const std::vector<TokenId>& generated) {
  Definition definition(logits);
  definition.penalise(o, prompt, generated);
  definition.top_k(o.top_k);
  definition.typical(static_cast<double>(o.typical));
  definition.top_p(static_cast<double>(o.top_p));
  definition.min_p(static_cast<double>(o.min_p));
  definition.heat(static_cast<double>(o.temperature));
  return definition;
}

// Draws at 40 positions of random logits with `options`, and compares each.
void expect_definition(SamplerOptions options, std::size_t vocabulary, float spread,
                       const std::string& what) {
  Random random(vocabulary * 31 + static_cast<std::uint64_t>(spread * 8));
  const std::vector<float> logits = random.values(vocabulary, -spread, spread);
  std::vector<TokenId> prompt(5), generated(9);
  for (TokenId& id : prompt) id = static_cast<TokenId>(random.below(vocabulary));
  for (TokenId& id : generated) id = static_cast<TokenId>(random.below(vocabulary));
  const Definition definition = by_definition(options, logits, prompt, generated);
  Sampler sampler(options, vocabulary);
  int decided = 0;
  for (std::size_t position = 0; position < 40; ++position) {
    const auto want = definition.draw(uniform_draw(options.seed, position));
    if (!want) continue;
    ++decided;
    ASSERT_EQ(sampler.sample(logits, prompt, generated, position), *want)
        << what << ", vocabulary " << vocabulary << ", spread " << spread << ", position "
        << position;
  }
  // A close call of a filter undecides all positions, one of the draw a single one.
  EXPECT_TRUE(decided == 0 || decided > 30) << what << ": " << decided;
}

void expect_definition_everywhere(const SamplerOptions& options, const std::string& what) {
  for (const std::size_t vocabulary : {1u, 2u, 7u, 64u, 65u, 257u, 1025u, 5003u}) {
    for (const float spread : {0.5f, 4.0f, 20.0f}) {
      expect_definition(options, vocabulary, spread, what);
    }
  }
}

// ---- random numbers ----

TEST(Philox, GivesThePublishedNumbers) {
  // Random123's known answers for philox4x32 with 10 rounds.
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DrawsDependOnAllBitsOfSeedAndPosition) {
  std::set<double> draws;
  for (int bit = 0; bit < 64; ++bit) {
    draws.insert(uniform_draw(std::uint64_t{1} << bit, 0));
    draws.insert(uniform_draw(0, std::uint64_t{1} << bit));
  }
  EXPECT_EQ(draws.size(), 128u);
  EXPECT_GE(*draws.begin(), 0.0);
  EXPECT_LT(*draws.rbegin(), 1.0);
}

// ---- each step against its definition ----

TEST(Sampler, DrawsFromAllTokensWithoutAFilter) {
  expect_definition_everywhere(plain(), "no filter");
}

TEST(Sampler, TemperatureFlattensOrSharpens) {
  for (const float temperature : {0.01f, 0.7f, 1.9f, 100.0f}) {
    SamplerOptions options = plain(1);
    options.temperature = temperature;
    expect_definition_everywhere(options, "temperature");
  }
}

TEST(Sampler, TopKIsItsDefinition) {
  for (const int k : {1, 2, 40, 64, 1000, 1 << 30}) {
    SamplerOptions options = plain(2);
    options.top_k = k;
    expect_definition_everywhere(options, "top_k " + std::to_string(k));
  }
}

TEST(Sampler, TopPIsItsDefinition) {
  for (const float p : {0.0f, 1e-6f, 0.1f, 0.5f, 0.95f, 0.9999f}) {
    SamplerOptions options = plain(3);
    options.top_p = p;
    expect_definition_everywhere(options, "top_p " + std::to_string(p));
  }
}

TEST(Sampler, MinPIsItsDefinition) {
  for (const float p : {1e-4f, 0.05f, 0.5f, 1.0f}) {
    SamplerOptions options = plain(4);
    options.min_p = p;
    expect_definition_everywhere(options, "min_p " + std::to_string(p));
  }
}

TEST(Sampler, TypicalIsItsDefinition) {
  for (const float mass : {0.01f, 0.2f, 0.9f, 0.995f}) {
    SamplerOptions options = plain(5);
    options.typical = mass;
    expect_definition_everywhere(options, "typical " + std::to_string(mass));
  }
}

TEST(Sampler, BiasAndPenaltiesAreTheirDefinitions) {
  SamplerOptions options = plain(6);
  options.repeat_penalty = 1.7f;
  expect_definition_everywhere(options, "repeat penalty");
  options.repeat_penalty = 1;
  options.presence_penalty = 1.5f;
  expect_definition_everywhere(options, "presence penalty");
  options.frequency_penalty = -0.75f;
  expect_definition_everywhere(options, "presence and frequency penalty");
  options.repeat_penalty = 0.6f;
  options.logit_bias = {{0, 3.5f}, {0, -1.0f}};
  expect_definition_everywhere(options, "all penalties and biases");
}

TEST(Sampler, AllStepsTogetherRunInTheirOrder) {
  Random random(8);
  for (int trial = 0; trial < 60; ++trial) {
    SamplerOptions options = plain(random.next());
    options.temperature = random.uniform(0.3f, 2.0f);
    options.top_k = static_cast<int>(random.below(50));
    options.typical = random.uniform(0.5f, 1.2f) > 1 ? 1.0f : random.uniform(0.3f, 1.0f);
    options.top_p = random.uniform(0.4f, 1.0f);
    options.min_p = random.uniform(0.0f, 0.3f);
    options.repeat_penalty = random.uniform(0.8f, 1.5f);
    options.presence_penalty = random.uniform(-1.0f, 1.0f);
    options.frequency_penalty = random.uniform(-1.0f, 1.0f);
    options.logit_bias = {{1, random.uniform(-5.0f, 5.0f)}};
    expect_definition(options, 67, 4.0f, "trial " + std::to_string(trial));
  }
}

TEST(Sampler, FiltersComeBeforeTemperature) {
  // p = 0.5, 0.3, 0.2 at temperature 1: top-p 0.75 keeps two. After a temperature of 10 all three
  // are nearly equal and it would keep all.
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  SamplerOptions options = plain();
  options.top_p = 0.75f;
  options.temperature = 10;
  Sampler sampler(options, 3);
  std::set<TokenId> drawn;
  for (std::size_t i = 0; i < 200; ++i) drawn.insert(sampler.sample(logits, {}, {}, i));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1}));
}

// ---- ties and edges ----

TEST(Sampler, TemperatureZeroTakesTheHighestAndOfEqualOnesTheFirst) {
  SamplerOptions options;
  options.temperature = 0;
  EXPECT_EQ(sample_once(options, {1, 3, 2, 3}), 1);
  EXPECT_EQ(sample_once(options, {5}), 0);
  EXPECT_EQ(sample_once(options, {-0.0f, 0.0f}), 0);
  std::vector<float> many(50, -2.0f);
  many[37] = many[41] = -1.0f;
  EXPECT_EQ(sample_once(options, many), 37);
}

TEST(Sampler, TemperatureZeroCountsBiasAndPenalties) {
  SamplerOptions options;
  options.temperature = 0;
  options.logit_bias = {{2, 10.0f}};
  EXPECT_EQ(sample_once(options, {1, 3, 2}), 2);
  options.frequency_penalty = 6;
  EXPECT_EQ(sample_once(options, {1, 3, 2}, 0, {}, {2, 2}), 1);
  EXPECT_EQ(sample_once(options, {1, 3, 2}, 0, {2, 2}, {}), 2) << "counts the text, not the prompt";
}

TEST(Sampler, EqualLogitsKeepTheLowerIds) {
  const std::vector<float> logits(100, 1.25f);
  SamplerOptions options = plain();
  options.top_k = 3;
  std::set<TokenId> drawn;
  for (std::size_t i = 0; i < 100; ++i) drawn.insert(sample_once(options, logits, i));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1, 2}));

  options.top_k = 0;
  options.top_p = 0.045f;  // 5 of 100 equal ones
  drawn.clear();
  for (std::size_t i = 0; i < 100; ++i) drawn.insert(sample_once(options, logits, i));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1, 2, 3, 4}));

  options.top_p = 1;
  options.typical = 0.015f;
  drawn.clear();
  for (std::size_t i = 0; i < 100; ++i) drawn.insert(sample_once(options, logits, i));
  EXPECT_EQ(drawn, (std::set<TokenId>{0, 1}));
}

TEST(Sampler, AMassThatIsMetExactlyIsEnough) {
  const std::vector<float> logits(4, 0.0f);
  SamplerOptions options = plain();
  options.top_p = 0.5f;
  for (std::size_t i = 0; i < 100; ++i) EXPECT_LT(sample_once(options, logits, i), 2);
}

TEST(Sampler, TheStrictestFiltersLeaveTheBestToken) {
  const std::vector<float> logits = {0.5f, 2.0f, -1.0f, 1.9f};
  for (int i = 0; i < 4; ++i) {
    SamplerOptions options = plain(9);
    if (i == 0) options.top_k = 1;
    if (i == 1) options.top_p = 0;
    if (i == 2) options.min_p = 1;
    if (i == 3) options.temperature = 1e-30f;
    for (std::size_t position = 0; position < 20; ++position) {
      EXPECT_EQ(sample_once(options, logits, position), 1) << i;
    }
  }
}

TEST(Sampler, TheLargestLogitsAndOptionsGiveTokens) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::vector<float> logits = {-kMost, kMost, 0, -kMost, kMost};
  SamplerOptions options = plain();
  options.repeat_penalty = 0.01f;
  options.presence_penalty = -100;
  options.frequency_penalty = -100;
  options.logit_bias = {{1, 1000.0f}, {2, -1000.0f}};
  for (const float temperature : {0.0f, 1e-38f, 1.0f, 100.0f}) {
    for (const float typical : {0.0f, 0.5f, 1.0f}) {
      options.temperature = temperature;
      options.typical = typical;
      options.top_p = options.min_p = 0.5f;
      const TokenId id = sample_once(options, logits, 3, {0, 1, 2}, {3, 4, 4});
      EXPECT_TRUE(id == 1 || id == 4 || typical == 0) << id;
    }
  }
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  // Chi-square over 8 tokens, 20,000 draws: 24.3 is exceeded by chance once in 1,000 (7 degrees of
  // freedom); the seeds are fixed.
  const std::vector<float> logits = {0, 1, -1, 2, 0.5f, -3, 1.5f, 0};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  constexpr int kDraws = 20'000;
  for (const std::uint64_t seed : {0u, 1u, 42u}) {
    Sampler sampler(plain(seed), logits.size());
    std::vector<int> counts(logits.size());
    for (std::size_t i = 0; i < kDraws; ++i) {
      ++counts[static_cast<std::size_t>(sampler.sample(logits, {}, {}, i))];
    }
    double chi = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double want = kDraws * std::exp(static_cast<double>(logits[i])) / sum;
      chi += (counts[i] - want) * (counts[i] - want) / want;
    }
    EXPECT_LT(chi, 24.3) << "seed " << seed;
  }
}

TEST(Sampler, TheDrawDependsOnSeedAndPositionAlone) {
  Random random(3);
  const std::vector<float> logits = random.values(300, -2, 2);
  SamplerOptions options = plain(7);
  options.repeat_penalty = 1.3f;
  options.frequency_penalty = 0.2f;
  Sampler used(options, logits.size());
  for (std::size_t position = 40; position-- > 0;) {  // in any order, after any history
    const std::vector<TokenId> text = {1, 2, static_cast<TokenId>(position)};
    EXPECT_EQ(used.sample(logits, text, text, position),
              sample_once(options, logits, position, text, text));
  }
}

// ---- options ----

TEST(Sampler, OptionsOutOfRangeAreRefusedByName) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto message = [](const SamplerOptions& options) -> std::string {
    try {
      Sampler sampler(options, 10);
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::kUsage);
      return error.field();
    }
    return "accepted";
  };
  const auto with = [&](auto member, auto value) {
    SamplerOptions options = plain();
    options.*member = value;
    return message(options);
  };
  EXPECT_EQ(message(plain()), "accepted");
  for (const float wrong : {nan, -0.5f, 101.0f}) {
    EXPECT_EQ(with(&SamplerOptions::temperature, wrong), "temperature");
    EXPECT_EQ(with(&SamplerOptions::repeat_penalty, wrong), "repeat_penalty");
    EXPECT_EQ(with(&SamplerOptions::top_p, wrong), "top_p");
    EXPECT_EQ(with(&SamplerOptions::min_p, wrong), "min_p");
    EXPECT_EQ(with(&SamplerOptions::typical, wrong), "typical");
    EXPECT_EQ(with(&SamplerOptions::presence_penalty, wrong * 300), "presence_penalty");
    EXPECT_EQ(with(&SamplerOptions::frequency_penalty, wrong * 300), "frequency_penalty");
  }
  EXPECT_EQ(with(&SamplerOptions::repeat_penalty, 0.0f), "repeat_penalty");
  EXPECT_EQ(with(&SamplerOptions::top_k, -1), "top_k");
  using Bias = std::vector<std::pair<TokenId, float>>;
  EXPECT_EQ(with(&SamplerOptions::logit_bias, Bias{{10, 1.0f}}), "logit_bias");
  EXPECT_EQ(with(&SamplerOptions::logit_bias, Bias{{-1, 1.0f}}), "logit_bias");
  EXPECT_EQ(with(&SamplerOptions::logit_bias, Bias{{1, nan}}), "logit_bias");
  EXPECT_EQ(with(&SamplerOptions::logit_bias, Bias{{9, 1000.0f}}), "accepted");
}

}  // namespace
}  // namespace kinglet
