#pragma once

// SHA-256 over the logits of a sequence, position after position, as little-endian f32 (numerics
// contract, "Digest").

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace kinglet {

class LogitsDigest {
 public:
  LogitsDigest();
  LogitsDigest(LogitsDigest&&) noexcept;
  ~LogitsDigest();

  void add(std::span<const float> logits);
  // "<numerics version>:<64 hex digits>". Ends the digest.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kinglet
