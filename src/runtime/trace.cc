// Chrome's trace events: "X" is a slice with its begin and length. Slices of a row nest by time.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "runtime/profile.h"

namespace kinglet {
namespace {

struct Slice {
  std::int64_t begin = 0, end = 0;
  std::size_t row = 0;
  int depth = 0;  // 0: a pass, 1: a step, 2: a wait
  std::string name;
  std::string args;  // a JSON object, or empty
};

void add_member(const nn::Recorder::Part& member, std::size_t row, std::vector<Slice>& slices) {
  std::int64_t begin = member.begin;
  for (const nn::Lap& lap : member.laps) {
    slices.push_back({begin, lap.end, row, 1, std::string(name_of(lap.step.op)),
                      lap.step.layer < 0 ? fmt::format(R"({{"rows":{}}})", lap.step.rows)
                                         : fmt::format(R"({{"layer":{},"rows":{}}})",
                                                       lap.step.layer, lap.step.rows)});
    begin = lap.end;
  }
  for (const Wait& wait : member.waits) slices.push_back({wait.begin, wait.end, row, 2, "wait", ""});
}

std::vector<Slice> slices_of(const nn::Recorder& recorder) {
  std::vector<Slice> slices;
  for (std::size_t i = 0; i < recorder.size(); ++i) {
    const nn::Recorder::Pass pass = recorder.pass(i);
    const bool is_prefill = pass.phase == nn::Recorder::Phase::kPrefill;
    for (std::size_t row = 0; row < pass.members.size(); ++row) {
      const nn::Recorder::Part& member = pass.members[row];
      slices.push_back({member.begin, member.laps.back().end, row, 0,
                        fmt::format("{} {}", is_prefill ? "prefill" : "decode", i),
                        fmt::format(R"({{"rows":{}}})", pass.rows())});
      add_member(member, row, slices);
    }
  }
  std::stable_sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.depth < b.depth;
  });
  return slices;
}

// Microseconds, to the nanosecond.
std::string microseconds(std::int64_t nanoseconds) {
  return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

}  // namespace

void write_trace(const Profile& profile, const std::filesystem::path& path) {
  const std::vector<Slice> slices = slices_of(*profile.recorder);
  const std::int64_t origin = slices.empty() ? 0 : slices.front().begin;
  std::size_t rows = 0;
  for (const Slice& slice : slices) rows = std::max(rows, slice.row + 1);

  OutputFile file(path);
  const nlohmann::ordered_json about = {{"model", profile.model}, {"isa", profile.isa}};
  file.write(fmt::format("{{\"displayTimeUnit\":\"ns\",\"otherData\":{},\n\"traceEvents\":[\n",
                         about.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)));
  file.write(R"({"ph":"M","pid":1,"name":"process_name","args":{"name":"kinglet"}})");
  for (std::size_t row = 0; row < rows; ++row) {
    file.write(fmt::format(
        ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{},\"name\":\"thread_name\",\"args\":{{\"name\":\"thread {}\"}}}}",
        row, row));
  }
  std::string text;
  for (const Slice& slice : slices) {
    text += fmt::format(",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"name\":\"{}\",\"ts\":{},\"dur\":{}{}}}",
                        slice.row, slice.name, microseconds(slice.begin - origin),
                        microseconds(slice.end - slice.begin),
                        slice.args.empty() ? "" : ",\"args\":" + slice.args);
    if (text.size() > (1u << 16)) {
      file.write(text);
      text.clear();
    }
  }
  file.write(text + "\n]}\n");
  file.commit();
}

}  // namespace kinglet
