// The catalogue's .npz files.

#include "catalogue.h"
#include "support/zip_builder.h"

namespace kinglet::io {
namespace {

using test::Bytes;
using test::npy_file;
using test::ZipBuilder;
using test::ZipFields;

const char* const kVector = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";

std::string array() { return npy_file(kVector, test::as_text(test::ramp(2))); }

class List {
 public:
  void add(const std::string& name, std::string content, std::string says) {
    files_.push_back({"Npz" + name, Format::kNpz, std::move(content), std::move(says)});
  }
  void member(const std::string& name, const std::string& member, const ZipFields& fields, std::string says) {
    add(name, ZipBuilder().add(member, array(), fields).build(), std::move(says));
  }
  void content(const std::string& name, const std::string& content, std::string says) {
    add(name, ZipBuilder().add("x.npy", content).build(), std::move(says));
  }
  std::vector<BadFile> take() { return std::move(files_); }

 private:
  std::vector<BadFile> files_;
};

void add_archives(List& list) {
  const std::string good = ZipBuilder().add("x.npy", array()).build();
  list.add("Empty", "", "without its end");
  list.add("NoEnd", good.substr(0, good.size() - 22), "without its end");
  list.add("MoreBehind", good + "x", "without its end");
  list.add("Twice", ZipBuilder().add("x.npy", array()).add("x.npy", array()).build(), "twice (directory");
  list.add("Shared", ZipBuilder().add("x.npy", array()).add("x.npy", array(), {.header_off = ~0u - 148}).build(), "");
  list.add("Checkpoint", ZipBuilder().add("archive/data.pkl", "\x80\x02").build(), "PyTorch checkpoint");
  std::string many = good;
  many.replace(good.size() - 12, 2, "\xfe\xff");
  list.add("CountTooLarge", many, "the directory is cut");
  std::string far = good;
  far.replace(good.size() - 6, 4, "\xff\xff\xff\x7f");
  list.add("DirectoryOutside", far, "lies outside the file");
  std::string lost = good;
  lost.replace(good.size() - 6, 4, std::string("\1\0\0\0", 4));
  list.add("DirectoryElsewhere", lost, "not an entry of a ZIP directory");
  // Only where a locator stands before the end is it a ZIP64 archive.
  std::string without = good;
  without.replace(good.size() - 6, 4, "\xff\xff\xff\xff");
  list.add("Zip64WithoutLocator", without, "lies outside the file");
  const std::string end(good.substr(good.size() - 22));
  std::string end64 = end;
  end64.replace(16, 4, "\xff\xff\xff\xff");
  list.add("Zip64EndOutside", good.substr(0, good.size() - 22) + Bytes().text("PK\x06\x07").u32(0).u64(~0ull - 8).u32(1).str() + end64,
           "lies outside the file");
  list.add("Zip64EndElsewhere", good.substr(0, good.size() - 22) + Bytes().text("PK\x06\x07").u32(0).u64(0).u32(1).str() + end64,
           "not the end of a ZIP64 archive");
}

void add_members(List& list) {
  list.member("Deflated", "x.npy", {.method = 8}, "is compressed");
  list.member("Encrypted", "x.npy", {.flags = 1}, "is encrypted");
  list.member("TwoSizes", "x.npy", {.packed_off = 1}, "has two sizes");
  list.member("HeaderElsewhere", "x.npy", {.header_off = 1}, "points to another place");
  list.member("HeaderOutside", "x.npy", {.header_off = 1u << 30}, "lies outside the file");
  list.member("Header64Outside", "x.npy", {.header_off = ~0u, .is_64 = true}, "lies outside the file");
  list.member("OtherName", "x.npy", {.name_in_directory = "y.npy"}, "points to another place");
  for (const char* name : {"/x.npy", "../x.npy", "a/../x.npy", "a\\x.npy", "..\\x.npy"}) {
    list.member("Path" + std::to_string(std::string(name).size()) + (name[1] == '\\' ? "b" : name[2] == '\\' ? "c" : "a"),
                name, {}, "path out of the archive");
  }
  list.add("NameWithNul", ZipBuilder().add(std::string("x\0.npy", 6), array()).build(), "path out of the archive");
  list.add("NoName", ZipBuilder().add("", array()).build(), "path out of the archive");
  list.add("UnknownMember", ZipBuilder().add("x.npy", array()).add("notes.txt", "hello").build(), "neither an array");
  list.add("BadConfig", ZipBuilder().add("x.npy", array()).add("config.json", "{").build(), "config.json");
}

void add_arrays(List& list) {
  list.content("NoArray", "hello", "not a .npy file");
  list.content("EmptyArray", "", "not a .npy file");
  list.content("ShortArray", array().substr(0, 130), "found 2 bytes, allowed 8 bytes for (2)");
  list.content("LongArray", array() + "x", "found 9 bytes");
  list.content("BigEndian", npy_file("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", std::string(8, '\0')), "big-endian");
  list.content("Objects", npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", std::string(8, '\0')), "'|O'");
  list.content("Fortran", npy_file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", std::string(16, '\0')), "Fortran");
  list.content("Huge", npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""), "2^64");
}

}  // namespace

std::vector<BadFile> bad_npz_files() {
  List list;
  add_archives(list);
  add_members(list);
  add_arrays(list);
  return list.take();
}

}  // namespace kinglet::io
