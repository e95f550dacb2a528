// SentencePiece's tokenizer.model: the protocol buffer ModelProto of sentencepiece_model.proto.
//   1 pieces { 1 piece, 2 score, 3 type }
//   2 trainer_spec { 3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback,
//                    40 unk_id, 41 bos_id, 42 eos_id }
//   3 normalizer_spec { 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces,
//                       5 escape_whitespaces }

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "kinglet/error.h"
#include "tokenizer/factories.h"
#include "tokenizer/protobuf.h"
#include "tokenizer/sentencepiece_model.h"

namespace kinglet {
namespace {

using Wire = ProtobufField::Wire;

// The ids of the trainer's specification; -1: none.
struct SpecialIds {
  std::int32_t bos = 1, eos = 2;
};

void read_piece(std::string_view message, SentencePieceModel& model) {
  std::string_view text;
  float score = 0;
  auto kind = TokenKind::kNormal;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1 && field->wire == Wire::kBytes) text = field->bytes;
    if (field->number == 2 && field->wire == Wire::kFixed32) score = field->real();
    if (field->number == 3 && field->wire == Wire::kVarint) {
      if (field->integer < 1 || field->integer > 6)
        throw refused("a piece has an unknown type").found(std::to_string(field->integer));
      kind = static_cast<TokenKind>(field->integer);
    }
  }
  const auto id = static_cast<TokenId>(model.scores.size());
  if (text.empty()) throw refused(fmt::format("piece {} is empty", id)).at("pieces");
  model.vocabulary.set(id, text, kind);
  model.scores.push_back(score);
  if (kind == TokenKind::kUnknown) {
    if (model.unknown >= 0) throw refused("two pieces are the unknown one").at("pieces");
    model.unknown = id;
  }
}

void read_trainer(std::string_view message, SentencePieceModel& model, SpecialIds& ids) {
  std::uint64_t type = 1;
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->wire != Wire::kVarint) continue;
    const bool flag = field->integer != 0;
    switch (field->number) {
      case 3: type = field->integer; break;
      case 24: model.has_whitespace_suffix = flag; break;
      case 35: model.has_byte_fallback = flag; break;
      case 41: ids.bos = static_cast<std::int32_t>(field->integer); break;
      case 42: ids.eos = static_cast<std::int32_t>(field->integer); break;
      default: break;
    }
  }
  if (type != 1 && type != 2)
    throw refused("an unsupported kind of model")
        .at("trainer_spec.model_type")
        .found(type == 3 ? "word" : type == 4 ? "char" : std::to_string(type))
        .allowed("unigram or bpe");
  model.type = type == 1 ? SentencePieceModel::Type::kUnigram : SentencePieceModel::Type::kBpe;
}

void read_normalizer_spec(std::string_view message, SentencePieceModel& model) {
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    const bool flag = field->integer != 0;
    if (field->number == 2 && field->wire == Wire::kBytes) model.charsmap = field->bytes;
    if (field->wire != Wire::kVarint) continue;
    if (field->number == 3) model.adds_dummy_prefix = flag;
    if (field->number == 4) model.removes_extra_whitespaces = flag;
    if (field->number == 5) model.escapes_whitespaces = flag;
  }
}

SentencePieceModel read_model(std::string_view bytes) {
  SentencePieceModel model;
  SpecialIds ids;
  ProtobufReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->wire != Wire::kBytes) continue;
    if (field->number == 1) read_piece(field->bytes, model);
    if (field->number == 2) read_trainer(field->bytes, model, ids);
    if (field->number == 3) read_normalizer_spec(field->bytes, model);
  }
  if (model.scores.empty()) throw refused("has no pieces");
  if (model.unknown < 0) throw refused("has no unknown piece").at("pieces");
  const auto control = [&](std::int32_t id) {
    const bool is_one = model.vocabulary.contains(id) && model.vocabulary.kind(id) == TokenKind::kControl;
    return is_one ? std::optional<TokenId>(id) : std::nullopt;
  };
  model.bos = control(ids.bos);
  model.eos = control(ids.eos);
  // The file does not say; the models with a BPE vocabulary (Llama, Mistral, Gemma) all do.
  model.adds_bos = model.type == SentencePieceModel::Type::kBpe;
  return model;
}

}  // namespace

Tokenizer from_sentencepiece(const std::string& file, std::string_view bytes) {
  try {
    return Tokenizer(sentencepiece_pipeline(read_model(bytes)));
  } catch (Error& error) {
    throw error.in(file);
  }
}

}  // namespace kinglet
