#pragma once

// A file that appears under its name whole or not at all: written to <path>.tmp.<pid> in the same
// directory, fsync, rename, fsync of the directory. Without commit() the half-made file is removed.
// A link is followed. What is no regular file (a pipe, /dev/null) is written to as it is.
// Errors: kRuntime, naming the path.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace kinglet {

class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  [[noreturn]] void fail(std::string_view action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty: written in place
  int descriptor_ = -1;
};

}  // namespace kinglet
