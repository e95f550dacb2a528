#include "cli/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/checked.h"

namespace kinglet::cli {
namespace {

constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();

// Of the 256 colours: black, violet, red, yellow, white, each step brighter than the one before.
constexpr std::array kColours = {16, 17, 18, 54, 90, 126, 161, 197, 203, 209, 215, 221, 228, 230};
constexpr int kNoColour = -1;

// [0, 1] to [0, steps)
std::size_t step_of(float share, std::size_t steps) {
  const float root = std::sqrt(std::clamp(share, 0.0f, 1.0f));
  return static_cast<std::size_t>(std::lround(root * static_cast<float>(steps - 1)));
}

int colour_of(float share) {
  return std::isnan(share) ? kNoColour : kColours[step_of(share, kColours.size())];
}

// Escape sequences that are needed to get from one cell to the next.
class Painter {
 public:
  void cell(int front, int back, std::string_view text) {
    if (front != front_) line_ += front == kNoColour ? "\x1b[39m" : fmt::format("\x1b[38;5;{}m", front);
    if (back != back_) line_ += back == kNoColour ? "\x1b[49m" : fmt::format("\x1b[48;5;{}m", back);
    front_ = front;
    back_ = back;
    line_ += text;
  }
  std::string finish() && {
    cell(kNoColour, kNoColour, "");
    return std::move(line_);
  }

 private:
  int front_ = kNoColour, back_ = kNoColour;
  std::string line_;
};

}  // namespace

HeatMap pooled(const HeatMap& map, std::size_t side) {
  HeatMap small = {.rows = ceil_div(map.rows, side), .columns = ceil_div(map.columns, side), .values = {}};
  for (std::size_t row = 0; row < small.rows; ++row) {
    for (std::size_t column = 0; column < small.columns; ++column) {
      float sum = 0;
      std::size_t rows = 0;
      for (std::size_t r = row * side; r < std::min(map.rows, (row + 1) * side); ++r) {
        bool is_there = false;
        for (std::size_t c = column * side; c < std::min(map.columns, (column + 1) * side); ++c) {
          if (std::isnan(map.at(r, c))) continue;
          sum += map.at(r, c);
          is_there = true;
        }
        rows += is_there;
      }
      small.values.push_back(rows == 0 ? kNothing : sum / static_cast<float>(rows));
    }
  }
  return small;
}

std::vector<std::string> in_characters(const HeatMap& map) {
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < map.rows; ++row) {
    std::string line;
    for (std::size_t column = 0; column < map.columns; ++column) {
      const float share = map.at(row, column);
      line += std::isnan(share) ? ' ' : kShades[step_of(share, kShades.size())];
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> in_colours(const HeatMap& map, std::size_t width) {
  const std::string cell(width, ' ');
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < map.rows; ++row) {
    Painter painter;
    for (std::size_t column = 0; column < map.columns; ++column) {
      painter.cell(kNoColour, colour_of(map.at(row, column)), cell);
    }
    lines.push_back(std::move(painter).finish());
  }
  return lines;
}

std::vector<std::string> in_half_blocks(const HeatMap& map) {
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < map.rows; row += 2) {
    Painter painter;
    for (std::size_t column = 0; column < map.columns; ++column) {
      const int upper = colour_of(map.at(row, column));
      const int lower = row + 1 < map.rows ? colour_of(map.at(row + 1, column)) : kNoColour;
      if (upper != kNoColour) {
        painter.cell(upper, lower, "▀");
      } else {
        painter.cell(lower, kNoColour, lower == kNoColour ? " " : "▄");
      }
    }
    lines.push_back(std::move(painter).finish());
  }
  return lines;
}

}  // namespace kinglet::cli
