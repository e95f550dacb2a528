// Every malformed file is refused, with a message that names file and place.

#include "catalogue.h"

#include <gtest/gtest.h>

namespace kinglet::io {
namespace {

std::vector<BadFile> all_bad_files() {
  std::vector<BadFile> all;
  for (auto* list : {bad_gguf_files, bad_gguf_models, bad_safetensors_files, bad_llama2c_files,
                     bad_json_files, bad_npz_files}) {
    for (BadFile& file : list()) all.push_back(std::move(file));
  }
  return all;
}

class BadFiles : public testing::TestWithParam<BadFile> {};

TEST_P(BadFiles, AreRefused) {
  const BadFile& bad = GetParam();
  expect_refused([&] { open_text(bad.format, bad.content); }, "hostile.file", bad.says);
}

INSTANTIATE_TEST_SUITE_P(, BadFiles, testing::ValuesIn(all_bad_files()),
                         [](const auto& file) { return file.param.name; });

}  // namespace

void PrintTo(const BadFile& file, std::ostream* out) { *out << file.name; }

}  // namespace kinglet::io
