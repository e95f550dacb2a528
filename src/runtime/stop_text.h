#pragma once

// Text that ends before the first stop string. Text that may be the beginning of one is held back
// until it is clear that it is not.

#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

class StopText {
 public:
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Takes more text; returns what may be shown now.
  std::string push(std::string_view text);
  // The text is over: returns what was held back.
  std::string finish();

  bool is_stopped() const { return is_stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool is_stopped_ = false;
};

}  // namespace kinglet
