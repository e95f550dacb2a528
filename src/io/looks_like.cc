#include "io/looks_like.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace kinglet::io {
namespace {

struct Look {
  std::string_view start;
  const char* what;
};

// `start` in lower case, as the file's start is made before it is compared.
constexpr Look kLooks[] = {
    {"<!doctype html", "an HTML page, not a download of the file"},
    {"<html", "an HTML page, not a download of the file"},
    {"<?xml", "an XML document"},
    {"version https://git-lfs", "a Git LFS pointer: fetch the file itself with git lfs pull"},
    {"pk\x03\x04", "a ZIP archive (a PyTorch checkpoint?): convert it to safetensors"},
    {"\x80\x02", "a Python pickle: convert it to safetensors"},
    {"\x80\x03", "a Python pickle: convert it to safetensors"},
    {"\x80\x04", "a Python pickle: convert it to safetensors"},
    {"\x80\x05", "a Python pickle: convert it to safetensors"},
    {"lmgg", "a GGML file, older than GGUF: convert it to GGUF"},
    {"fmgg", "a GGMF file, older than GGUF: convert it to GGUF"},
    {"tjgg", "a GGJT file, older than GGUF: convert it to GGUF"},
    {"algg", "a GGLA adapter, not a model"},
    {"fugg", "a big-endian GGUF file, not supported"},
    {"gguf", "a GGUF file"},
    {"\x93numpy", "a NumPy array"},
    {"\x89hdf", "an HDF5 file: convert it to safetensors"},
    {"\x89png", "a PNG image"},
    {"\x1f\x8b", "a gzip archive: unpack it"},
    {"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it"},
    {"\x7f" "elf", "a program"},
    {"%pdf", "a PDF document"},
};

}  // namespace

std::string looks_like(const File& file) {
  if (file.size() == 0) return ": the file is empty";
  std::array<char, 64> start{};
  const std::size_t count = std::min<std::size_t>(file.size(), start.size());
  file.read(0, std::as_writable_bytes(std::span(start).first(count)));
  for (char& c : start) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }

  std::string_view text(start.data(), count);
  const std::string_view trimmed = text.substr(std::min(text.find_first_not_of(" \t\r\n"), count));
  for (const Look& look : kLooks) {
    if (text.starts_with(look.start) || (look.start[0] == '<' && trimmed.starts_with(look.start))) {
      return std::string(": it looks like ") + look.what;
    }
  }
  return "";
}

}  // namespace kinglet::io
