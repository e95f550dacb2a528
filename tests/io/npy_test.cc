#include "io/npy.h"

#include <cmath>
#include <limits>

#include "io/reading.h"
#include "support/temp_dir.h"

namespace kinglet::io {
namespace {

// What numpy.save of NumPy 1.24 writes: the header is padded to 128 bytes in all.
std::string npy(std::string_view dictionary, std::string_view data, std::string_view version = "\1") {
  std::string text(dictionary);
  text.append(117 - text.size(), ' ');
  return "\x93NUMPY" + std::string(version) + std::string("\0\x76\0", 3) + text + "\n" + std::string(data);
}

const std::string kFloats("\0\0\xc0?\0\0\x10\xc0\0\0@@\0\0\0?\xf9\x02\x15P\0\0\0\xbe", 24);
const std::string kLongs("\1\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\3\0\0\0\0\0\0\0", 24);
constexpr const char* kFloatsHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
constexpr const char* kLongsHeader = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";

NpyFile open_bytes(std::string_view bytes) { return NpyFile(File::memory("x.npy", bytes_of(bytes))); }

TEST(Npy, ReadsFloatsAsNumPyWritesThem) {
  const std::string bytes = npy(kFloatsHeader, kFloats);
  const NpyFile file = open_bytes(bytes);
  EXPECT_EQ(file.dtype(), DType::kF32);
  EXPECT_EQ(file.rows(), 2u);
  EXPECT_EQ(file.width(), 3u);
  EXPECT_EQ(file.floats(), (std::vector<float>{1.5f, -2.25f, 3, 0.5f, 1e10f, -0.125f}));
  EXPECT_EQ(file.doubles(), (std::vector<double>{1.5, -2.25, 3, 0.5, 1e10f, -0.125}));
}

TEST(Npy, ReadsWholeNumbersOfOneDimension) {
  const std::string bytes = npy(kLongsHeader, kLongs);
  const NpyFile file = open_bytes(bytes);
  EXPECT_EQ(file.rows(), 3u);
  EXPECT_EQ(file.width(), 1u);
  EXPECT_EQ(file.doubles(), (std::vector<double>{1, -2, 3}));
}

TEST(Npy, WritesTheBytesThatNumPyWrites) {
  const test::TempDir folder;
  const std::uint64_t shape[] = {2, 3};
  const float values[] = {1.5f, -2.25f, 3, 0.5f, 1e10f, -0.125f};
  write_npy(folder / "x.npy", shape, values);
  EXPECT_EQ(test::read_file(folder / "x.npy"), npy(kFloatsHeader, kFloats));
  EXPECT_EQ(npy_bytes(shape, values), npy(kFloatsHeader, kFloats));
}

TEST(Npy, KeepsEveryBitOfDoubles) {
  const test::TempDir folder;
  const std::uint64_t shape[] = {5};
  const std::vector<double> values = {0.1, -0.0, std::numeric_limits<double>::denorm_min(), 1e308,
                                      std::numeric_limits<double>::infinity()};
  write_npy(folder / "x.npy", shape, values);
  const NpyFile file(File::open(folder / "x.npy"));
  EXPECT_EQ(file.dtype(), DType::kF64);
  EXPECT_EQ(file.doubles(), values);
  EXPECT_TRUE(std::signbit(file.doubles()[1]));
}

// More values than one block of the widening loop holds.
TEST(Npy, WidensLongArrays) {
  const test::TempDir folder;
  const std::uint64_t shape[] = {40'001};
  std::vector<float> values(40'001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
  write_npy(folder / "x.npy", shape, values);
  const std::vector<double> read = NpyFile(File::open(folder / "x.npy")).doubles();
  EXPECT_EQ(read, std::vector<double>(values.begin(), values.end()));
}

TEST(Npy, RefusesWhatItCannotRead) {
  const auto refuses = [](const std::string& bytes, std::string_view says) {
    expect_refused([&] { open_bytes(bytes); }, "x.npy", says);
  };
  const std::string good = npy(kFloatsHeader, kFloats);
  refuses("", "not a .npy file");
  refuses("PK\3\4 and so on", "ZIP");
  refuses(npy(kFloatsHeader, kFloats, "\4"), "version");
  refuses(npy(kFloatsHeader, kFloats.substr(1)), "found 23 bytes, allowed 24 bytes for (2, 3)");
  refuses(good + "x", "found 25 bytes");
  const auto header = [&](const std::string& text, std::string_view says) { refuses(npy(text, kFloats), says); };
  header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", "big-endian");
  header("{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", "'<c8'");
  header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", "records");
  header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "Fortran");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", kFloats.substr(0, 4)), "found 0, allowed 1, 2");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", "found 3");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", "dimension");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "2^64");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387910,), }", "2^64");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 0), }", ""), "without values");
  header("{'descr': '<f4', 'fortran_order': False, }", "missing");
  header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "repeated");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}", "'more'");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } x", "more text");
}

TEST(Npy, RefusesAFileCutAnywhere) {
  const std::string good = npy(kFloatsHeader, kFloats);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const std::string cut = good.substr(0, length);
    expect_refused([&] { open_bytes(cut); }, "x.npy", "");
  }
}

TEST(Npy, SurvivesEveryByteOfItsHeaderChanged) {
  for (std::size_t at = 0; at < 128; ++at) {
    for (const char value : {'\0', '\1', '\x7f', '\x80', '\xff', '9', '\'', '('}) {
      std::string bytes = npy(kFloatsHeader, kFloats);
      bytes[at] = value;
      try {
        open_bytes(bytes).doubles();
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::kRefused) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace kinglet::io
