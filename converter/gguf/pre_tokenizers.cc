#include "converter/gguf/pre_tokenizers.h"

namespace samara {
namespace {

// Patterns of the models' own tokenizers (their tokenizer.json), in parts that are shared.
#define SAMARA_GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"
#define SAMARA_TAIL R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define SAMARA_ENDINGS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define SAMARA_WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define SAMARA_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define SAMARA_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define SAMARA_BEFORE R"([^\r\n\p{L}\p{N}]?)"
#define SAMARA_SLASH_TAIL R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr const char* kGpt2[] = {SAMARA_GPT2, nullptr};
constexpr const char* kLlama3[] = {SAMARA_ENDINGS "|" SAMARA_WORD R"(|\p{N}{1,3}|)" SAMARA_TAIL,
                                   nullptr};
constexpr const char* kQwen2[] = {SAMARA_ENDINGS "|" SAMARA_WORD R"(|\p{N}|)" SAMARA_TAIL, nullptr};
// Marks belong to words.
constexpr const char* kQwen35[] = {
    SAMARA_ENDINGS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    nullptr};
constexpr const char* kDigits[] = {R"(\p{N})", SAMARA_GPT2, nullptr};
constexpr const char* kDeepSeekCoder[] = {
    R"([\r\n])",
    R"(\s?\p{L}+)",
    R"(\s?\p{P}+)",
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+",
    R"(\p{N})",
    nullptr};
constexpr const char* kDeepSeek3[] = {
    R"(\p{N}{1,3})",
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    nullptr};
constexpr const char* kGpt4o[] = {SAMARA_BEFORE SAMARA_UPPER "*" SAMARA_LOWER "+" SAMARA_ENDINGS
                                                             "?|" SAMARA_BEFORE SAMARA_UPPER
                                                             "+" SAMARA_LOWER "*" SAMARA_ENDINGS
                                                             R"(?|\p{N}{1,3}|)" SAMARA_SLASH_TAIL,
                                  nullptr};
constexpr const char* kTekken[] = {SAMARA_BEFORE SAMARA_UPPER
                                   "*" SAMARA_LOWER "+|" SAMARA_BEFORE SAMARA_UPPER "+" SAMARA_LOWER
                                   R"(*|\p{N}|)" SAMARA_SLASH_TAIL,
                                   nullptr};

// Runs of punctuation, then words, then runs of digits, three at most.
constexpr char kFalconStages[] =
    R"({"type":"Punctuation","behavior":"Contiguous"},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true},)"
    R"({"type":"Digits","individual_digits":false},)"
    R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":"[0-9][0-9][0-9]"}})";

constexpr PreTokenizer kPreTokenizers[] = {
    {"gpt-2 gpt2 mpt olmo jais trillion granite-docling phi-2 roberta-bpe gigachat", kGpt2},
    {"llama-bpe llama3 llama-v3 falcon3 pixtral", kLlama3, true, true},
    {"dbrx smaug-bpe chatglm-bpe", kLlama3},
    {"qwen2 deepseek-r1-qwen megrez", kQwen2, false, false, "NFC"},
    {"stablelm2 hunyuan", kQwen2},
    {"qwen35", kQwen35, false, false, "NFC"},
    {"starcoder refact command-r smollm codeshell exaone minerva-7b", kDigits},
    {"deepseek-coder", kDeepSeekCoder},
    {"deepseek-v3", kDeepSeek3},
    {"gpt-4o llama4 kanana2", kGpt4o},
    {"tekken", kTekken, true, true},
    {"falcon", nullptr, false, false, nullptr, kFalconStages},
};

#undef SAMARA_GPT2
#undef SAMARA_TAIL
#undef SAMARA_ENDINGS
#undef SAMARA_WORD
#undef SAMARA_UPPER
#undef SAMARA_LOWER
#undef SAMARA_BEFORE
#undef SAMARA_SLASH_TAIL

}  // namespace

std::span<const PreTokenizer> PreTokenizers() { return kPreTokenizers; }

const PreTokenizer* FindPreTokenizer(std::string_view name) {
  for (const PreTokenizer& pre : kPreTokenizers) {
    const std::string spaced = " " + std::string(pre.names) + " ";
    if (!name.empty() && name.find(' ') == std::string_view::npos &&
        spaced.find(" " + std::string(name) + " ") != std::string::npos) {
      return &pre;
    }
  }
  return nullptr;
}

}  // namespace samara
