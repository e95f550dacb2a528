#include "kinglet/error.h"

#include <fmt/format.h>

#include <utility>

namespace kinglet {

Error::Error(Fault fault, std::string problem) : fault_(fault), problem_(std::move(problem)) {
  compose();
}

Error& Error::in(std::string file) {
  file_ = std::move(file);
  compose();
  return *this;
}

Error& Error::at(std::string field) {
  field_ = std::move(field);
  compose();
  return *this;
}

Error& Error::at(std::string field, std::uint64_t offset) {
  offset_ = offset;
  return at(std::move(field));
}

Error& Error::found(std::string value) {
  found_ = std::move(value);
  compose();
  return *this;
}

Error& Error::allowed(std::string range) {
  allowed_ = std::move(range);
  compose();
  return *this;
}

void Error::compose() {
  std::string place = field_;
  if (offset_) place += fmt::format("{}at byte {}", place.empty() ? "" : " ", *offset_);

  std::string values;
  if (!found_.empty()) values = "found " + found_;
  if (!allowed_.empty()) values += (values.empty() ? "allowed " : ", allowed ") + allowed_;

  std::string detail = place;
  if (!values.empty()) detail += (detail.empty() ? "" : ": ") + values;

  message_ = file_.empty() ? problem_ : file_ + ": " + problem_;
  if (!detail.empty()) message_ += " (" + detail + ")";
}

Error refused(std::string problem) { return Error(Fault::kRefused, std::move(problem)); }
Error usage_error(std::string problem) { return Error(Fault::kUsage, std::move(problem)); }
Error runtime_error(std::string problem) { return Error(Fault::kRuntime, std::move(problem)); }

}  // namespace kinglet
