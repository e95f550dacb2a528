#pragma once

// Malformed files by format, each with what its refusal must say. The tests over them are in
// catalogue_test.cc; tests/hostile has a wider collection for the command line.

#include <string>
#include <vector>

#include "reading.h"

namespace kinglet::io {

struct BadFile {
  std::string name;  // letters and digits
  Format format;
  std::string content;
  std::string says;  // part of the message
};

std::vector<BadFile> bad_gguf_files();
std::vector<BadFile> bad_gguf_models();
std::vector<BadFile> bad_safetensors_files();
std::vector<BadFile> bad_llama2c_files();
std::vector<BadFile> bad_json_files();
std::vector<BadFile> bad_npz_files();

}  // namespace kinglet::io
