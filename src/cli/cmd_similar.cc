// kinglet similar --vectors FILE [QUERY [OTHER]]: the nearest by cosine, two compared, or all pairs.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/similar_report.h"
#include "cli/vectors_option.h"
#include "dense/vector_table.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options {
  std::string query, other, vectors;
  bool matrix = false;
  SimilarReport report;
};

std::size_t row_of(const dense::VectorTable& table, const Options& options, const std::string& name) {
  if (const auto row = table.find(name)) return *row;
  throw usage_error("no vector of that name").in(printable(options.vectors)).found(kinglet::quoted(name));
}

// A query that is a vector itself starts as JSON lists do.
bool is_vector(const std::string& query) { return query.starts_with('['); }

void similar(const Options& options) {
  if (options.vectors.empty()) throw usage_error("no vectors: give --vectors FILE");
  const dense::VectorTable table = dense::read_vector_table(options.vectors);
  if (options.query.empty()) {
    print_matrix(table, options.report);
  } else if (!options.other.empty()) {
    print_pair(table, row_of(table, options, options.query), row_of(table, options, options.other), options.report);
  } else if (is_vector(options.query)) {
    const dense::Vectors query = vectors_given(options.query, "QUERY");
    if (query.values.rows() != 1) throw usage_error("more than one vector").at("QUERY");
    print_nearest(table, query.values.row(0), std::nullopt, options.report);
  } else {
    const std::size_t row = row_of(table, options, options.query);
    std::vector<double> scratch;
    print_nearest(table, table.doubles(row, scratch), row, options.report);
  }
  flush();
}

}  // namespace

void add_similar(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("similar", "Compare vectors by cosine similarity");
  CLI::Option* query = command->add_option(
      "query", options->query, "A name in the file, a row's number where it has no names, or a vector as JSON");
  query->type_name("QUERY");
  command->add_option("other", options->other, "A second name: only these two are compared")->type_name("OTHER");
  command
      ->add_option("--vectors", options->vectors,
                   "The vectors: {\"words\", \"vectors\"} or a list of lists as .json, JSON lines, .npy")
      ->type_name("FILE");
  add_integer(command, "-k", options->report.count, 1, 1'000'000, "How many of the nearest (default 10)");
  command->add_flag("--matrix", options->matrix, "All pairs, and the nearest; so without QUERY")->excludes(query);
  add_threads_option(command, options->report.threads);
  command->add_flag("--json", options->report.json, "As one JSON document, every digit");
  set_examples(command, "kinglet similar --vectors words.json", "kinglet similar --vectors words.json king -k 3");
  command->callback([options] { similar(*options); });
}

}  // namespace kinglet::cli
