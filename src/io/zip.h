#pragma once

// ZIP archives whose members lie there as they are, not compressed: what NumPy's .npz are. Source: PKWARE's
// APPNOTE.TXT 6.3.10.
//
//   each member:         local header, its bytes, a descriptor with their CRC-32
//   central directory:   an entry for each member: name, CRC, size, where its local header is
//   end:                 where the directory is (ZIP64: its record and a locator), a comment
//
// Read: archives with and without ZIP64 fields and descriptors. Written: always ZIP64, the CRC behind the bytes (so
// that it need not be known before), dates of 1980, so that the same members give the same bytes.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace kinglet::io {

struct ZipMember {
  std::string name;
  std::uint64_t offset = 0;  // of its bytes
  std::uint64_t size = 0;
};

inline constexpr std::string_view kZipStart = "PK\x03\x04";

// In the directory's order. Errors (kRefused): malformed, compressed or encrypted, members that are named twice, lie
// outside the file or over each other, names that are paths out of the archive. CRCs are not compared.
std::vector<ZipMember> read_zip(const File& file);

// ---- the parts of an archive that is written ----

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t before = 0);

// Before a member's bytes; behind them come kDescriptorStart, the CRC and descriptor_end().
std::string local_header(std::string_view name, std::uint64_t size);
inline constexpr std::string_view kDescriptorStart = "PK\x07\x08";
std::string descriptor_end(std::uint64_t size);

// Around the CRC in the directory.
std::string entry_start();
struct EntryEnd {
  std::string_view name;
  std::uint64_t size = 0;
  std::uint64_t local_header = 0;  // where it lies
};
std::string entry_end(const EntryEnd& entry);

// Behind the last entry.
std::string end_of_archive(std::uint64_t members, std::uint64_t directory, std::uint64_t directory_bytes);

std::string crc_bytes(std::uint32_t crc);  // as they stand in an archive

}  // namespace kinglet::io
