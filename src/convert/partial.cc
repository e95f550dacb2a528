#include "convert/partial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(std::string_view action, const fs::path& path) {
  throw runtime_error(fmt::format("{}: {}", action, std::strerror(errno)))
      .in(printable(path.native()));
}

void write_all(int descriptor, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void sync_directory(const fs::path& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail("cannot open", path);
  const int failed = ::fsync(directory);
  ::close(directory);
  if (failed != 0) fail("cannot write", path);
}

fs::path with_ending(fs::path path, const char* ending) { return path += ending; }

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string content_of(int descriptor) {
  std::string content;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::pread(descriptor, buffer, sizeof(buffer), static_cast<off_t>(content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

PartialOutput::PartialOutput(Place place, std::string_view identity, Start start)
    : place_(std::move(place)),
      partial_(with_ending(place_.out, ".partial")),
      journal_path_(with_ending(partial_, ".journal")) {
  lock_journal();
  try {
    if (start == Start::kResumed && fs::exists(partial_)) read_journal(identity);
    if (done_ > 0) return;
    fs::remove_all(partial_);
    start_journal(identity);
    if (place_.is_directory) fs::create_directories(partial_);
  } catch (const fs::filesystem_error& error) {
    ::close(std::exchange(journal_, -1));
    throw runtime_error(error.code().message()).in(printable(partial_.native()));
  } catch (...) {
    ::close(std::exchange(journal_, -1));
    throw;
  }
}

PartialOutput::~PartialOutput() {
  if (file_ >= 0) ::close(file_);
  if (journal_ < 0) return;
  if (!keeps_) {
    std::error_code ignored;
    fs::remove_all(partial_, ignored);
    ::unlink(journal_path_.c_str());
  }
  ::close(journal_);
}

// The lock is the journal's: two runs to one output do not mix. A journal that its owner removed
// while we waited for the name is none.
void PartialOutput::lock_journal() {
  for (;;) {
    journal_ = ::open(journal_path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (journal_ < 0) fail("cannot write", journal_path_);
    struct stat status = {};
    if (::flock(journal_, LOCK_EX | LOCK_NB) != 0) {
      ::close(std::exchange(journal_, -1));
      throw runtime_error("another conversion is writing it").in(printable(place_.out.native()));
    }
    if (::fstat(journal_, &status) == 0 && status.st_nlink > 0) return;
    ::close(journal_);
  }
}

void PartialOutput::read_journal(std::string_view identity) {
  const std::string journal = content_of(journal_);
  const std::size_t first_end = journal.find('\n');
  if (first_end == journal.npos) return;  // broken off before it began
  if (std::string_view(journal).substr(0, first_end) != identity) {
    throw usage_error("what is there was begun from another source or with other options; without --resume it is removed")
        .in(printable(partial_.native()));
  }
  for (std::size_t at = first_end + 1;;) {
    const std::size_t end = journal.find('\n', at);
    if (end == journal.npos) return;  // a line that was cut
    std::from_chars(journal.data() + at, journal.data() + end, done_);
    at = end + 1;
  }
}

void PartialOutput::start_journal(std::string_view identity) {
  if (::ftruncate(journal_, 0) != 0) fail("cannot write", journal_path_);
  const std::string line = std::string(identity) + "\n";
  write_all(journal_, std::as_bytes(std::span(line)), journal_path_);
}

void PartialOutput::next_file(const std::string& name, std::uint64_t begin) {
  close_file();
  open_path_ = name.empty() ? partial_ : partial_ / name;
  file_ = ::open(open_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) fail("cannot write", open_path_);
  struct stat status = {};
  if (::fstat(file_, &status) != 0) fail("cannot stat", open_path_);
  if (static_cast<std::uint64_t>(status.st_size) < begin) {
    throw runtime_error("is shorter than its journal says; without --resume it is removed")
        .in(printable(open_path_.native()));
  }
  if (::ftruncate(file_, static_cast<off_t>(begin)) != 0 ||
      ::lseek(file_, static_cast<off_t>(begin), SEEK_SET) < 0) {
    fail("cannot write", open_path_);
  }
}

void PartialOutput::write(std::span<const std::byte> bytes) { write_all(file_, bytes, open_path_); }

std::span<const std::byte> PartialOutput::read_back(std::uint64_t begin, std::uint64_t count) {
  read_.resize(static_cast<std::size_t>(count));
  for (std::size_t done = 0; done < read_.size();) {
    const ssize_t got = ::pread(file_, read_.data() + done, read_.size() - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read", open_path_);
    if (got == 0) throw runtime_error("is shorter than it was").in(printable(open_path_.native()));
    done += static_cast<std::size_t>(got);
  }
  return read_;
}

void PartialOutput::checkpoint(std::uint64_t done) {
  if (file_ >= 0 && ::fsync(file_) != 0) fail("cannot write", open_path_);
  const std::string line = fmt::format("{}\n", done);
  write_all(journal_, std::as_bytes(std::span(line)), journal_path_);
}

void PartialOutput::close_file() {
  if (file_ < 0) return;
  if (::fsync(file_) != 0) fail("cannot write", open_path_);
  if (::close(std::exchange(file_, -1)) != 0) fail("cannot write", open_path_);
}

void PartialOutput::finish() {
  close_file();
  if (place_.is_directory) sync_directory(partial_);
}

void PartialOutput::publish() {
  finish();
  const bool replaces_directory = fs::is_directory(fs::symlink_status(place_.out));
  // A directory that is there cannot be renamed over: the two change places in one step.
  const int failed = replaces_directory ? ::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD,
                                                      place_.out.c_str(), RENAME_EXCHANGE)
                                        : ::rename(partial_.c_str(), place_.out.c_str());
  if (failed != 0) fail("cannot rename to it", place_.out);
  sync_directory(folder_of(place_.out));
  std::error_code ignored;
  if (replaces_directory) fs::remove_all(partial_, ignored);
  ::unlink(journal_path_.c_str());
  ::close(std::exchange(journal_, -1));
}

fs::path PartialOutput::set_aside() {
  finish();
  const fs::path failed = with_ending(place_.out, ".failed");
  std::error_code error;
  fs::remove_all(failed, error);
  fs::rename(partial_, failed, error);
  if (error) throw runtime_error("cannot rename to it: " + error.message()).in(printable(failed.native()));
  return failed;
}

}  // namespace kinglet
