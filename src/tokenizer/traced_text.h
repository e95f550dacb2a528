#pragma once

// Text on its way through normalizers and pre-tokenizers that still knows where in the caller's
// input each byte came from. Tracing costs memory, so it is done only where offsets were asked for.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

// Bytes [begin, end) of the input, or of a text; both are under 4 GiB.
struct Interval {
  std::uint32_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
};

class TracedText {
 public:
  TracedText() = default;
  // `bytes` stand at `begin` of the input and outlive the text.
  TracedText(std::string_view bytes, std::size_t begin, bool traced);

  std::string_view bytes() const { return is_own_ ? std::string_view(own_) : borrowed_; }
  std::size_t size() const { return bytes().size(); }
  std::string_view part(Interval place) const { return bytes().substr(place.begin, place.size()); }

  // Bytes [begin, end) as a text of its own.
  TracedText slice(Interval place) const;

  // Where bytes [begin, end) came from. Of an untraced text that was rewritten: meaningless.
  Interval source(std::size_t begin, std::size_t end) const;

  bool traced() const { return traced_; }
  // Whether byte `at` comes from the input's very start; known without tracing too.
  bool is_from_start(std::size_t at) const { return at < from_start_; }

 private:
  friend class Rewriter;

  std::string own_;
  std::string_view borrowed_;
  bool is_own_ = false;
  std::vector<Interval> sources_;  // one a byte; empty: the bytes lie in the input as they are
  std::uint32_t begin_ = 0;        // in the input
  std::size_t from_start_ = 0;     // how many of the first bytes come from the input's start
  bool traced_ = false;
  std::size_t limit_ = 0;  // of bytes, however often the text is rewritten
};

// Writes a new text from an old one, front to back. Throws Error (kUsage) over 4 GiB, and where the text
// becomes 64 times what it was at first, which no writing system needs.
class Rewriter {
 public:
  explicit Rewriter(const TracedText& from);

  void keep(std::size_t begin, std::size_t end);  // bytes [begin, end) of the old text
  // Other bytes in place of [begin, end), which is empty for an insertion.
  void put(std::string_view bytes, std::size_t begin, std::size_t end);
  void drop_back(std::size_t count);  // the last bytes written

  std::size_t size() const { return to_.own_.size(); }
  std::string_view written() const { return to_.own_; }
  TracedText finish();

 private:
  void check_size() const;
  // Where all that was written until now comes from the input's start, counts `more` bytes.
  void count_from_start(std::size_t more);

  const TracedText& from_;
  TracedText to_;
};

}  // namespace kinglet
