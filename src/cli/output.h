#pragma once

// The two streams. Results go to stdout and nothing else does; all else goes to stderr, a line each.

#include <cstddef>
#include <string>
#include <string_view>

namespace kinglet::cli {

// The reader of our output has gone away: no message, just an end.
struct BrokenPipe {};

// Errors: kRuntime where stdout does not take it; BrokenPipe.
void print(std::string_view text);
void print_line(std::string_view text);
void flush();

// "kinglet: <text>" on stderr.
void note(std::string_view text);

bool is_terminal_stdout();
bool is_terminal_stdin();
bool is_terminal_stderr();

// Columns of the terminal that stdout is; 80 where it is none.
std::size_t width_of_stdout();
// Stdout is a terminal, and NO_COLOR is not set.
bool has_colour_stdout();

// All of stdin, or of a file named on the command line. Errors: kRefused, kUsage over 1 GiB.
std::string read_stdin();
std::string read_file(const std::string& path);

}  // namespace kinglet::cli
