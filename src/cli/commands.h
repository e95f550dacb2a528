#pragma once

// The subcommands, each in its own file: cmd_<name>.cc. A command's callback returns through
// `exit_code` what is not an Error: 130 after an interrupt, 4 after a comparison that failed.

#include <CLI/CLI.hpp>

namespace kinglet::cli {

void add_run(CLI::App& app, int& exit_code);
void add_tokenize(CLI::App& app, int& exit_code);
void add_detokenize(CLI::App& app);
void add_inspect(CLI::App& app);
void add_convert(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);
void add_score(CLI::App& app, int& exit_code);
void add_embed(CLI::App& app);
void add_similar(CLI::App& app);
void add_probe(CLI::App& app);
void add_bench(CLI::App& app, int& exit_code);
void add_bench_matmul(CLI::App& bench);  // a command of bench
void add_profile(CLI::App& app, int& exit_code);
void add_lens(CLI::App& app, int& exit_code);
void add_completion(CLI::App& app);

}  // namespace kinglet::cli
