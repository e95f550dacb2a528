#pragma once

// Bytes that can be read at any position: a regular file, or memory that stands for one (the model
// built into the binary). Reading is by position, so threads may share a File.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace kinglet {

class File {
 public:
  // Opens a regular file; a FIFO, a device or a directory is refused at once, without waiting on it.
  // Errors: kRefused, naming the path and the reason.
  static File open(const std::filesystem::path& path);
  // `bytes` outlive the File; `name` stands in messages.
  static File memory(std::string name, std::span<const std::byte> bytes);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  std::uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }  // as given, made printable

  // Fills `out` from `offset`. Thread-safe. Errors: kRuntime where the bytes are no longer there.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  // The whole content. Errors: kRefused over `limit` bytes.
  std::string read_all(std::uint64_t limit) const;

 private:
  File() = default;

  std::string name_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;                  // a file,
  const std::byte* memory_ = nullptr;  // or memory
};

}  // namespace kinglet
