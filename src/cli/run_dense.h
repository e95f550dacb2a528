#pragma once

// kinglet run -m NETWORK --input JSON|FILE: a dense network's outputs.

#include <string>

namespace kinglet::cli {

struct DenseOptions {
  std::string model;
  std::string input;  // [..] JSON, "-" JSON lines on stdin, else a file: .json, .jsonl, .npy
  bool json = false;  // every digit
};

// Prints a list of numbers for each vector; one document under --json.
void run_dense(const DenseOptions& options);

}  // namespace kinglet::cli
