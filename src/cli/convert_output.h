#pragma once

// What `kinglet convert` shows: plans, measurements and reports, as tables or as JSON.

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "convert/convert.h"

namespace kinglet::cli {

void print_plan(const Plan& plan);
nlohmann::ordered_json json_of(const Plan& plan);
// Tensors with another type than was asked for: a note for each reason, which names the first.
void note_fallbacks(const Plan& plan);

// The matrices that matter most come first. `chosen` may be empty.
void print_sensitivity(std::span<const Sensitivity> matrices, const ChosenTypes& chosen);
nlohmann::ordered_json json_of(std::span<const Sensitivity> matrices, const ChosenTypes& chosen);

enum class Lines { kAll, kProblems };
void print_report(const Verification& report, Lines lines);
void note_report(const Converted& done);
nlohmann::ordered_json json_of(const Converted& done);

// A line on a terminal's stderr that is written over: how much is done, and the time left at the speed so far.
class Progress {
 public:
  void show_bytes(std::uint64_t done, std::uint64_t of);
  void show_steps(std::string_view what, std::uint64_t done, std::uint64_t of);
  void clear();

 private:
  void show(std::string_view amounts, double done, double of);

  std::chrono::steady_clock::time_point start_, shown_;
  double first_ = 0;
  bool is_shown_ = false;
};

}  // namespace kinglet::cli
