#pragma once

// An output under construction. It lies beside its place as OUT.partial (a file or a directory) with
// a journal, OUT.partial.journal: a line that identifies the work, then a line for each point up to
// which all bytes are on the disk. publish() gives it OUT's name: fsync, rename, fsync of the
// directory. Whatever happens before that, OUT is what it was.
//
// Bytes are counted over all files, in the plan's order.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

enum class Start { kAnew, kResumed };

class PartialOutput {
 public:
  struct Place {
    std::filesystem::path out;
    bool is_directory = false;
  };

  // What an earlier run left is removed, or with kResumed gone on from if it was the same work
  // (`identity`, one line). Errors: kUsage (another work's), kRuntime (I/O; a run that is still at it).
  PartialOutput(Place place, std::string_view identity, Start start);
  PartialOutput(const PartialOutput&) = delete;
  PartialOutput& operator=(const PartialOutput&) = delete;
  // What was not published is removed, unless keep() was called.
  ~PartialOutput();

  const std::filesystem::path& path() const { return partial_; }
  std::uint64_t done() const { return done_; }  // bytes of an earlier run that count

  // The next file; `begin`: how much of it is there already. Ends the one before, synced.
  void next_file(const std::string& name, std::uint64_t begin);
  void write(std::span<const std::byte> bytes);
  // What that file has at [begin, begin + count); valid until the next call.
  std::span<const std::byte> read_back(std::uint64_t begin, std::uint64_t count);
  // All bytes up to `done` are on the disk from here on.
  void checkpoint(std::uint64_t done);
  // Ends the last file, synced.
  void finish();

  void keep() { keeps_ = true; }
  void publish();
  // Instead: gives it the name OUT.failed, in the place of an older one.
  std::filesystem::path set_aside();

 private:
  void lock_journal();
  void read_journal(std::string_view identity);
  void start_journal(std::string_view identity);
  void close_file();

  Place place_;
  std::filesystem::path partial_, journal_path_, open_path_;
  int journal_ = -1, file_ = -1;
  std::uint64_t done_ = 0;
  std::vector<std::byte> read_;
  bool keeps_ = false;
};

}  // namespace kinglet
