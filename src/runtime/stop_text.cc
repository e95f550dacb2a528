#include "runtime/stop_text.h"

#include <algorithm>
#include <utility>

namespace kinglet {
namespace {

// Length of the longest end of `text` that begins `stop`, the whole of it excluded.
std::size_t begun(std::string_view text, std::string_view stop) {
  for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.ends_with(stop.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

std::string StopText::push(std::string_view text) {
  if (is_stopped_) return "";
  held_ += text;
  std::size_t stop_at = std::string::npos, keep = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    stop_at = std::min(stop_at, held_.find(stop));
    keep = std::max(keep, begun(held_, stop));
  }
  is_stopped_ = stop_at != std::string::npos;
  std::string shown = held_.substr(0, is_stopped_ ? stop_at : held_.size() - keep);
  held_.erase(0, is_stopped_ ? std::string::npos : shown.size());
  return shown;
}

std::string StopText::finish() { return std::exchange(held_, ""); }

}  // namespace kinglet
