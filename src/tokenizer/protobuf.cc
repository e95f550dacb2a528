#include "tokenizer/protobuf.h"

namespace kinglet {

void ProtobufReader::fail(const char* problem) const {
  throw refused(problem).at("protocol buffer", offset());
}

std::uint64_t ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == message_.size()) fail("is cut inside a number");
    const auto byte = static_cast<unsigned char>(message_[at_++]);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail("has a number of over 64 bits");
}

std::uint64_t ProtobufReader::fixed(std::size_t size) {
  if (message_.size() - at_ < size) fail("is cut inside a number");
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(message_[at_ + i]);
  at_ += size;
  return value;
}

std::optional<ProtobufField> ProtobufReader::next() {
  if (at_ == message_.size()) return std::nullopt;
  const std::uint64_t tag = varint();
  ProtobufField field;
  field.number = tag >> 3;
  field.wire = static_cast<ProtobufField::Wire>(tag & 7);
  if (field.number == 0) fail("has a field with the number 0");
  switch (field.wire) {
    case ProtobufField::Wire::kVarint:
      field.integer = varint();
      return field;
    case ProtobufField::Wire::kFixed64:
      field.integer = fixed(8);
      return field;
    case ProtobufField::Wire::kFixed32:
      field.integer = fixed(4);
      return field;
    case ProtobufField::Wire::kBytes: {
      const std::uint64_t length = varint();
      if (length > message_.size() - at_) fail("is cut: a field is longer than what is left");
      field.bytes = message_.substr(at_, length);
      at_ += length;
      return field;
    }
  }
  fail("has a field of unknown wire type");
}

}  // namespace kinglet
