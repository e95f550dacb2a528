// kinglet bench matmul: the kernels alone against the loop that anyone would write.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/number_list.h"
#include "cli/options.h"
#include "cli/output.h"
#include "kinglet/version.h"
#include "runtime/bench_matmul.h"

namespace kinglet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model, type = "f32";
  std::vector<std::size_t> tokens = {1, 128};
  std::size_t threads = default_threads();
  bool json = false;
};

void print_row(const MatmulSize& size, const MatmulWay& way, double naive) {
  print_line(fmt::format("| {:>13} | {:>6} | {:<14} | {:>9.2f} | {:>9.1f} x | {:>10.1e} |",
                         fmt::format("{} x {}", size.out, size.in), size.tokens, way.name, way.gflops,
                         way.gflops / naive, way.difference));
}

void bench_sizes(const Options& options) {
  Json rows = Json::array();
  if (!options.json) {
    print_line("|   out x in    | tokens | way            |   GFLOP/s |    speed-up | difference |");
    print_line("| ------------: | -----: | -------------- | --------: | ----------: | ---------: |");
  }
  for (const MatmulSize& size : matmul_sizes(options.type, options.model, options.tokens)) {
    const std::vector<MatmulWay> ways = bench_matmul(size, options.threads);
    for (const MatmulWay& way : ways) {
      const double naive = ways.front().gflops;
      if (!options.json) print_row(size, way, naive);
      rows.push_back({{"type", options.type},
                      {"out", size.out},
                      {"in", size.in},
                      {"tokens", size.tokens},
                      {"way", way.name},
                      {"gflops", way.gflops},
                      {"speed_up", way.gflops / naive},
                      {"largest_difference", way.difference}});
    }
    flush();
  }
  if (options.json) print_line(rows.dump(2));
}

}  // namespace

void add_bench_matmul(CLI::App& bench) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      bench.add_subcommand("matmul", "Time the kernels alone against the naive loop");
  command->add_option("-m,--model", options->model, "Time the matrices of this model too")
      ->type_name("PATH");
  command->add_option("--type", options->type, "Weights' type: f32 (default), f16, bf16, q8_0, ...")
      ->type_name("TYPE");
  command
      ->add_option_function<std::string>(
          "-b,--batch",
          [options](const std::string& text) {
            options->tokens = parse_numbers("--batch", text, 1, 65536);
          },
          "Tokens at once, for the model's matrices; default 1,128")
      ->type_name("LIST");
  add_integer(command, "-t,--threads", options->threads, 1, 1024, "Threads of the last way");
  command->add_flag("--json", options->json, "One JSON document instead of a table");
  set_examples(command, "kinglet bench matmul", "kinglet bench matmul -m model.gguf --type q8_0 -b 1,32");
  command->callback([options] { bench_sizes(*options); });
}

}  // namespace kinglet::cli
