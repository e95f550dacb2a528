#include "runtime/profile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/cpu.h"
#include "dtype/format.h"
#include "kinglet/version.h"
#include "nn/linear.h"
#include "runtime/cache_type.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

using nn::Op;
using nn::Recorder;

double seconds_of(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

Recorder::Capacity capacity_for(const Model& model, const Request& request,
                                const GenerateOptions& options) {
  constexpr std::size_t kMostBytes = 256u << 20;
  Recorder::Capacity capacity;
  capacity.threads = options.threads == 0 ? usable_cores() : options.threads;
  // A layer has 8 laps and up to 10 waits. Where a model has more, fewer passes are kept.
  capacity.steps = 16 * model.parts().model->shape().layers + 32;
  const std::size_t pass_bytes =
      capacity.threads * capacity.steps * (sizeof(nn::Lap) + sizeof(Wait));
  const std::size_t wanted = request.prompt.size() / options.chunk + request.tokens + 2;
  capacity.passes = std::clamp<std::size_t>(kMostBytes / pass_bytes, 1, wanted);
  return capacity;
}

// "q4_0", "q4_k+q6_k": the formats that a step multiplies; else what it computes in.
std::string kernel_of(const nn::Step& step, const std::string& cache_type) {
  if (step.op == Op::kAttention) return cache_type + " cache";
  if (step.op == Op::kRope) return "f32 to " + cache_type;
  if (step.linear == nullptr) return step.layer < 0 && step.op != Op::kFinalNorm ? "" : "f32";
  std::string names;
  for (const Weight& weight : step.linear->weights()) {
    const std::string name = dtype::name_of(weight.dtype);
    if (names.find(name) == names.npos) names += (names.empty() ? "" : "+") + name;
  }
  return names;
}

// Walks the waits of a member along its laps.
class Waits {
 public:
  explicit Waits(std::span<const Wait> waits) : left_(waits) {}
  // Seconds of the waits that end by `end`.
  double until(std::int64_t end) {
    double seconds = 0;
    for (; !left_.empty() && left_.front().end <= end; left_ = left_.subspan(1)) {
      seconds += seconds_of(left_.front().end - left_.front().begin);
    }
    return seconds;
  }

 private:
  std::span<const Wait> left_;
};

// What each lap of a pass's first thread took, by all members that have it: the first thread has one
// before those that all have, and some after them.
std::vector<Profile::Line> lines_of(const Recorder::Pass& pass) {
  std::vector<Profile::Line> lines(pass.members.front().laps.size());
  std::vector<double> members(lines.size());
  for (std::size_t m = 0; m < pass.members.size(); ++m) {
    const Recorder::Part& member = pass.members[m];
    Waits waits(member.waits);
    std::int64_t begin = member.begin;
    std::size_t at = m == 0 ? 0 : 1;
    for (const nn::Lap& lap : member.laps) {
      const double seconds = seconds_of(lap.end - begin), waited = waits.until(lap.end);
      Profile::Line& line = lines[at];
      if (m == 0) line.seconds = seconds;
      line.wait_seconds += waited;
      line.mean_work_seconds += seconds - waited;
      line.longest_work_seconds = std::max(line.longest_work_seconds, seconds - waited);
      ++members[at++];
      begin = lap.end;
    }
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].calls = 1;
    lines[i].wait_seconds /= members[i];
    lines[i].mean_work_seconds /= members[i];
  }
  return lines;
}

// One phase in the making.
class Summary {
 public:
  Summary(const Model& model, std::string cache_type, nn::CacheType cache)
      : shape_(model.parts().model->shape()),
        cache_type_(std::move(cache_type)),
        cache_(cache),
        math_(model.parts().model->math()),
        operations_(nn::kOps) {
    phase_.layers.resize(shape_.layers);
    for (std::size_t i = 0; i < shape_.layers; ++i) phase_.layers[i].name = std::to_string(i);
  }

  void add(const Recorder::Pass& pass, const Limits& limits) {
    const std::span<const nn::Lap> laps = pass.members.front().laps;
    const StepSetting setting = {shape_, cache_, math_, pass.contexts};
    std::vector<Cost> costs;
    double pass_bytes = 0;
    for (const nn::Lap& lap : laps) {
      costs.push_back(cost_of(lap.step, setting));
      pass_bytes += costs.back().streamed();
    }
    std::vector<Profile::Line> lines = lines_of(pass);
    for (std::size_t i = 0; i < laps.size(); ++i) {
      const Bound limit = bound_of_step(costs[i], pass_bytes, limits);
      lines[i].cost = costs[i];
      lines[i].limit_seconds = limit.seconds;
      if (limit.seconds > 0) lines[i].limit_seconds_by[limit.by] = limit.seconds;
      add(laps[i].step, lines[i]);
    }
    ++phase_.passes;
    phase_.tokens += pass.rows();
    phase_.seconds += seconds_of(pass.end - pass.begin);
    phase_.limits = limits;
  }

  Profile::Phase finish(std::string name, std::size_t threads) && {
    phase_.name = std::move(name);
    phase_.threads = threads;
    for (std::size_t i = 0; i < nn::kOps; ++i) {
      Profile::Operation& operation = operations_[i];
      if (operation.calls == 0) continue;
      operation.op = static_cast<Op>(i);
      operation.name = name_of(operation.op);
      phase_.total += operation;
      phase_.operations.push_back(std::move(operation));
    }
    return std::move(phase_);
  }

 private:
  void add(const nn::Step& step, const Profile::Line& line) {
    Profile::Operation& operation = operations_[static_cast<std::size_t>(step.op)];
    operation += line;
    const std::string kernel = kernel_of(step, cache_type_);
    if (operation.kernel.find(kernel) == std::string::npos) {
      operation.kernel += (operation.kernel.empty() ? "" : "+") + kernel;
    }
    if (step.layer < 0) return;
    Profile::Layer& layer = phase_.layers[static_cast<std::size_t>(step.layer)];
    layer += line;
    layer.seconds_of[static_cast<std::size_t>(step.op)] += line.seconds;
  }

  nn::Shape shape_;
  std::string cache_type_;
  nn::CacheType cache_;
  Math math_;
  std::vector<Profile::Operation> operations_;
  Profile::Phase phase_;
};

// How many members most passes of the phase had.
std::size_t usual_threads(const Recorder& recorder, Recorder::Phase phase) {
  std::map<std::size_t, std::size_t> counts;
  for (std::size_t i = 0; i < recorder.size(); ++i) {
    const Recorder::Pass pass = recorder.pass(i);
    if (pass.phase == phase) ++counts[pass.members.size()];
  }
  const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.second < b.second;
  });
  return most == counts.end() ? 0 : most->first;
}

}  // namespace

std::string_view Profile::Line::bound() const {
  const auto most = std::max_element(limit_seconds_by.begin(), limit_seconds_by.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == limit_seconds_by.end() ? std::string_view() : most->first;
}

double Profile::Line::wait_share() const {
  return wait_seconds > 0 ? wait_seconds / (wait_seconds + mean_work_seconds) : 0;
}

double Profile::Line::imbalance() const {
  return mean_work_seconds > 0 ? longest_work_seconds / mean_work_seconds : 1;
}

Profile::Line& Profile::Line::operator+=(const Line& other) {
  calls += other.calls;
  seconds += other.seconds;
  wait_seconds += other.wait_seconds;
  mean_work_seconds += other.mean_work_seconds;
  longest_work_seconds += other.longest_work_seconds;
  cost += other.cost;
  limit_seconds += other.limit_seconds;
  for (const auto& [by, seconds_by] : other.limit_seconds_by) limit_seconds_by[by] += seconds_by;
  return *this;
}

Profile profile(const Model& model, const Request& request, const GenerateOptions& options,
                Watch watch, const LimitsOf& limits_of) {
  Profile profile;
  profile.model = model.file();
  profile.format = model.format();
  profile.isa = isa_in_use();
  profile.cache_type = name_of(options.cache);
  profile.layers = model.parts().model->shape().layers;
  profile.recorder = std::make_unique<Recorder>(capacity_for(model, request, options));
  const Recorder& recorder = *profile.recorder;
  watch.recorder = profile.recorder.get();
  profile.generated = generate(model, {request}, options, watch);
  profile.recorded = recorder.size();
  profile.passes = recorder.begun();

  const Timings& timings = profile.generated.timings;
  for (const auto phase : {Recorder::Phase::kPrefill, Recorder::Phase::kDecode}) {
    const std::size_t threads = usual_threads(recorder, phase);
    if (threads == 0) continue;
    const Limits limits = limits_of(threads);
    Summary summary(model, profile.cache_type, cache_type(options.cache));
    for (std::size_t i = 0; i < recorder.size(); ++i) {
      const Recorder::Pass pass = recorder.pass(i);
      if (pass.phase == phase) summary.add(pass, limits);
    }
    const bool is_prefill = phase == Recorder::Phase::kPrefill;
    profile.phases.push_back(std::move(summary).finish(is_prefill ? "prefill" : "decode", threads));
    if (profile.recorded < profile.passes) continue;
    profile.phases.back().seconds = is_prefill ? timings.prefill_seconds : timings.decode_seconds;
  }
  return profile;
}

}  // namespace kinglet
