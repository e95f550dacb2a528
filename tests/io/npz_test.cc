// .npz archives, as NumPy writes them and as they are written here.

#include "io/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/zip.h"
#include "reading.h"
#include "support/zip_builder.h"

namespace kinglet::io {
namespace {

using testing::ElementsAre;

void expect_tiny(const ModelFile& model) {
  EXPECT_THAT(names_of(*model.tensors), ElementsAre("a", "b"));
  EXPECT_EQ(floats_of(*model.tensors, "a"), test::ramp(6));
  EXPECT_THAT(model.tensors->find("a")->shape, ElementsAre(2, 3));
  EXPECT_EQ(model.tensors->find("a")->name_in_file, "a.npy");
  EXPECT_EQ(model.tensors->find("b")->dtype, DType::kU8);
  EXPECT_EQ(raw_of(*model.tensors, *model.tensors->find("b")), "wxyz");
  EXPECT_EQ(model.config.string("model_type"), "mlp");
  EXPECT_EQ(model.format, "NumPy .npz");
}

TEST(Npz, GivesTensorsAndConfiguration) {
  expect_tiny(open_text(Format::kNpz, test::tiny_npz()));
  expect_tiny(open_text(Format::kNpz, test::tiny_npz({.is_64 = true})));
}

TEST(Npz, ReadsSingleRows) {
  const std::string text = test::tiny_npz();
  const ModelFile model = open_text(Format::kNpz, text);
  std::string row(12, '\0');
  model.tensors->read_rows(*model.tensors->find("a"), 1, std::as_writable_bytes(std::span(row)));
  EXPECT_EQ(row, test::as_text(test::ramp(3, 3)));
}

TEST(Npz, AnArchiveOfArraysAloneHasAnEmptyConfiguration) {
  const std::string half = test::npy_file("{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", std::string("\x00\x3c\x00\xc0", 4));
  const std::string scalar = test::npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", test::as_text(test::ramp(1, 5)));
  const std::string text = test::ZipBuilder().add("x.npy", half).add("deep/y.npy", scalar).build("a comment");
  const ModelFile model = open_text(Format::kNpz, text);
  EXPECT_EQ(model.tensors->find("x")->dtype, DType::kF16);
  EXPECT_THAT(model.tensors->find("deep/y")->shape, ElementsAre());
  EXPECT_THAT(floats_of(*model.tensors, "deep/y"), ElementsAre(5));
  EXPECT_TRUE(model.config.json().empty());
}

// The parts of an archive that a conversion puts together.
TEST(Zip, ReadsWhatItsPartsMake) {
  std::string text, directory;
  std::uint64_t count = 0;
  const auto add = [&](const std::string& name, const std::string& content) {
    const std::uint64_t begin = text.size();
    const std::string crc = crc_bytes(crc32_of(bytes_of(content)));
    text += local_header(name, content.size()) + content;
    text += std::string(kDescriptorStart) + crc + descriptor_end(content.size());
    directory += entry_start() + crc + entry_end({name, content.size(), begin});
    ++count;
  };
  add("a.npy", "first");
  add("empty", "");
  add("\xC3\xA9.json", "third");
  const std::uint64_t begin = text.size();
  text += directory + end_of_archive(count, begin, directory.size());
  const File file = File::memory("x.npz", bytes_of(text));
  const auto members = read_zip(file);
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].name, "a.npy");
  EXPECT_EQ(text.substr(members[0].offset, members[0].size), "first");
  EXPECT_EQ(members[1].size, 0u);
  EXPECT_EQ(text.substr(members[2].offset, members[2].size), "third");
}

// The check value of CRC-32/ISO-HDLC, in pieces of every length.
TEST(Zip, Crc32IsThatOfTheStandard) {
  const std::string text = "123456789";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::uint32_t before = crc32_of(bytes_of(text).first(cut));
    EXPECT_EQ(crc32_of(bytes_of(text).subspan(cut), before), 0xcbf43926u);
  }
}

}  // namespace
}  // namespace kinglet::io
