// Fuzz target: any bytes as text, through small tokenizers that have every component between them.
// The first byte chooses.

#include <array>
#include <vector>

#include "fuzz/tokenizing.h"
#include "tokenizer/factories.h"

namespace {

using kinglet::Tokenizer;

constexpr std::string_view kBpe =
    R"("model":{"type":"BPE","unk_token":"?","fuse_unk":true,"byte_fallback":true,"vocab":{"?":0,"a":1,"b":2,"ab":3,"abab":4,"▁":5,"▁a":6,"Ġ":7,"Ġa":8,"<0x41>":9,"é":10,"Ã":11,"©":12,"Ã©":13},"merges":["a b","ab ab","▁ a","Ġ a","Ã ©"]})";
constexpr std::string_view kUnigram =
    R"("model":{"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["b",-2],["ab",-2.5],["▁",-3],["▁a",-3.5],["..",-4]]})";
constexpr std::string_view kWordPiece =
    R"("model":{"type":"WordPiece","unk_token":"?","max_input_chars_per_word":20,"vocab":{"?":0,"a":1,"b":2,"##a":3,"##ab":4,".":5}})";

constexpr std::array<std::string_view, 8> kStages{
    R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true},"decoder":{"type":"ByteLevel"},)",
    R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1}]},)",
    R"("normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece"},)",
    R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"},{"type":"Lowercase"},{"type":"Strip"},{"type":"NFC"},{"type":"Nmt"}]},"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first"},"decoder":{"type":"Metaspace"},)",
    R"("normalizer":{"type":"NFKC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"MergedWithNext"}]},"decoder":{"type":"BPEDecoder"},)",
    R"("normalizer":{"type":"NFD"},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\w+|\\s(?=\\S)|$"},"behavior":"MergedWithPrevious","invert":true},)",
    R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"ByteLevel"},{"type":"Digits"}]},"decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"Regex":"a+"},"content":"x"}]},)",
    R"("added_tokens":[{"id":20,"content":"[M]","special":true,"lstrip":true,"rstrip":true},{"id":21,"content":"ab.","special":false,"normalized":true,"single_word":true}],"normalizer":{"type":"Lowercase"},"post_processor":{"type":"BertProcessing","sep":["[M]",20],"cls":["[M]",20]},)",
};

std::vector<Tokenizer> make_tokenizers() {
  std::vector<Tokenizer> tokenizers;
  for (const std::string_view model : {kBpe, kUnigram, kWordPiece})
    for (const std::string_view stages : kStages)
      tokenizers.push_back(
          kinglet::from_json("fuzz", "{" + std::string(stages) + std::string(model) + "}"));
  kinglet::GgufVocabulary keys;
  keys.tokens = {"<unk>", "<s>", "a", "b", "ab", "\xE2\x96\x81", "\xE2\x96\x81" "a", "<0x41>", "<m>"};
  keys.scores = {0, 0, -1, -2, -1, -3, -1, 0, 0};
  keys.token_type = {2, 3, 1, 5, 1, 1, 1, 6, 4};
  for (const char* model : {"llama", "t5", "gpt2", "bert"}) {
    keys.model = model;
    tokenizers.push_back(kinglet::from_gguf("fuzz", keys));
  }
  return tokenizers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Tokenizer> kTokenizers = make_tokenizers();
  if (size == 0) return 0;
  try {
    kinglet::fuzz::use(kTokenizers[data[0] % kTokenizers.size()],
                       kinglet::fuzz::text_of(data + 1, size - 1));
  } catch (const kinglet::Error&) {
  }
  return 0;
}
