#pragma once

// A run with the clock on, summed up: by operation and by layer, prefill and decode apart.
//
// An operation's time is the first thread's, which takes part in all of them and does what lies
// between two passes too; so the operations add up to the run. Waiting and imbalance are of all.

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/generate.h"
#include "nn/recorder.h"
#include "runtime/limits.h"
#include "runtime/step_cost.h"

namespace kinglet {

struct Profile {
  // What some calls took: all of one operation, or all of one layer.
  struct Line {
    std::string name, kernel;  // "gate_up", "q4_0"
    std::size_t calls = 0;
    double seconds = 0;        // of the first thread
    double wait_seconds = 0;   // at the barrier, mean of the threads
    double mean_work_seconds = 0, longest_work_seconds = 0;  // of the threads, without waiting
    Cost cost;
    double limit_seconds = 0;          // the shortest time that the machine can do it in
    std::map<std::string_view, double> limit_seconds_by;  // of it, by what binds (Bound::by)

    double gbps() const { return seconds > 0 ? cost.bytes() / seconds * 1e-9 : 0; }
    double gops() const { return seconds > 0 ? cost.operations() / seconds * 1e-9 : 0; }
    double of_limit() const { return seconds > 0 ? limit_seconds / seconds : 0; }
    std::string_view bound() const;  // what most of the limit comes from; empty where there is none
    double wait_share() const;  // of all threads' time
    // The slowest thread's work over the mean's: 1 is balanced.
    double imbalance() const;
    Line& operator+=(const Line& other);
  };
  struct Operation : Line {
    nn::Op op = nn::Op::kGather;
  };
  struct Layer : Line {
    std::array<double, nn::kOps> seconds_of{};  // by Op
  };
  struct Phase {
    std::string name;  // "prefill", "decode"
    std::size_t passes = 0, threads = 0;  // threads: of most passes
    std::size_t tokens = 0;  // evaluated, drafts that were wrong among them
    double seconds = 0;  // of the passes, by generate()'s own clock where all were recorded
    Limits limits;       // for that many threads
    std::vector<Operation> operations;  // those that occur, in the order of a pass
    std::vector<Layer> layers;
    Line total;
  };

  std::string model, format, isa, cache_type;
  std::size_t layers = 0;
  std::vector<Phase> phases;           // those that have passes
  std::size_t recorded = 0, passes = 0;  // less where the buffers were full
  Generated generated;
  std::unique_ptr<nn::Recorder> recorder;
};

// The machine's limits for so many threads: known_limits() of a file, or a test's own.
using LimitsOf = std::function<Limits(std::size_t threads)>;

// Errors: those of generate().
Profile profile(const Model& model, const Request& request, const GenerateOptions& options,
                Watch watch, const LimitsOf& limits_of);

// Chrome's trace events (JSON object format), for Perfetto: a row for each thread, in it the passes,
// in them the steps, in them the waits. Times in microseconds from the first pass, ascending.
// Errors: kRuntime, the file cannot be written.
void write_trace(const Profile& profile, const std::filesystem::path& path);

// A page that shows the profile: it needs nothing but itself. Errors: kRuntime.
void write_html(const Profile& profile, const std::filesystem::path& path);

}  // namespace kinglet
