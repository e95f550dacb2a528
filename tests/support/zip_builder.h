#pragma once

// ZIP archives put together by hand, as numpy.savez writes them or broken on purpose.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/bytes.h"

namespace kinglet::test {

struct ZipFields {
  std::uint16_t flags = 0, method = 0;
  std::uint32_t packed_off = 0;   // added to the packed size
  std::uint32_t header_off = 0;   // added to where the local header is
  bool is_64 = false;             // sizes and places in extra fields
  std::string name_in_directory = {};  // empty: the same
};

class ZipBuilder {
 public:
  ZipBuilder& add(const std::string& name, const std::string& content, const ZipFields& fields = {}) {
    const auto size = static_cast<std::uint32_t>(content.size());
    const auto begin = static_cast<std::uint32_t>(data_.size());
    const std::string local_extra = fields.is_64 ? Bytes().put<std::uint16_t>(1).put<std::uint16_t>(16).u64(size).u64(size).str() : "";
    data_.text("PK\x03\x04").text(start_of(fields)).u32(0).u32(fields.is_64 ? ~0u : size).u32(fields.is_64 ? ~0u : size);
    data_.put(static_cast<std::uint16_t>(name.size())).put(static_cast<std::uint16_t>(local_extra.size()));
    data_.text(name).text(local_extra).text(content);

    const std::string& own = fields.name_in_directory.empty() ? name : fields.name_in_directory;
    const std::string extra = fields.is_64 ? Bytes().put<std::uint16_t>(1).put<std::uint16_t>(24).u64(size).u64(size + fields.packed_off).u64(begin + fields.header_off).str() : "";
    directory_.text("PK\x01\x02").put<std::uint16_t>(20).text(start_of(fields)).u32(0);
    directory_.u32(fields.is_64 ? ~0u : size + fields.packed_off).u32(fields.is_64 ? ~0u : size);
    directory_.put(static_cast<std::uint16_t>(own.size())).put(static_cast<std::uint16_t>(extra.size()));
    directory_.put<std::uint16_t>(0).put<std::uint16_t>(0).put<std::uint16_t>(0).u32(0);
    directory_.u32(fields.is_64 ? ~0u : begin + fields.header_off).text(own).text(extra);
    ++count_;
    return *this;
  }

  std::string build(const std::string& comment = "") const {
    Bytes all;
    all.text(data_.str()).text(directory_.str());
    all.text("PK\x05\x06").u32(0).put(count_).put(count_);
    all.u32(static_cast<std::uint32_t>(directory_.size())).u32(static_cast<std::uint32_t>(data_.size()));
    return all.put(static_cast<std::uint16_t>(comment.size())).text(comment).str();
  }

 private:
  static std::string start_of(const ZipFields& fields) {
    return Bytes().put<std::uint16_t>(20).put(fields.flags).put(fields.method).put<std::uint16_t>(0).put<std::uint16_t>(33).str();
  }

  Bytes data_, directory_;
  std::uint16_t count_ = 0;
};

// A .npy as numpy.save writes it.
inline std::string npy_file(const std::string& entries, const std::string& data) {
  std::string text = entries;
  text.append(117 - text.size(), ' ');
  return "\x93NUMPY\1" + std::string("\0\x76\0", 3) + text + "\n" + data;
}

// numpy.savez("tiny.npz", a=..., b=...), and a config.json.
inline std::string tiny_npz(const ZipFields& fields = {}) {
  ZipBuilder zip;
  zip.add("a.npy", npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", as_text(ramp(6))), fields);
  zip.add("config.json", R"({"model_type": "mlp"})", fields);
  zip.add("b.npy", npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", "wxyz"), fields);
  return zip.build();
}

}  // namespace kinglet::test
