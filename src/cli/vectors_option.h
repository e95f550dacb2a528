#pragma once

// Vectors on the command line, and lists of numbers on stdout.

#include <span>
#include <string>

#include "dense/vectors.h"

namespace kinglet::cli {

// `given`: JSON where it starts with '[', "-" for JSON lines on stdin, else a file (.json, .jsonl,
// .npy). Errors: kUsage, naming `option`, for JSON; kRefused, naming the file.
dense::Vectors vectors_given(const std::string& given, const std::string& option);

enum class Digits { kEight, kAll };

// "[0.1265973, 0.73495305]", which is JSON: eight significant digits, or as many as give the same
// doubles back.
std::string number_list(std::span<const double> values, Digits digits);

}  // namespace kinglet::cli
