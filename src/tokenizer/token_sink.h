#pragma once

// Where the models put their tokens: ids, and where they came from if that was asked for.

#include <cstddef>
#include <span>
#include <vector>

#include "kinglet/tokenizer.h"
#include "tokenizer/traced_text.h"

namespace kinglet {

class TokenSink {
 public:
  // With `sources`, one Interval of the input for each id.
  TokenSink(std::vector<TokenId>& ids, std::vector<Interval>* sources)
      : ids_(ids), sources_(sources) {}

  bool wants_sources() const { return sources_ != nullptr; }

  // The text that the following add() count their bytes in; it outlives them.
  void start(const TracedText& text) {
    text_ = &text;
    in_unknown_ = false;
  }

  // A run of unknown text ends where a piece of the pre-tokenizer does.
  void end_piece() { in_unknown_ = false; }

  void add(TokenId id, std::size_t begin, std::size_t end) {
    in_unknown_ = false;
    ids_.push_back(id);
    if (sources_ != nullptr) sources_->push_back(text_->source(begin, end));
  }

  // The tokens of a piece, where no sources are wanted.
  void add_known(std::span<const TokenId> ids) {
    in_unknown_ = false;
    if (ids.size() == 1)
      ids_.push_back(ids[0]);
    else
      ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

  // What was added since size() was `begin`, and how often text was unknown until now.
  std::size_t size() const { return ids_.size(); }
  std::span<const TokenId> since(std::size_t begin) const { return std::span(ids_).subspan(begin); }
  std::size_t unknowns() const { return unknowns_; }

  // Unknown text; one token for a run of it.
  void add_unknown(TokenId id, std::size_t begin, std::size_t end) {
    ++unknowns_;
    if (!in_unknown_) {
      add(id, begin, end);
    } else if (sources_ != nullptr) {
      sources_->back().end = text_->source(begin, end).end;
    }
    in_unknown_ = true;
  }

  // A token found in the input itself.
  void add_at(TokenId id, Interval source) {
    in_unknown_ = false;
    ids_.push_back(id);
    if (sources_ != nullptr) sources_->push_back(source);
  }

 private:
  std::vector<TokenId>& ids_;
  std::vector<Interval>* sources_;
  const TracedText* text_ = nullptr;
  std::size_t unknowns_ = 0;
  bool in_unknown_ = false;
};

}  // namespace kinglet
