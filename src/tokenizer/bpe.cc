#include "tokenizer/bpe.h"

#include <algorithm>
#include <utility>

#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

std::uint32_t narrow(std::size_t n) { return static_cast<std::uint32_t>(n); }

// Whether some entry is more than a byte token or the unknown token but holds one: what stands in for
// unknown text can then merge with its neighbours, whatever the text's own bytes are.
bool merges_stand_ins(const Vocabulary& vocabulary, std::string_view unknown) {
  constexpr std::size_t kByteTokenSize = 6;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view text = vocabulary.text(static_cast<TokenId>(i));
    if (!unknown.empty() && text != unknown && text.find(unknown) != text.npos) return true;
    if (text.size() <= kByteTokenSize) continue;
    for (std::size_t at = text.find("<0x"); at != text.npos; at = text.find("<0x", at + 1))
      if (byte_token_value(text.substr(at, kByteTokenSize))) return true;
  }
  return false;
}

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, PairTable merges, Options options)
    : vocabulary_(&vocabulary), merges_(std::move(merges)), options_(std::move(options)) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    symbol_of_byte_[byte] = vocabulary.find(std::string_view(&c, 1));
    byte_token_[byte] = vocabulary.find(byte_token_text(static_cast<unsigned char>(byte)));
  }
  cut_ = word_cut();
}

WordCut Bpe::word_cut() const {
  const bool is_plain = options_.alphabet == Alphabet::kCharacters && !options_.ignore_merges &&
                        options_.continuing_prefix.empty() && options_.end_suffix.empty();
  if (!is_plain) return {};
  const bool has_bytes = options_.byte_fallback && std::find(byte_token_.begin(), byte_token_.end(), -1) ==
                                                       byte_token_.end();
  // Dropped characters leave neighbours behind that never stood beside each other.
  if (options_.unknown < 0 && !has_bytes) return {};
  if (merges_stand_ins(*vocabulary_, options_.unknown >= 0 ? vocabulary_->text(options_.unknown) : ""))
    return {};
  const bool fuses = options_.fuse_unknown && !has_bytes;
  // Runs of unknown characters are one token: one side of a cut must be known.
  if (fuses && vocabulary_->find(kSpaceMark) < 0) return {};
  WordCut cut(*vocabulary_, kSpaceMark);
  const auto is_known = [&](unsigned byte) { return byte < 0x80 && symbol_of_byte_[byte] >= 0; };
  for (unsigned left = 0; fuses && left < 256; ++left)
    for (unsigned right = 0; right < 256; ++right)
      if (!is_known(left) && !is_known(right))
        cut.join(static_cast<unsigned char>(left), static_cast<unsigned char>(right));
  return cut;
}

void Bpe::encode(std::string_view part, std::size_t at, Merger& merger, TokenSink& sink) const {
  if (options_.ignore_merges) {
    if (const TokenId id = vocabulary_->find(part); id >= 0) {
      sink.add(id, at, at + part.size());
      return;
    }
  }
  merger.clear();
  if (options_.alphabet == Alphabet::kBytes)
    add_bytes(part, merger);
  else
    add_characters(part, merger);
  merger.run([this](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
  for (const Symbol& symbol : merger.symbols()) sink.add(symbol.id, at + symbol.begin, at + symbol.end);
}

void Bpe::add_bytes(std::string_view part, Merger& merger) const {
  UnknownRun unknown;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const Interval place{narrow(i), narrow(i + 1)};
    const TokenId id = symbol_of_byte_[static_cast<unsigned char>(part[i])];
    if (id < 0) {
      add_unknown(place, unknown, merger);
      continue;
    }
    end_unknown(unknown, merger);
    merger.add({id, place.begin, place.end});
  }
  end_unknown(unknown, merger);
}

void Bpe::add_characters(std::string_view part, Merger& merger) const {
  const bool is_marked = !options_.continuing_prefix.empty() || !options_.end_suffix.empty();
  UnknownRun unknown;
  std::string marked;
  for (std::size_t i = 0; i < part.size();) {
    const std::size_t end = i + first_code_point(part.substr(i)).length;
    std::string_view character = part.substr(i, end - i);
    const Interval place{narrow(i), narrow(end)};
    if (is_marked) {
      marked = (i > 0 ? options_.continuing_prefix : "") + std::string(character) +
               (end == part.size() ? options_.end_suffix : "");
      character = marked;
    }
    const TokenId id = character.size() == 1 ? symbol_of_byte_[static_cast<unsigned char>(character[0])]
                                             : vocabulary_->find(character);
    if (id >= 0) {
      end_unknown(unknown, merger);
      merger.add({id, place.begin, place.end});
    } else if (!add_byte_tokens(character, place, merger)) {
      add_unknown(place, unknown, merger);
    }
    i = end;
  }
  end_unknown(unknown, merger);
}

// All of the character's bytes or none: a part of it would be another text. The marks of a word's
// inside and end are bytes too, without a place in the text.
bool Bpe::add_byte_tokens(std::string_view character, Interval place, Merger& merger) const {
  if (!options_.byte_fallback) return false;
  for (const char c : character)
    if (byte_token_[static_cast<unsigned char>(c)] < 0) return false;
  for (std::size_t i = 0; i < character.size(); ++i) {
    const std::uint32_t begin = std::min(place.begin + narrow(i), place.end);
    merger.add({byte_token_[static_cast<unsigned char>(character[i])], begin, std::min(begin + 1, place.end)});
  }
  return true;
}

void Bpe::add_unknown(Interval place, UnknownRun& run, Merger& merger) const {
  if (options_.unknown < 0) return;
  if (run.is_open && !options_.fuse_unknown) end_unknown(run, merger);
  if (!run.is_open) run.place = place;
  run.place.end = place.end;
  run.is_open = true;
}

void Bpe::end_unknown(UnknownRun& run, Merger& merger) const {
  if (!run.is_open) return;
  const std::uint32_t begin =
      merger.empty() ? run.place.begin : std::max(run.place.begin, merger.symbols().back().end);
  merger.add({options_.unknown, begin, std::max(begin, run.place.end)});
  run.is_open = false;
}

}  // namespace kinglet
