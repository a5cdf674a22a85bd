// A catalogue of malformed checkpoints, given to the converter at the command line: exit code 2,
// one line on stderr that names the file and the field with what was got and wanted, nothing
// written.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>

#include "tests/e2e/run.h"

namespace samara::test {
namespace {

namespace fs = std::filesystem;

// `from` in the file's text becomes `to`; an empty `from` replaces the whole file. The length of a
// safetensors header is kept right, so that the damage is the one meant.
struct Case {
  const char* file;
  std::string from, to;
  const char* wanted;  // a part of the message
};

std::vector<Case> Cases() {
  const char* const weights = "model.safetensors";
  const char* const config = "config.json";
  const char* const tokenizer = "tokenizer.json";
  const std::string bf16 = "\"dtype\":\"BF16\",\"shape\":[272,32],\"data_offsets\":[0,17408]";
  return {
      {weights, "", "", "got 0 bytes"},
      {weights, "", "1234567", "got 7 bytes"},
      {weights, "", std::string(8, '\xff') + "{}", "got a header of 18446744073709551615 bytes"},
      {weights, "{\"__metadata__\"", "[\"__metadata__\"", "wanted '{'"},
      {weights, "{\"format\":\"pt\"}", "{\"format\":1}", "__metadata__.format"},
      {weights, "{\"format\":\"pt\"}", "{\"a\":" + std::string(100000, '['), "64 levels"},
      {weights, "\"pt\"", "\"\xff\"", "UTF-8"},
      {weights, "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.down_proj.weight",
       "model.layers.0.mlp.down_proj.weight"},
      {weights, "model.norm.weight", "model.nrom.weight", "model.norm.weight"},
      {weights, "model.norm.weight", "model.norm\\u001b.weight", "control characters"},
      {weights, bf16, "\"dtype\":\"F99\",\"shape\":[272,32],\"data_offsets\":[0,17408]", "F99"},
      {weights, bf16, "\"dtype\":\"I64\",\"shape\":[68,32],\"data_offsets\":[0,17408]",
       "embed_tokens"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[271,32],\"data_offsets\":[0,17408]", "17408"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[32,272],\"data_offsets\":[0,17408]",
       "embed_tokens"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[8704],\"data_offsets\":[0,17408]",
       "embed_tokens"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[-272,32],\"data_offsets\":[0,17408]", "-272"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[272.5,32],\"data_offsets\":[0,17408]",
       "272.5"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]",
       "overflows"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[272,32],\"data_offsets\":[17408,0]",
       "an end before the begin"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[272,32],\"data_offsets\":[8,17416]", "hole"},
      {weights, bf16,
       "\"dtype\":\"BF16\",\"shape\":[272,32],\"data_offsets\":[0,18446744073709551615]",
       "18446744073709551615"},
      {weights, bf16, "\"dtype\":\"BF16\",\"data_offsets\":[0,17408]", "shape"},
      {weights, bf16, "\"shape\":[272,32],\"data_offsets\":[0,17408]", "dtype"},
      {weights, bf16, "\"dtype\":\"BF16\",\"shape\":[272,32]", "data_offsets"},
      {weights, bf16, bf16 + ",\"extra\":0", "extra"},

      {config, "", "", "config.json"},
      {config, "", "null", "config.json"},
      {config, "", "{\"architectures\": [\"LlamaForCausalLM\"", "config.json: byte"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": 32, \"hidden_size\": 32", "twice"},
      {config, "\"LlamaForCausalLM\"", "\"MambaForCausalLM\"", "MambaForCausalLM"},
      {config, "\"LlamaForCausalLM\"", "7", "architectures"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": \"32\"", "hidden_size"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": 0", "hidden_size"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": -32", "hidden_size"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": 1e400", "config.json"},
      {config, "\"hidden_size\": 32", "\"hidden_size\": 64", "embed_tokens"},
      {config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "layers.1"},
      {config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 100000000", "num_hidden_layers"},
      {config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0", "num_hidden_layers"},
      {config, "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "num_attention_heads"},
      {config, "\"num_attention_heads\": 4", "\"num_attention_heads\": 3", "num_"},
      {config, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads"},
      {config, "\"head_dim\": 8", "\"head_dim\": 7", "head_dim"},
      {config, "\"head_dim\": 8", "\"head_dim\": 1.5", "head_dim"},
      {config, "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": -1", "rms_norm_eps"},
      {config, "\"rope_theta\": 500000.0", "\"rope_theta\": 0", "rope_theta"},
      {config, "\"rope_theta\": 500000.0", "\"rope_theta\": []", "rope_theta"},
      {config, "\"rope_type\": \"llama3\"", "\"rope_type\": \"spiral\"", "spiral"},
      {config, "\"factor\": 8.0", "\"factor\": 0", "factor"},
      {config, "\"factor\": 8.0", "\"factor\": \"8\"", "factor"},
      {config, "\"low_freq_factor\": 1.0,", "", "low_freq_factor"},
      {config, "\"hidden_act\": \"silu\"", "\"hidden_act\": \"swirl\"", "swirl"},
      {config, "\"vocab_size\": 272", "\"vocab_size\": 271", "embed_tokens"},
      {config, "\"vocab_size\": 272", "\"vocab_size\": 4294967296", "vocab_size"},
      {config, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1",
       "tie_word_embeddings"},
      {config, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", "lm_head"},
      {config, "\"use_cache\": true",
       "\"quantization_config\": {\"quant_method\": \"awq\"}, \"use_cache\": true", "awq"},

      {tokenizer, "", "", "tokenizer.json"},
      {tokenizer, "", "[1, 2]", "tokenizer.json"},
      {tokenizer, "", std::string(100000, '['), "64 levels"},
      {tokenizer, "\"type\":\"BPE\"", "\"type\":\"Unigram\"",
       "field model.vocab: got an object, wanted an array"},
      {tokenizer, "\"type\":\"BPE\"", "\"type\":3", "type"},
      {tokenizer, "\"merges\":[]", "\"merges\":[\"zz qq\"]", "merges"},
      {tokenizer, "\"merges\":[]", "\"merges\":[7]", "merges"},
      {tokenizer, "\"merges\":[]", "\"merges\":{}", "merges"},
      {tokenizer, "\"!\":33", "\"!\":-1", "-1"},
      {tokenizer, "\"!\":33", "\"!\":34", "tokenizer.json"},
      {tokenizer, "\"!\":33", "\"!\":4294967296", "4294967296"},
      {tokenizer, "\"!\":33", "\"!\":\"33\"", "tokenizer.json"},
      {tokenizer, "\"id\":256", "\"id\":2147483648", "2147483648"},
      {tokenizer, "\"id\":271", "\"id\":272", "272"},
      {tokenizer, "\"normalizer\":null", "\"normalizer\":{\"type\":\"Swirl\"}", "Swirl"},
      {tokenizer, "\"pre_tokenizer\":{\"type\":\"ByteLevel\"",
       "\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":false,"
       "\"pattern\":{\"Regex\":\"(a+)+(?<=b)\"}",
       "pattern"},
      {tokenizer, "\"dropout\":null", "\"dropout\":0.5", "dropout"},
  };
}

TEST_CASE("malformed checkpoints are refused in one line") {
  const std::string source = SAMARA_TESTS_DIR "/families/data/llama_tied_llama3";
  const std::string folder = Scratch("checkpoint"), output = Scratch("never.samara");
  CHECK(Cases().size() >= 60);
  size_t index = 0;
  for (const Case& c : Cases()) {
    CAPTURE(index++);
    CAPTURE(c.file);
    CAPTURE(c.to.substr(0, 80));
    fs::remove_all(folder);
    fs::create_directory(folder);
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
      fs::copy_file(source + "/" + name, folder + "/" + name);
    }
    const std::string path = folder + "/" + c.file;
    std::string bytes = c.to;
    if (!c.from.empty()) {
      bytes = ReadFile(path);
      const size_t at = bytes.find(c.from);
      REQUIRE(at != std::string::npos);
      bytes.replace(at, c.from.size(), c.to);
      if (std::strcmp(c.file, "model.safetensors") == 0) {
        uint64_t header = 0;
        std::memcpy(&header, bytes.data(), sizeof(header));
        header += c.to.size() - c.from.size();
        std::memcpy(bytes.data(), &header, sizeof(header));
      }
    }
    WriteFile(path, bytes);
    const Outcome outcome = Run({"samara-convert", folder, "-o", output});
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out == "");
    CHECK(Lines(outcome.err) == 1);
    CHECK(outcome.err.find(c.wanted) != std::string::npos);
    CHECK_FALSE(fs::exists(output));
  }
  // Nothing is left beside the output either.
  for (const auto& entry : fs::directory_iterator(fs::path(output).parent_path())) {
    CHECK(entry.path().filename().string().find("never") == std::string::npos);
  }
}

TEST_CASE("flags of quantization that do not go together are refused in one line") {
  const std::string folder = Scratch("no-checkpoint"), out = Scratch("flags.samara");
  const std::string text = Scratch("calibration.txt");
  WriteFile(text, "a text of some words");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--fit", "4.5bits"}, "--calibrate"},
      {{"--calibrate", text}, "--fit"},
      {{"--fit", "4.5bits", "--calibrate", text, "--quant", "q4_0"}, "--quant and --fit"},
      {{"--fit", "0", "--calibrate", text}, "--fit: got"},
      {{"--fit", "64bits", "--calibrate", text}, "--fit: got"},
      {{"--fit", "nanbits", "--calibrate", text}, "--fit: got"},
      {{"--fit", "4.5 bits", "--calibrate", text}, "--fit: got"},
      {{"--fit", "12Q", "--calibrate", text}, "--fit: got"},
  };
  for (const auto& [flags, want] : cases) {
    std::vector<std::string> command = {"samara-convert", folder, "-o", out};
    command.insert(command.end(), flags.begin(), flags.end());
    const Outcome outcome = Run(command);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.err) == 1);
    CHECK(outcome.err.find(want) != std::string::npos);
  }
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"samara-eval", TinyPackage(), "--calibrate", text},
        {"samara-eval", TinyPackage(), "-o", out},
        {"samara-eval", TinyPackage(), "--calibrate", text, "-o", out, "--tokenize", "a"}}) {
    const Outcome outcome = Run(command);
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.err) == 1);
  }
}

TEST_CASE("samara-convert --list names families, types and tokenizers") {
  const Outcome outcome = Run({"samara-convert", "--list"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err == "");
  for (const char* part : {"families:", "Gemma3ForConditionalGeneration", "GPT2LMHeadModel",
                           "Phi-4-mini", "GGUF: llama, mistral3", "weight types:", "q4_0", "AWQ",
                           "llama-bpe", "tokenizers", "pre-tokenizers: ", "decoders: "}) {
    CAPTURE(std::string(part));
    CHECK(outcome.out.find(part) != std::string::npos);
  }
}

}  // namespace
}  // namespace samara::test
