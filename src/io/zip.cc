#include "io/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "base/checked.h"
#include "base/text.h"
#include "io/tensor_table.h"
#include "kinglet/error.h"

namespace kinglet::io {
namespace {

constexpr std::string_view kEntry = "PK\x01\x02", kEnd = "PK\x05\x06", kEnd64 = "PK\x06\x06", kLocator = "PK\x06\x07";
constexpr std::uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::uint64_t kLongestComment = 65'535, kLongestDirectory = 64 << 20;
constexpr std::uint16_t kEncrypted = 1, kDescribed = 1 << 3, kUtf8 = 1 << 11;
constexpr std::uint16_t kVersion = 45;       // that knows ZIP64
constexpr std::uint16_t kFirstDay = 0x0021;  // 1980-01-01
constexpr std::uint16_t kZip64 = 1;          // the extra field
constexpr std::uint32_t kUnix = 3 << 8;

// ---- reading ----

template <class T>
T value_at(std::string_view bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

class Reader {
 public:
  explicit Reader(const File& file) : file_(file) {}

  std::vector<ZipMember> members() {
    find_directory();
    const std::string directory = bytes_at("directory", directory_, directory_bytes_);
    std::vector<ZipMember> members;
    std::set<std::string> names;
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < count_; ++i) {
      members.push_back(entry_at(directory, at));
      if (!names.insert(members.back().name).second) {
        throw error("a name stands there twice", "directory", directory_).found(kinglet::quoted(members.back().name));
      }
    }
    check_overlaps(members);
    return members;
  }

 private:
  Error error(std::string problem, std::string field, std::uint64_t at) const {
    return refused(std::move(problem)).in(file_.name()).at(std::move(field), at);
  }

  std::string bytes_at(const char* field, std::uint64_t at, std::uint64_t count) const {
    if (!fits(at, count, file_.size())) {
      throw error(fmt::format("lies outside the file, which has {} bytes (truncated?)", file_.size()), field, at);
    }
    std::string bytes(static_cast<std::size_t>(count), '\0');
    file_.read(at, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // The end's record is the last thing in the file but for a comment.
  void find_directory() {
    const std::uint64_t tail = std::min(file_.size(), kEndBytes + kLongestComment);
    const std::string bytes = bytes_at("end", file_.size() - tail, tail);
    for (std::size_t at = bytes.size() < kEndBytes ? bytes.npos : bytes.rfind(kEnd, bytes.size() - kEndBytes);
         at != bytes.npos; at = at == 0 ? bytes.npos : bytes.rfind(kEnd, at - 1)) {
      if (at + kEndBytes + value_at<std::uint16_t>(bytes, at + 20) == bytes.size()) {
        return read_end(std::string_view(bytes).substr(at), file_.size() - tail + at);
      }
    }
    throw error("a ZIP archive without its end (truncated?)", "end", file_.size());
  }

  void read_end(std::string_view end, std::uint64_t at) {
    count_ = value_at<std::uint16_t>(end, 10);
    directory_bytes_ = value_at<std::uint32_t>(end, 12);
    directory_ = value_at<std::uint32_t>(end, 16);
    const bool is_64 = count_ == UINT16_MAX || directory_bytes_ == UINT32_MAX || directory_ == UINT32_MAX;
    if (is_64 && at >= kLocatorBytes) {
      const std::string locator = bytes_at("locator", at - kLocatorBytes, kLocatorBytes);
      if (locator.starts_with(kLocator)) read_end64(value_at<std::uint64_t>(locator, 8));
    }
    if (count_ > kMaxTensors || directory_bytes_ > kLongestDirectory) {
      throw error("too many members", "end", at)
          .found(fmt::format("{} in {} bytes", count_, directory_bytes_))
          .allowed(fmt::format("at most {} in {}", kMaxTensors, kLongestDirectory));
    }
  }

  void read_end64(std::uint64_t at) {
    const std::string end = bytes_at("end", at, kEnd64Bytes);
    if (!end.starts_with(kEnd64)) throw error("not the end of a ZIP64 archive", "end", at);
    count_ = value_at<std::uint64_t>(end, 32);
    directory_bytes_ = value_at<std::uint64_t>(end, 40);
    directory_ = value_at<std::uint64_t>(end, 48);
  }

  // Takes the entry at `at` of the directory, and moves `at` behind it.
  ZipMember entry_at(std::string_view directory, std::uint64_t& at) const {
    const auto cut = [&] { return error("the directory is cut", "directory", directory_ + at); };
    if (!fits(at, kEntryBytes, directory.size())) throw cut();
    const std::string_view entry = directory.substr(static_cast<std::size_t>(at));
    if (!entry.starts_with(kEntry)) throw error("not an entry of a ZIP directory", "directory", directory_ + at);
    const std::uint64_t name = value_at<std::uint16_t>(entry, 28), extra = value_at<std::uint16_t>(entry, 30);
    const std::uint64_t comment = value_at<std::uint16_t>(entry, 32);
    if (!fits(kEntryBytes, name + extra + comment, entry.size())) throw cut();

    ZipMember member;
    member.name = entry.substr(kEntryBytes, static_cast<std::size_t>(name));
    check_name(member.name, directory_ + at);
    const std::string field = fmt::format("member {}", kinglet::quoted(member.name));
    if ((value_at<std::uint16_t>(entry, 8) & kEncrypted) != 0) throw error("is encrypted", field, directory_ + at);
    std::uint64_t packed = value_at<std::uint32_t>(entry, 20), start = value_at<std::uint32_t>(entry, 42);
    member.size = value_at<std::uint32_t>(entry, 24);
    read_extra(entry.substr(static_cast<std::size_t>(kEntryBytes + name), static_cast<std::size_t>(extra)),
               {&member.size, &packed, &start});
    if (const auto method = value_at<std::uint16_t>(entry, 10); method != 0) {
      throw error("is compressed; numpy.savez writes arrays as they are", field, directory_ + at)
          .found(fmt::format("method {}", method))
          .allowed("0");
    }
    if (packed != member.size) throw error("has two sizes", field, directory_ + at);
    member.offset = behind_header(member, field, start);
    at += kEntryBytes + name + extra + comment;
    return member;
  }

  void check_name(const std::string& name, std::uint64_t at) const {
    const bool leaves = name.starts_with('/') || name.find("..") != name.npos || name.find('\\') != name.npos;
    if (name.empty() || leaves || name.find('\0') != name.npos) {
      throw error("a member's name is a path out of the archive", "directory", at).found(kinglet::quoted(name));
    }
  }

  // ZIP64's values, of those that the entry itself could not hold, in this order.
  static void read_extra(std::string_view extra, std::initializer_list<std::uint64_t*> values) {
    while (extra.size() >= 4) {
      const std::size_t size = std::min<std::size_t>(value_at<std::uint16_t>(extra, 2), extra.size() - 4);
      std::string_view field = extra.substr(4, size);
      if (value_at<std::uint16_t>(extra, 0) == kZip64) {
        for (std::uint64_t* value : values) {
          if (*value != UINT32_MAX || field.size() < 8) continue;
          *value = value_at<std::uint64_t>(field, 0);
          field.remove_prefix(8);
        }
      }
      extra.remove_prefix(4 + size);
    }
  }

  // Where the bytes begin: the local header's own lengths count.
  std::uint64_t behind_header(const ZipMember& member, const std::string& field, std::uint64_t at) const {
    const std::string header = bytes_at(field.c_str(), at, kLocalBytes);
    const std::uint64_t name = value_at<std::uint16_t>(header, 26), extra = value_at<std::uint16_t>(header, 28);
    if (!header.starts_with(kZipStart) || bytes_at(field.c_str(), at + kLocalBytes, name) != member.name) {
      throw error("the directory points to another place", field, at);
    }
    const std::uint64_t offset = at + kLocalBytes + name + extra;
    if (!fits(offset, member.size, file_.size())) {
      throw error(fmt::format("{} bytes at {} lie outside the file, which has {}", member.size, offset, file_.size()),
                  field, at);
    }
    return offset;
  }

  void check_overlaps(std::span<const ZipMember> members) const {
    std::vector<TensorInfo> places;
    for (const ZipMember& member : members) {
      TensorInfo place;
      place.name = place.name_in_file = member.name;
      place.file = file_.name();
      place.offset = member.offset;
      place.nbytes = member.size;
      places.push_back(std::move(place));
    }
    in_order_of_offset(places);
  }

  const File& file_;
  std::uint64_t count_ = 0, directory_ = 0, directory_bytes_ = 0;
};

// ---- writing ----

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// Version, flags, method, time, date: what a local header and an entry have in common.
void put_start(std::string& out) {
  put<std::uint16_t>(out, kVersion);
  put<std::uint16_t>(out, kDescribed | kUtf8);
  put<std::uint16_t>(out, 0);
  put<std::uint16_t>(out, 0);
  put<std::uint16_t>(out, kFirstDay);
}

}  // namespace

std::vector<ZipMember> read_zip(const File& file) { return Reader(file).members(); }

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t before) {
  return static_cast<std::uint32_t>(::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string local_header(std::string_view name, std::uint64_t size) {
  std::string out(kZipStart);
  put_start(out);
  put<std::uint32_t>(out, 0);  // the CRC comes in the descriptor
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint16_t>(out, static_cast<std::uint16_t>(name.size()));
  put<std::uint16_t>(out, 20);
  out += name;
  put<std::uint16_t>(out, kZip64);
  put<std::uint16_t>(out, 16);
  put<std::uint64_t>(out, size);
  put<std::uint64_t>(out, size);
  return out;
}

std::string descriptor_end(std::uint64_t size) {
  std::string out;
  put<std::uint64_t>(out, size);
  put<std::uint64_t>(out, size);
  return out;
}

std::string entry_start() {
  std::string out(kEntry);
  put<std::uint16_t>(out, kUnix | kVersion);
  put_start(out);
  return out;
}

std::string entry_end(const EntryEnd& entry) {
  constexpr std::uint32_t kMode = 0100644;
  std::string out;
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint16_t>(out, static_cast<std::uint16_t>(entry.name.size()));
  put<std::uint16_t>(out, 28);
  put<std::uint16_t>(out, 0);  // comment
  put<std::uint16_t>(out, 0);  // disk
  put<std::uint16_t>(out, 0);  // of no text
  put<std::uint32_t>(out, kMode << 16);
  put<std::uint32_t>(out, UINT32_MAX);
  out += entry.name;
  put<std::uint16_t>(out, kZip64);
  put<std::uint16_t>(out, 24);
  put<std::uint64_t>(out, entry.size);
  put<std::uint64_t>(out, entry.size);
  put<std::uint64_t>(out, entry.local_header);
  return out;
}

std::string end_of_archive(std::uint64_t members, std::uint64_t directory, std::uint64_t directory_bytes) {
  std::string out(kEnd64);
  put<std::uint64_t>(out, kEnd64Bytes - 12);  // of what follows
  put<std::uint16_t>(out, kUnix | kVersion);
  put<std::uint16_t>(out, kVersion);
  put<std::uint32_t>(out, 0);
  put<std::uint32_t>(out, 0);
  put<std::uint64_t>(out, members);
  put<std::uint64_t>(out, members);
  put<std::uint64_t>(out, directory_bytes);
  put<std::uint64_t>(out, directory);
  out += kLocator;
  put<std::uint32_t>(out, 0);
  put<std::uint64_t>(out, directory + directory_bytes);
  put<std::uint32_t>(out, 1);  // disks
  out += kEnd;
  put<std::uint32_t>(out, 0);
  put<std::uint16_t>(out, UINT16_MAX);
  put<std::uint16_t>(out, UINT16_MAX);
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint32_t>(out, UINT32_MAX);
  put<std::uint16_t>(out, 0);
  return out;
}

std::string crc_bytes(std::uint32_t crc) {
  std::string out;
  put(out, crc);
  return out;
}

}  // namespace kinglet::io
