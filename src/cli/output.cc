#include "cli/output.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

constexpr std::size_t kMaxInput = std::size_t{1} << 30;

[[noreturn]] void fail_to_write() {
  if (errno == EPIPE) throw BrokenPipe();
  throw runtime_error(fmt::format("cannot write to stdout: {}", std::strerror(errno)));
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_to_write();
}

void print_line(std::string_view text) {
  print(text);
  print("\n");
}

void flush() {
  if (std::fflush(stdout) != 0) fail_to_write();
}

void note(std::string_view text) {
  const std::string line = fmt::format("kinglet: {}\n", text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

bool is_terminal_stdout() { return ::isatty(STDOUT_FILENO) != 0; }
bool is_terminal_stdin() { return ::isatty(STDIN_FILENO) != 0; }
bool is_terminal_stderr() { return ::isatty(STDERR_FILENO) != 0; }

std::size_t width_of_stdout() {
  winsize size = {};
  const bool is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

bool has_colour_stdout() {
  const char* no_colour = std::getenv("NO_COLOR");
  return is_terminal_stdout() && (no_colour == nullptr || *no_colour == '\0');
}

std::string read_stdin() {
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EBADF) return content;  // stdin is closed: as if it were empty
    if (got < 0) throw runtime_error(fmt::format("cannot read stdin: {}", std::strerror(errno)));
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > kMaxInput) throw usage_error("stdin gives more than 1 GiB");
  }
}

std::string read_file(const std::string& path) { return File::open(path).read_all(kMaxInput); }

}  // namespace kinglet::cli
