// Which tables there are, and which of them is in use.

#include "kernels/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kinglet/error.h"

namespace kinglet::test {
namespace {

TEST(DispatchTest, TheScalarLevelIsAlwaysThereAndLast) {
  ASSERT_FALSE(kernels::available().empty());
  EXPECT_STREQ(kernels::available().back()->isa, "scalar");
  EXPECT_EQ(kernels::built_in().back(), "scalar");
}

TEST(DispatchTest, EveryTableIsWholeAndNamedAsItsLevel) {
  for (const kernels::Table* table : kernels::available()) {
    EXPECT_THAT(kernels::built_in(), ::testing::Contains(std::string_view(table->isa)));
    for (const auto function : table->matmul) EXPECT_NE(function, nullptr) << table->isa;
    for (const kernels::CacheFunctions* cache : {&table->cache_f32, &table->cache_f16, &table->cache_q8_0}) {
      EXPECT_NE(cache->store, nullptr) << table->isa;
      EXPECT_NE(cache->attend, nullptr) << table->isa;
      EXPECT_NE(cache->probabilities, nullptr) << table->isa;
    }
  }
}

// Each runs in a process of its own under ctest; here in a child, since the choice is made once.
std::string active_under(const char* isa) {
  ::setenv("KINGLET_ISA", isa, 1);
  try {
    return kernels::active().isa;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(DispatchDeathTest, TheEnvironmentForcesALevel) {
  for (const kernels::Table* table : kernels::available()) {
    EXPECT_EXIT(std::exit(active_under(table->isa) == table->isa ? 0 : 1),
                ::testing::ExitedWithCode(0), "");
  }
  const std::string best = kernels::available().front()->isa;
  EXPECT_EXIT(std::exit(active_under("") == best ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

TEST(DispatchDeathTest, AnUnknownLevelIsAnErrorThatListsTheKnownOnes) {
  EXPECT_EXIT(
      {
        const std::string message = active_under("avx\x1b");
        const bool is_right = message.find("unknown instruction set") != std::string::npos &&
                              message.find("'avx\\x1b'") != std::string::npos &&
                              message.find(", scalar") != std::string::npos;
        std::exit(is_right ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace kinglet::test
