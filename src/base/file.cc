#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

File File::open(const std::filesystem::path& path) {
  File file;
  file.name_ = printable(path.native());
  // Without O_NONBLOCK, opening a FIFO that nobody writes to would wait for ever.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file.descriptor_ < 0) {
    throw refused(fmt::format("cannot open: {}", std::strerror(errno))).in(file.name_);
  }
  struct stat status = {};
  if (::fstat(file.descriptor_, &status) != 0) {
    throw refused(fmt::format("cannot stat: {}", std::strerror(errno))).in(file.name_);
  }
  if (!S_ISREG(status.st_mode)) {
    throw refused(fmt::format("{}, not a regular file", kind_of(status.st_mode))).in(file.name_);
  }
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

File File::memory(std::string name, std::span<const std::byte> bytes) {
  File file;
  file.name_ = std::move(name);
  file.memory_ = bytes.data();
  file.size_ = bytes.size();
  return file;
}

File::File(File&& other) noexcept
    : name_(std::move(other.name_)),
      size_(other.size_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      memory_(other.memory_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(size_, other.size_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (!fits(offset, out.size(), size_)) {
    throw runtime_error("read past the end").in(name_).at("", offset);
  }
  if (descriptor_ < 0) {
    if (!out.empty()) std::memcpy(out.data(), memory_ + offset, out.size());
    return;
  }
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw runtime_error(fmt::format("cannot read: {}", std::strerror(errno))).in(name_);
    if (got == 0) throw runtime_error("the file changed while in use").in(name_).at("", offset);
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::string File::read_all(std::uint64_t limit) const {
  if (size_ > limit) {
    throw refused(fmt::format("too large: {} bytes, at most {} are read", size_, limit)).in(name_);
  }
  std::string content(static_cast<std::size_t>(size_), '\0');
  read(0, std::as_writable_bytes(std::span(content)));
  return content;
}

}  // namespace kinglet
