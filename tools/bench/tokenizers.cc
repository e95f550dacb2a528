// kinglet_bench_tokenizers [--bytes N] [--rounds N] [--only WHAT,...] TEXT VOCABULARY...
//
// TEXT is documents, each ended by a line "<|endoftext|>"; the first N bytes of it are used (4 MB).
// One line for each measurement, the median of the rounds: vocabulary, what, value, unit.
//
//   texts    document by document, one thread       MB/s of processor time
//   whole    the same as one text                   MB/s of processor time
//   threads  document by document, two threads      MB/s of the clock
//   offsets  as `whole`, with each token's place    MB/s of processor time
//   runs     1 MB of one character                  ms of processor time
//   load     the file                               ms of processor time
//   made     loading made-up files: a tokenizer.json of 17 MB, a GGUF of 128k entries; once, at the end
//
// Processor time, because it says less of what else the machine does.

#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.h"
#include "kinglet/error.h"
#include "made_vocabulary.h"
#include "runtime/open_tokenizer.h"
#include "support/temp_dir.h"

namespace {

using namespace kinglet;

struct Options {
  std::string text;
  std::vector<std::string> vocabularies;
  std::size_t bytes = 4'000'000, rounds = 5;
  std::vector<std::string> only;

  bool wants(std::string_view what) const {
    return only.empty() || std::find(only.begin(), only.end(), what) != only.end();
  }
};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median_of(std::size_t rounds, double (*now)(), const std::function<void()>& act) {
  std::vector<double> seconds;
  for (std::size_t i = 0; i < rounds; ++i) {
    const double begin = now();
    act();
    seconds.push_back(now() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[rounds / 2];
}

void print(const std::string& vocabulary, std::string_view what, double value, std::string_view unit) {
  fmt::print("{}\t{}\t{:.2f}\t{}\n", vocabulary, what, value, unit);
  std::fflush(stdout);
}

std::vector<std::string_view> documents_of(std::string_view text) {
  constexpr std::string_view kEnd = "<|endoftext|>\n";
  std::vector<std::string_view> documents;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(kEnd, at), text.size());
    documents.push_back(text.substr(at, end - at));
    at = end + kEnd.size();
  }
  return documents;
}

// Halves of equal size; which thread takes which document is settled before.
void encode_by_two(const Tokenizer& tokenizer, const std::vector<std::string_view>& documents) {
  const auto encode_every_second = [&](std::size_t first) {
    for (std::size_t i = first; i < documents.size(); i += 2) tokenizer.encode(documents[i]);
  };
  std::thread other(encode_every_second, 1);
  encode_every_second(0);
  other.join();
}

void time_runs(const std::string& name, const Tokenizer& tokenizer) {
  for (const auto& [what, unit] : {std::pair("letter", "a"), std::pair("space", " "), std::pair("equals", "="),
                                   std::pair("emoji", "\xF0\x9F\x98\x80"), std::pair("newline", "\n")}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const double seconds = median_of(1, thread_seconds, [&] { tokenizer.encode(text); });
    print(name, fmt::format("runs/{}", what), seconds * 1e3, "ms");
  }
}

void time_load(const std::string& name, std::string_view what, const std::string& path, std::size_t rounds) {
  const double seconds = median_of(rounds, thread_seconds, [&] { open_tokenizer(path); });
  print(name, what, seconds * 1e3, "ms");
}

void time_vocabulary(const Options& options, const std::string& path, const std::string& text) {
  const std::filesystem::path file(path);
  const std::string name = (file.parent_path().filename() / file.filename()).string();
  const Tokenizer tokenizer = open_tokenizer(path);
  const std::vector<std::string_view> documents = documents_of(text);
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  const auto time = [&](std::string_view what, double (*now)(), const std::function<void()>& act) {
    if (options.wants(what)) print(name, what, megabytes / median_of(options.rounds, now, act), "MB/s");
  };
  time("texts", thread_seconds, [&] {
    for (const std::string_view document : documents) tokenizer.encode(document);
  });
  time("whole", thread_seconds, [&] { tokenizer.encode(text); });
  time("offsets", thread_seconds, [&] { tokenizer.encode_with_offsets(text); });
  time("threads", clock_seconds, [&] { encode_by_two(tokenizer, documents); });
  if (options.wants("runs")) time_runs(name, tokenizer);
  if (options.wants("load")) time_load(name, "load", path, options.rounds);
}

void time_made(std::string_view name, const bench::MadeVocabulary& made, const std::string& content,
               std::size_t rounds) {
  const test::TempDir directory;
  const std::string path = directory.write(name, content);
  time_load(fmt::format("made/{}", name),
            fmt::format("load {:.1f} MB, {} entries, {} merges", static_cast<double>(content.size()) / 1e6,
                        made.entries.size(), made.merges.size()),
            path, rounds);
}

// As large as Llama 3's: its tokenizer.json by bytes, its GGUF by entries.
void time_made(std::size_t rounds) {
  const bench::MadeVocabulary by_bytes = bench::make_vocabulary(165'000);
  time_made("tokenizer.json", by_bytes, bench::as_tokenizer_json(by_bytes), rounds);
  const bench::MadeVocabulary by_entries = bench::make_vocabulary(128'000);
  time_made("vocabulary.gguf", by_entries, bench::as_gguf(by_entries), rounds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times tokenizers");
  Options options;
  app.add_option("text", options.text)->required();
  app.add_option("vocabularies", options.vocabularies);
  app.add_option("--bytes", options.bytes);
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_option("--only", options.only)->delimiter(',')->allow_extra_args(false);
  CLI11_PARSE(app, argc, argv);
  try {
    const std::string text = File::open(options.text).read_all(1u << 30).substr(0, options.bytes);
    for (const std::string& path : options.vocabularies) time_vocabulary(options, path, text);
    if (options.wants("made")) time_made(options.rounds);
  } catch (const Error& error) {
    std::fprintf(stderr, "kinglet_bench_tokenizers: error: %s\n", error.what());
    return static_cast<int>(error.fault());
  }
}
