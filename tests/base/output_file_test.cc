#include "base/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "kinglet/error.h"

namespace kinglet {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class OutputFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "kinglet-output-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
};

TEST_F(OutputFileTest, AppearsWhenCommittedAndNotBefore) {
  OutputFile file(folder_ / "a");
  file.write("text");
  EXPECT_FALSE(fs::exists(folder_ / "a"));
  file.commit();
  EXPECT_EQ(text_of(folder_ / "a"), "text");
  EXPECT_EQ(files(), 1U);
}

TEST_F(OutputFileTest, WithoutACommitTheOldFileStaysAndNothingElse) {
  std::ofstream(folder_ / "a") << "old";
  {
    OutputFile file(folder_ / "a");
    file.write("new");
  }
  EXPECT_EQ(text_of(folder_ / "a"), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(OutputFileTest, ALinkIsWrittenThrough) {
  std::ofstream(folder_ / "a") << "old";
  fs::create_symlink("a", folder_ / "link");
  OutputFile file(folder_ / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(text_of(folder_ / "a"), "new");
}

TEST_F(OutputFileTest, APipeIsWrittenToAndStaysAPipe) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = text_of(folder_ / "pipe"); });
  OutputFile file(folder_ / "pipe");
  file.write("text");
  file.commit();
  reader.join();
  EXPECT_EQ(read, "text");
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
}

TEST_F(OutputFileTest, AFolderIsAnError) {
  EXPECT_THROW(
      {
        OutputFile file(folder_);
        file.commit();
      },
      Error);
  EXPECT_TRUE(fs::is_directory(folder_));
}

}  // namespace
}  // namespace kinglet
