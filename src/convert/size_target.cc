#include "convert/size_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/team.h"
#include "base/text.h"
#include "convert/types.h"
#include "kinglet/error.h"
#include "kinglet/version.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kAlignment = 32;  // of tensors in a GGUF: what a tensor of another size may move

bool has_target(const ConvertOptions& options) { return options.target_bytes > 0 || options.target_bpw > 0; }

void check(const ConvertOptions& options, Target target) {
  if (!has_target(options)) return;
  const char* option = options.target_bytes > 0 ? "option --target-size" : "option --target-bpw";
  if (options.target_bytes > 0 && options.target_bpw > 0) throw usage_error("--target-size and --target-bpw exclude each other");
  if (!options.dtype.empty()) throw usage_error(fmt::format("{}: it chooses the types that --dtype names; one of them", option));
  if (target != Target::kGguf) throw usage_error(fmt::format("{}: only a GGUF holds the types it chooses from", option));
}

// The matrices whose type is free: those of the target, without those that a rule gives a type.
std::vector<Sensitivity> free_matrices(std::span<const Sensitivity> matrices, const Plan& plan, const Types& types) {
  std::vector<Sensitivity> free;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (types.has_rule(tensor)) continue;
    const auto found = std::ranges::find(matrices, tensor.source->name, &Sensitivity::name);
    if (found != matrices.end()) free.push_back(*found);
  }
  return free;
}

std::uint64_t tensor_bytes(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const PlannedTensor& tensor : plan.tensors) bytes += tensor.bytes;
  return bytes;
}

double values_of(const Plan& plan) {
  double values = 0;
  for (const PlannedTensor& tensor : plan.tensors) {
    double count = 1;
    for (const std::uint64_t size : tensor.source->shape) count *= static_cast<double>(size);
    values += count;
  }
  return values;
}

ChosenTypes types_for_size(const io::ModelFile& model, Target target, const ConvertOptions& options,
                           std::span<const Sensitivity> matrices) {
  const ChosenTypes smallest = smallest_types(matrices);
  const Plan plan = make_plan(model, target, options, &smallest);
  const Types types(options, target, 0, nullptr);
  const std::vector<Sensitivity> free = free_matrices(matrices, plan, types);
  const std::uint64_t least = bytes_of(free, smallest);
  if (options.target_bytes > 0) {
    const std::uint64_t fixed = plan.bytes - least + kAlignment * plan.tensors.size();
    if (options.target_bytes < fixed + least) {
      throw usage_error("option --target-size: less than the smallest types need")
          .found(fmt::format("{} bytes", options.target_bytes))
          .allowed(fmt::format("at least {}", fixed + least));
    }
    return types_within(free, options.target_bytes - fixed);
  }
  const double values = values_of(plan);
  const std::uint64_t all = static_cast<std::uint64_t>(options.target_bpw * values / 8), bytes = tensor_bytes(plan);
  if (all < bytes) {
    throw usage_error("option --target-bpw: less than the smallest types need")
        .found(fmt::format("{}", options.target_bpw))
        .allowed(fmt::format("at least {:.3f}", std::ceil(8000 * static_cast<double>(bytes) / values) / 1000));
  }
  return types_within(free, all - (bytes - least));
}

}  // namespace

std::optional<ChosenTypes> choose_types(const io::ModelFile& model, Target target, const ConvertOptions& options,
                                        const ConvertWatch& watch) {
  check(options, target);
  if (!options.sensitivity && !has_target(options)) return ChosenTypes();
  const Imatrix imatrix = options.imatrix.empty() ? Imatrix() : read_imatrix(options.imatrix);
  const std::size_t threads = options.threads > 0 ? options.threads : default_threads();
  const auto matrices = measure_sensitivity(model, imatrix, threads, {watch.on_measure, watch.is_interrupted});
  if (!matrices) return {};
  ChosenTypes types;
  if (has_target(options)) types = types_for_size(model, target, options, *matrices);
  if (watch.on_sensitivity) watch.on_sensitivity(*matrices, types);
  return types;
}

}  // namespace kinglet
