#pragma once

// A matrix of shares in [0, 1] as lines of text: characters from ' ' to '@', or colours of a terminal
// that has 256. The scale is the square root, so that small shares show.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet::cli {

struct HeatMap {
  std::size_t rows = 0, columns = 0;
  std::vector<float> values;  // (rows, columns); NaN where there is nothing

  float at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
};

// Squares of `side` rows and columns become one cell: the mean over rows of the sums over columns.
HeatMap pooled(const HeatMap& map, std::size_t side);

constexpr std::string_view kShades = " .:-=+*#%@";

// A line for each row, a character for each column; nothing is a space too.
std::vector<std::string> in_characters(const HeatMap& map);
// A line for each row, `width` columns of the screen for each column of the map.
std::vector<std::string> in_colours(const HeatMap& map, std::size_t width);
// A line for every two rows: cells are about square.
std::vector<std::string> in_half_blocks(const HeatMap& map);

}  // namespace kinglet::cli
