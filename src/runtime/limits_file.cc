// The file of measured limits: {"kinglet-limits": 1, "hosts": [{...}, ...]}, one entry per host.
// Whatever is wrong with it, it is as if it were not there: the next measurement replaces it.

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "base/output_file.h"
#include "kinglet/error.h"
#include "runtime/limits.h"

namespace kinglet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxHosts = 64;

Json to_json(const Limits& limits) {
  return {{"cpu", limits.host.cpu},
          {"cores", limits.host.cores},
          {"threads", limits.host.threads},
          {"isa", limits.host.isa},
          {"version", limits.host.version},
          {"memory_gbps", limits.memory_gbps},
          {"cache_gbps", limits.cache_gbps},
          {"cache_bytes", limits.cache_bytes},
          {"float_gflops", limits.float_gflops},
          {"bfloat_gflops", limits.bfloat_gflops},
          {"int8_gops", limits.int8_gops}};
}

// Nothing where an entry lacks something or has what no measurement gives.
std::optional<Limits> from_json(const Json& entry) try {
  Limits limits;
  limits.host = {.cpu = entry.at("cpu").get<std::string>(),
                 .isa = entry.at("isa").get<std::string>(),
                 .version = entry.at("version").get<std::string>(),
                 .cores = entry.at("cores").get<std::size_t>(),
                 .threads = entry.at("threads").get<std::size_t>()};
  limits.memory_gbps = entry.at("memory_gbps").get<double>();
  limits.cache_gbps = entry.at("cache_gbps").get<double>();
  limits.cache_bytes = entry.at("cache_bytes").get<std::size_t>();
  limits.float_gflops = entry.at("float_gflops").get<double>();
  limits.bfloat_gflops = entry.at("bfloat_gflops").get<double>();
  limits.int8_gops = entry.at("int8_gops").get<double>();
  for (const double rate : {limits.memory_gbps, limits.float_gflops, limits.bfloat_gflops, limits.int8_gops}) {
    if (!std::isfinite(rate) || rate <= 0) return std::nullopt;
  }
  const bool has_cache = limits.cache_bytes > 0;
  if (!std::isfinite(limits.cache_gbps) || (limits.cache_gbps > 0) != has_cache) return std::nullopt;
  return limits;
} catch (const Json::exception&) {
  return std::nullopt;
}

// The entries of the file that are whole.
std::vector<Limits> read_all(const std::filesystem::path& path) {
  std::vector<Limits> found;
  std::error_code ignored;
  if (path.empty() || !std::filesystem::is_regular_file(path, ignored)) return found;
  try {
    const Json document = Json::parse(File::open(path).read_all(kMaxFileBytes), nullptr, false);
    if (!document.is_object() || !document.contains("hosts")) return found;
    for (const Json& entry : document["hosts"]) {
      if (const auto limits = from_json(entry)) found.push_back(*limits);
    }
  } catch (const Error&) {  // not readable, or too large to be ours
  }
  return found;
}

}  // namespace

std::filesystem::path limits_file() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  // A relative path is to be ignored (XDG Base Directory Specification).
  if (const auto folder = variable("XDG_CACHE_HOME"); folder.is_absolute()) {
    return folder / "kinglet/limits.json";
  }
  if (const auto home = variable("HOME"); home.is_absolute()) {
    return home / ".cache/kinglet/limits.json";
  }
  return {};
}

std::optional<Limits> load_limits(const std::filesystem::path& file, const Limits::Host& host) {
  for (const Limits& limits : read_all(file)) {
    if (limits.host == host) return limits;
  }
  return std::nullopt;
}

bool store_limits(const std::filesystem::path& file, const Limits& limits) {
  if (file.empty()) return false;
  std::vector<Limits> all = read_all(file);
  std::erase_if(all, [&](const Limits& old) { return old.host == limits.host; });
  all.push_back(limits);
  if (all.size() > kMaxHosts) all.erase(all.begin(), all.end() - kMaxHosts);

  Json hosts = Json::array();
  for (const Limits& entry : all) hosts.push_back(to_json(entry));
  const Json document = {{"kinglet-limits", 1}, {"hosts", hosts}};
  try {
    std::error_code ignored;  // where it cannot be made, the file cannot either
    std::filesystem::create_directories(file.parent_path(), ignored);
    OutputFile out(file);
    out.write(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    out.commit();
  } catch (const Error&) {
    return false;
  }
  return true;
}

Limits known_limits(const std::filesystem::path& file, std::size_t threads) {
  if (const auto known = load_limits(file, limits_host(threads))) return *known;
  const Limits limits = measure_limits(threads);
  store_limits(file, limits);
  return limits;
}

}  // namespace kinglet
