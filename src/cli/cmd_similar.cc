// kinglet similar QUERY --in FILE: the lines of a file nearest to a text by cosine; two texts, or all
// lines with each other. With --vectors FILE, vectors in place of texts.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/embedding.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/probe_texts.h"
#include "cli/similar_report.h"
#include "cli/vectors_option.h"
#include "dense/vector_table.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

struct Options : EmbeddingOptions {
  std::string query, other, file, vectors;
  bool matrix = false;
  SimilarReport report;
};

std::size_t row_of(const dense::VectorTable& table, const Options& options, const std::string& name) {
  if (const auto row = table.find(name)) return *row;
  throw usage_error("no vector of that name").in(printable(options.vectors)).found(kinglet::quoted(name));
}

// A query that is a vector itself starts as JSON lists do.
bool is_vector(const std::string& query) { return query.starts_with('['); }

void compare_vectors(const Options& options) {
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
}

// Rows named by their texts.
dense::VectorTable table_of(const Model& model, const Texts& texts, const EmbedOptions& how) {
  dense::Vectors vectors = vectors_of(model, texts, how);
  return {std::move(vectors.values), texts.texts, std::move(vectors.origin)};
}

Texts arguments(std::vector<std::string> texts) { return {std::move(texts), {.file = "TEXT", .lines = {}, .fault = Fault::kUsage}}; }

void compare_texts(const Options& options) {
  const bool is_pair = !options.other.empty();
  if (is_pair && !options.file.empty()) throw usage_error("two texts and a file: give one QUERY").at("--in");
  const EmbedOptions how = embed_options(options);
  if (how.pooling == Pooling::kNone) throw usage_error("texts are compared by one vector each").at("--pooling").found("none");
  const Texts texts = is_pair ? arguments({options.query, options.other}) : read_texts(options.file);
  const Model model = open_embedder(options);
  const dense::VectorTable table = table_of(model, texts, how);
  if (is_pair) {
    print_pair(table, 0, 1, options.report);
  } else if (options.query.empty()) {
    print_matrix(table, options.report);
  } else {
    print_nearest(table, vectors_of(model, arguments({options.query}), how).values.row(0), std::nullopt, options.report);
  }
}

void similar(Options options) {
  options.report.threads = options.model.threads;
  const bool are_texts = !options.file.empty() || !options.other.empty();
  if (!options.vectors.empty()) {
    compare_vectors(options);
  } else if (are_texts) {
    compare_texts(options);
  } else {
    throw usage_error("nothing to compare with: give --in FILE of texts, --vectors FILE, or two texts");
  }
  flush();
}

}  // namespace

void add_similar(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("similar", "Compare texts, or vectors, by cosine similarity");
  CLI::Option* query = command->add_option(
      "query", options->query, "A text; with --vectors a name in the file, a row's number where it has none, or a vector as JSON");
  query->type_name("QUERY");
  command->add_option("other", options->other, "A second one: only these two are compared")->type_name("OTHER");
  CLI::Option* file = command->add_option("--in", options->file, "The texts: one a line; .jsonl: {\"text\": ...} a line");
  file->type_name("FILE");
  CLI::Option* vectors =
      command->add_option("--vectors", options->vectors,
                          "Vectors, and no model: {\"words\", \"vectors\"} or a list of lists as .json, JSON lines, .npy");
  vectors->type_name("FILE")->excludes(file);
  add_integer(command, "-k", options->report.count, 1, 1'000'000, "How many of the nearest (default 10)");
  command->add_flag("--matrix", options->matrix, "All pairs, and the nearest; so without QUERY")->excludes(query);
  command->add_flag("--json", options->report.json, "As one JSON document, every digit");
  add_embedding_options(command, *options);
  command->remove_option(command->get_option("--no-normalize"));  // a cosine does not change by it
  for (const char* name : {"--model", "--tokenizer", "--pooling", "--layer", "--dimensions", "--chunk"}) {
    vectors->excludes(command->get_option(name));
  }
  set_examples(command, "kinglet similar \"A wolf in the wood\" --in tales.txt -k 3",
               "kinglet similar --vectors words.json king -k 3");
  command->callback([options] { similar(*options); });
}

}  // namespace kinglet::cli
