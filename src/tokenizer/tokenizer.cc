#include "kinglet/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/utf8.h"

namespace kinglet {
namespace {

constexpr std::size_t kMaxInput = std::size_t{2} << 30;

TracedText repaired(std::string_view text, bool traced) {
  const TracedText given(text, 0, traced);
  Rewriter out(given);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t good = utf8_prefix(text.substr(at));
    out.keep(at, at + good);
    at += good;
    if (at == text.size()) break;
    const std::size_t bad = malformed_length(text.substr(at));
    out.put(kReplacement, at, at + bad);
    at += bad;
  }
  return out.finish();
}

// The memory that models work in; one for each call.
struct Scratch {
  Merger merger;
  Unigram::Scratch steps;
  std::vector<TokenId> parts;
};

class Encoding {
 public:
  Encoding(const Tokenizer::Pipeline& pipeline, SpecialTokens special, TokenSink& sink)
      : pipeline_(pipeline), special_(special), sink_(sink), cache_(pipeline.caches) {}

  void add(std::string_view text) {
    budget_.allow(text.size());
    for (const Segment& segment : pipeline_.added.split(text, special_)) {
      if (segment.id >= 0) {
        sink_.add_at(segment.id, segment.place);
        continue;
      }
      const std::string_view part = text.substr(segment.place.begin, segment.place.size());
      add_normalized(pipeline_.normalizer.apply(
          TracedText(part, segment.place.begin, sink_.wants_sources()), budget_));
    }
  }

 private:
  void add_normalized(TracedText text) {
    if (pipeline_.added_normalized.empty()) return add_pieces(std::move(text));
    for (const Segment& segment : pipeline_.added_normalized.split(text.bytes(), special_)) {
      if (segment.id >= 0) {
        sink_.add_at(segment.id, text.source(segment.place.begin, segment.place.end));
        continue;
      }
      add_pieces(text.slice(segment.place));
    }
  }

  void add_pieces(TracedText text) {
    const Pieces pieces = pipeline_.pre_tokenizer.apply(std::move(text), budget_);
    sink_.start(pieces.text);
    std::visit([&](const auto& model) {
      for (const Interval part : pieces.parts) {
        add_piece(model, pieces.text.part(part), part.begin);
        sink_.end_piece();
      }
    }, pipeline_.model);
  }

  // Part by part, where the model can tell that no token reaches over.
  template <class Model>
  void add_piece(const Model& model, std::string_view piece, std::size_t at) {
    if constexpr (requires { model.cut(); }) {
      for (std::size_t begin = 0; begin < piece.size();) {
        const std::size_t end = model.cut().part_end(piece, begin);
        add_part(model, piece.substr(begin, end - begin), at + begin);
        begin = end;
      }
    } else {
      add_part(model, piece, at);
    }
  }

  template <class Model>
  void add_part(const Model& model, std::string_view part, std::size_t at) {
    if (sink_.wants_sources() || !PieceCache::takes(part)) return encode(model, part, at);
    if (const auto ids = (*cache_).find(part); !ids.empty()) return sink_.add_known(ids);
    const std::size_t begin = sink_.size(), unknowns = sink_.unknowns();
    encode(model, part, at);
    // Unknown text melts into what is unknown before it: the same piece can have other ids elsewhere.
    if (sink_.unknowns() == unknowns) (*cache_).put(part, sink_.since(begin));
  }

  void encode(const WordLevel& model, std::string_view piece, std::size_t at) {
    const TokenId id = model.vocabulary->find(piece);
    if (id >= 0 || model.unknown >= 0) sink_.add(id >= 0 ? id : model.unknown, at, at + piece.size());
  }
  void encode(const Bpe& model, std::string_view piece, std::size_t at) {
    model.encode(piece, at, scratch_.merger, sink_);
  }
  void encode(const ScoreBpe& model, std::string_view piece, std::size_t at) {
    model.encode(piece, at, scratch_.merger, sink_);
  }
  void encode(const Unigram& model, std::string_view piece, std::size_t at) {
    model.encode(piece, at, scratch_.steps, sink_);
  }
  void encode(const WordPiece& model, std::string_view piece, std::size_t at) {
    model.encode(piece, at, scratch_.parts, sink_);
  }

  const Tokenizer::Pipeline& pipeline_;
  SpecialTokens special_;
  TokenSink& sink_;
  PieceCaches::Lease cache_;
  Scratch scratch_;
  StepBudget budget_{0};
};

}  // namespace

void Tokenizer::Pipeline::encode(std::string_view text, const EncodeOptions& options,
                                 TokenSink& sink) const {
  if (text.size() > kMaxInput)
    throw usage_error("the text is too long")
        .found(human_bytes(text.size()))
        .allowed("at most " + human_bytes(kMaxInput));
  const auto end = static_cast<std::uint32_t>(text.size());
  if (options.affixes == Affixes::kAdded)
    for (const TokenId id : before) sink.add_at(id, {0, 0});
  Encoding(*this, options.special, sink).add(text);
  if (options.affixes == Affixes::kAdded)
    for (const TokenId id : after) sink.add_at(id, {end, end});
}

std::string_view Tokenizer::Pipeline::decoded_text(TokenId id) const {
  const auto normalized = normalized_texts.find(id);
  return normalized == normalized_texts.end() ? vocabulary.text(id) : normalized->second;
}

Tokenizer::Tokenizer(std::unique_ptr<const Pipeline> pipeline) : pipeline_(std::move(pipeline)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  TokenSink sink(ids, nullptr);
  if (pipeline_->malformed == Malformed::kKept || is_utf8(text)) {
    pipeline_->encode(text, options, sink);
  } else {
    const TracedText well_formed = repaired(text, false);
    pipeline_->encode(well_formed.bytes(), options, sink);
  }
  return ids;
}

std::vector<Token> Tokenizer::encode_with_offsets(std::string_view text,
                                                  const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  std::vector<Interval> sources;
  TokenSink sink(ids, &sources);
  if (pipeline_->malformed == Malformed::kKept || is_utf8(text)) {
    pipeline_->encode(text, options, sink);
  } else {
    const TracedText well_formed = repaired(text, true);
    pipeline_->encode(well_formed.bytes(), options, sink);
    for (Interval& place : sources) place = well_formed.source(place.begin, place.end);
  }
  std::vector<Token> tokens(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) tokens[i] = {ids[i], sources[i].begin, sources[i].end};
  return tokens;
}

namespace {

void check_id(const Vocabulary& vocabulary, TokenId id) {
  if (vocabulary.contains(id)) return;
  throw usage_error("a token id is out of range")
      .found(std::to_string(id))
      .allowed(fmt::format("[0, {})", vocabulary.size()));
}

}  // namespace

std::string Tokenizer::decode(std::span<const TokenId> ids, bool show_special) const {
  const Vocabulary& vocabulary = pipeline_->vocabulary;
  std::string text;
  const bool is_other = show_special && pipeline_->decoder_of_shown;
  DecodeRun run(is_other ? *pipeline_->decoder_of_shown : pipeline_->decoder);
  for (const TokenId id : ids) {
    check_id(vocabulary, id);
    if (show_special || !is_special(id)) run.push(pipeline_->decoded_text(id), vocabulary.kind(id), text);
  }
  run.finish(text);
  return text;
}

std::string_view Tokenizer::piece(TokenId id) const {
  check_id(pipeline_->vocabulary, id);
  return pipeline_->vocabulary.text(id);
}

std::optional<TokenId> Tokenizer::find(std::string_view piece) const {
  const TokenId id = pipeline_->vocabulary.find(piece);
  return id >= 0 ? std::optional(id) : std::nullopt;
}

bool Tokenizer::is_special(TokenId id) const {
  return pipeline_->vocabulary.contains(id) && pipeline_->vocabulary.kind(id) == TokenKind::kControl;
}

std::size_t Tokenizer::size() const { return pipeline_->vocabulary.size(); }
std::optional<TokenId> Tokenizer::bos_id() const { return pipeline_->bos; }
std::optional<TokenId> Tokenizer::eos_id() const { return pipeline_->eos; }
bool Tokenizer::adds_bos() const { return pipeline_->adds_bos; }
std::span<const std::string> Tokenizer::warnings() const { return pipeline_->warnings; }

struct TextStream::State {
  explicit State(const Tokenizer& owner, const Decoder& decoder) : tokenizer(owner), run(decoder) {}

  const Tokenizer& tokenizer;
  DecodeRun run;
  std::string held;  // decoded bytes that may be the start of a character

  // Takes what is certain; `end` is where it stops being so.
  std::string take(std::size_t end) {
    std::string text = well_formed(std::string_view(held).substr(0, end));
    held.erase(0, end);
    return text;
  }
};

TextStream::TextStream(const Tokenizer& tokenizer)
    : state_(std::make_unique<State>(tokenizer, tokenizer.pipeline_->decoder)) {}
TextStream::TextStream(TextStream&&) noexcept = default;
TextStream::~TextStream() = default;

std::string TextStream::push(TokenId id) {
  const Tokenizer::Pipeline& pipeline = *state_->tokenizer.pipeline_;
  check_id(pipeline.vocabulary, id);
  if (state_->tokenizer.is_special(id)) return {};
  state_->run.push(pipeline.decoded_text(id), pipeline.vocabulary.kind(id), state_->held);
  return state_->take(state_->held.size() - unfinished_tail(state_->held));
}

std::string TextStream::finish() {
  state_->run.finish(state_->held);
  return state_->take(state_->held.size());
}

}  // namespace kinglet
