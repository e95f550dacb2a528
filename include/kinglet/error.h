#pragma once

// The one exception of kinglet, thrown while opening, binding, configuring and tokenizing.
//
// Its message is one line, made of the parts that are known:
//
//   <file>: <what is wrong> (<field> at byte <offset>: found <value>, allowed <range>)
//
// Text that comes from a file is escaped where it enters an Error (printable() in base/text.h).

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

namespace kinglet {

// What kind of failure; the value is the exit code of the command line.
enum class Fault {
  kRuntime = 1,       // I/O, disk full, out of memory, a file changed while in use
  kUsage = 2,         // a request that does not fit: a value out of range, a prompt too long
  kRefused = 3,       // the model or input is malformed, unsupported or inconsistent
  kVerification = 4,  // a comparison found a difference
};

class Error : public std::exception {
 public:
  Error(Fault fault, std::string problem);

  // Each adds one known part: throw refused("bad version").in(file).at("version", 4).found("9");
  Error& in(std::string file);
  Error& at(std::string field);
  Error& at(std::string field, std::uint64_t offset);
  Error& found(std::string value);
  Error& allowed(std::string range);

  const char* what() const noexcept override { return message_.c_str(); }
  Fault fault() const { return fault_; }

  // The parts, empty where unknown.
  const std::string& file() const { return file_; }
  const std::string& field() const { return field_; }
  std::optional<std::uint64_t> offset() const { return offset_; }

 private:
  void compose();

  Fault fault_;
  std::string problem_, file_, field_, found_, allowed_;
  std::optional<std::uint64_t> offset_;
  std::string message_;
};

// Shorthands: the problem in a few words; add in(), at(), found(), allowed() as known.
Error refused(std::string problem);        // Fault::kRefused
Error usage_error(std::string problem);    // Fault::kUsage
Error runtime_error(std::string problem);  // Fault::kRuntime

}  // namespace kinglet
