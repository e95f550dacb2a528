#include "cli/similar_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/team.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/vectors_option.h"
#include "dense/cosine.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxMatrixRows = 4096;

void print_json(const Json& json) { print_line(json.dump(-1, ' ', false, Json::error_handler_t::replace)); }

// Without a minus sign for what is rounded to zero.
std::string three_digits(double value) { return fmt::format("{:.3f}", std::abs(value) < 0.0005 ? 0.0 : value); }

struct Pair {
  std::size_t a = 0, b = 0;
};

Pair nearest_pair(const dense::Matrix& cosines) {
  Pair best{0, 1};
  for (std::size_t i = 0; i < cosines.rows(); ++i) {
    for (std::size_t j = i + 1; j < cosines.rows(); ++j) {
      if (cosines(i, j) > cosines(best.a, best.b)) best = {i, j};
    }
  }
  return best;
}

// Long names would make wide columns: they stand in front of their rows, and numbers over the columns.
void print_table(const dense::VectorTable& table, const dense::Matrix& cosines) {
  constexpr std::size_t kLongName = 16;
  std::vector<std::string> names;
  std::size_t width = 6;  // "-0.123"
  for (std::size_t i = 0; i < table.rows(); ++i) {
    names.push_back(printable(table.name(i)));
    width = std::max(width, names.back().size());
  }
  std::vector<std::string> heads = names;
  if (width > kLongName) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      heads[i] = fmt::format("{}", i + 1);
      names[i] = fmt::format("{} {}", heads[i], names[i]);
      width = std::max(width, names[i].size());
    }
  }
  const std::size_t column = width > kLongName ? 6 : width;
  std::string head(width, ' ');
  for (const std::string& name : heads) head += fmt::format("  {:>{}}", name, column);
  print_line(head);
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string line = fmt::format("{:<{}}", names[i], width);
    for (const double cosine : cosines.row(i)) line += fmt::format("  {:>{}}", three_digits(cosine), column);
    print_line(line);
  }
}

}  // namespace

void print_nearest(const dense::VectorTable& table, std::span<const double> query, std::optional<std::size_t> without,
                   const SimilarReport& report) {
  if (query.size() != table.width()) {
    throw usage_error("the query does not fit the vectors")
        .at("QUERY")
        .found(fmt::format("{} values", query.size()))
        .allowed(fmt::format("{}", table.width()));
  }
  if (std::all_of(query.begin(), query.end(), [](double value) { return value == 0; })) {
    throw usage_error("a vector of zeros has no direction").at("QUERY");
  }
  Team team(report.threads > 0 ? report.threads : usable_cores());
  const dense::CosineIndex index(table, team);
  std::vector<dense::Neighbour> found = index.nearest(query, report.count + (without ? 1 : 0), team);
  if (without) std::erase_if(found, [&](const dense::Neighbour& near) { return near.row == *without; });
  found.resize(std::min(found.size(), report.count));

  Json list = Json::array();
  for (const dense::Neighbour& near : found) {
    if (report.json) {
      list.push_back({{"row", near.row}, {"name", table.name(near.row)}, {"similarity", near.similarity}});
    } else {
      print_line(fmt::format("{:.6f}\t{}", near.similarity, printable(table.name(near.row))));
    }
  }
  if (report.json) print_json(list);
}

void print_pair(const dense::VectorTable& table, std::size_t a, std::size_t b, const SimilarReport& report) {
  std::vector<double> first, second;
  const double cosine = dense::cosine(table.doubles(a, first), table.doubles(b, second));
  if (report.json) {
    print_json({{"pair", {table.name(a), table.name(b)}}, {"similarity", cosine}});
  } else {
    print_line(fmt::format("{}\t{}\t{}", printable(table.name(a)), printable(table.name(b)), three_digits(cosine)));
  }
}

void print_matrix(const dense::VectorTable& table, const SimilarReport& report) {
  if (table.rows() > kMaxMatrixRows) {
    throw usage_error("too many vectors for a matrix: give a QUERY")
        .found(fmt::format("{}", table.rows()))
        .allowed(fmt::format("up to {}", kMaxMatrixRows));
  }
  const dense::Matrix cosines = dense::cosine_matrix(table);
  const bool has_pair = table.rows() > 1;
  const Pair nearest = has_pair ? nearest_pair(cosines) : Pair{};
  if (report.json) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < table.rows(); ++i) names.push_back(table.name(i));
    Json json = {{"names", names}, {"similarity", Json::array()}};
    for (std::size_t i = 0; i < table.rows(); ++i) {
      json["similarity"].push_back(std::vector<double>(cosines.row(i).begin(), cosines.row(i).end()));
    }
    if (has_pair) {
      json["nearest"] = {{"pair", {names[nearest.a], names[nearest.b]}}, {"similarity", cosines(nearest.a, nearest.b)}};
    }
    print_json(json);
    return;
  }
  print_table(table, cosines);
  if (!has_pair) return;
  print_line(fmt::format("nearest: {} and {}, {}", printable(table.name(nearest.a)), printable(table.name(nearest.b)),
                         three_digits(cosines(nearest.a, nearest.b))));
}

}  // namespace kinglet::cli
