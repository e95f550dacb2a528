#include "runtime/score_windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::size_t kLongestByDefault = 2048, kLlamaCppWindow = 512;

std::size_t window_length(std::size_t context, const ScoreOptions& options) {
  const bool sliding = options.protocol == ScoreProtocol::kSliding;
  const std::size_t length = options.window != 0 ? options.window
                             : sliding           ? std::min(context, kLongestByDefault)
                                                 : std::min(context, kLlamaCppWindow);
  const std::size_t least = sliding ? 2 : 4;
  if (length >= least) return length;
  throw usage_error("a window is too short to score anything")
      .at("window")
      .found(fmt::format("{} tokens", length))
      .allowed(fmt::format("at least {}", least));
}

std::vector<ScoreWindow> sliding_windows(std::size_t tokens, std::size_t length, std::size_t stride) {
  if (stride == 0) stride = length / 2;
  if (stride > length) {
    throw usage_error("the stride leaves out tokens between two windows")
        .at("stride")
        .found(fmt::format("{}", stride))
        .allowed(fmt::format("1 to {}", length));
  }
  std::vector<ScoreWindow> windows;
  std::size_t scored = 1;
  for (std::size_t begin = 0; scored < tokens; begin += stride) {
    const std::size_t end = std::min(begin + length, tokens);
    windows.push_back({begin, end, std::max(scored, begin + 1)});
    scored = end;
  }
  return windows;
}

std::vector<ScoreWindow> llama_cpp_windows(std::size_t tokens, std::size_t length) {
  std::vector<ScoreWindow> windows;
  for (std::size_t begin = 0; begin + length <= tokens; begin += length) {
    windows.push_back({begin, begin + length, begin + length / 2 + 1});
  }
  return windows;
}

}  // namespace

std::vector<ScoreWindow> score_windows(std::size_t tokens, std::size_t context, const ScoreOptions& options) {
  const std::size_t length = window_length(context, options);
  std::vector<ScoreWindow> windows = options.protocol == ScoreProtocol::kSliding
                                         ? sliding_windows(tokens, length, options.stride)
                                         : llama_cpp_windows(tokens, length);
  if (!windows.empty()) return windows;
  throw usage_error("the text is too short to be scored")
      .found(fmt::format("{} tokens", tokens))
      .allowed(fmt::format("at least {}", options.protocol == ScoreProtocol::kSliding ? 2 : length));
}

ScorePiece piece_of(const ScoreWindow& window, std::span<const Token> text, std::size_t at,
                    std::size_t chunk, TokenId bos) {
  const std::size_t end = std::min(at + chunk, window.end - 1);  // nothing follows the last token
  ScorePiece piece = {.starts_window = at == window.begin, .tokens = {}, .wanted = {}, .next = at + 1};
  for (std::size_t i = at; i < end; ++i) {
    piece.tokens.push_back(i == window.begin && bos >= 0 ? bos : text[i].id);
    if (i + 1 >= window.scored) piece.wanted.push_back(i - at);
  }
  return piece;
}

}  // namespace kinglet
