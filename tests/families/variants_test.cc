// Checkpoints of the families in other forms: tensors named as older or other programs name them,
// fields of config.json that a family does not have, contexts that choose frequencies, windows.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "converter/source.h"
#include "tests/families/run.h"

namespace samara {
namespace {

std::string Text(const std::string& path) {
  const auto bytes = ReadAll<char>(path);
  return std::string(bytes.begin(), bytes.end());
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A copy of a case's files, removed at the end; the package beside it too.
class Copy {
 public:
  explicit Copy(const std::string& name)
      : path_("/tmp/samara_copy_" + name + "_" + std::to_string(getpid())) {
    REQUIRE(mkdir(path_.c_str(), 0700) == 0);
    for (const char* file : kFiles) WriteFile(path_ + "/" + file, Text(DataOf(name) + "/" + file));
  }
  ~Copy() {
    for (const char* file : kFiles) unlink((path_ + "/" + file).c_str());
    rmdir(path_.c_str());
    unlink(package().c_str());
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  const std::string& path() const { return path_; }
  std::string package() const { return path_ + ".samara"; }

  // Tensors whose names begin with `from` begin with `to`.
  void Rename(const std::string& from, const std::string& to) {
    const std::string file = path_ + "/model.safetensors", bytes = Text(file);
    uint64_t size = 0;
    for (size_t i = 8; i-- > 0;) size = size << 8 | static_cast<uint8_t>(bytes[i]);
    std::string header = bytes.substr(8, size);
    const std::string old = "\"" + from;
    size_t renamed = 0;
    for (size_t at = 0; (at = header.find(old, at)) != std::string::npos; ++renamed)
      header.replace(at, old.size(), "\"" + to);
    REQUIRE(renamed > 0);
    header.resize((header.size() + 7) / 8 * 8, ' ');
    std::string length;
    for (size_t i = 0; i < 8; ++i) length += static_cast<char>(header.size() >> 8 * i & 0xFF);
    WriteFile(file, length + header + bytes.substr(8 + size));
  }

  // A field of config.json in one line, or a new one.
  void Set(const std::string& key, const std::string& value) {
    std::string text = Text(path_ + "/config.json");
    const std::string line = "\n \"" + key + "\": ";
    const size_t at = text.find(line);
    if (at == std::string::npos) {
      text.insert(1, line + value + ",");
    } else {
      const size_t begin = at + line.size();
      text.replace(begin, text.find_first_of(",\n", begin) - begin, value);
    }
    WriteFile(path_ + "/config.json", text);
  }

  Status Open() const {
    Source source;
    const Status opened = OpenSource(path_, &source);
    if (!opened.ok()) return opened;
    Model model;
    std::vector<GraphBuilder::Dropped> dropped;
    return BuildModel(source, DType::kInvalid, &model, &dropped);
  }

 private:
  static constexpr const char* kFiles[] = {"config.json", "model.safetensors", "tokenizer.json"};
  std::string path_;
};

TEST_CASE("tensors may have the names that other programs give them") {
  struct Other {
    const char* name;
    std::vector<std::pair<const char*, const char*>> renamed;
  };
  const Other others[] = {
      {"gpt2_plain", {{"transformer.", ""}}},
      {"gpt_neox_parallel", {{"embed_out.", "lm_head."}}},
      {"gemma3_vision",
       {{"language_model.model.", "model.language_model."},
        {"vision_tower.", "model.vision_tower."},
        {"multi_modal_projector.", "model.multi_modal_projector."}}},
      {"mistral3_vision",
       {{"language_model.model.", "model.language_model."},
        {"language_model.lm_head.", "lm_head."}}},
  };
  for (const Other& other : others) {
    CAPTURE(std::string(other.name));
    Copy copy(other.name);
    const auto ids = ReadAll<int32_t>(DataOf(other.name) + "/ids.bin");
    ConvertTo(copy.path(), copy.package());
    const Logits want = Run(copy.package(), ids, 64);
    for (const auto& [from, to] : other.renamed) copy.Rename(from, to);
    ConvertTo(copy.path(), copy.package());
    CHECK(Run(copy.package(), ids, 64).values == want.values);
  }
  // Names that nobody has listed are no reason to drop.
  Copy copy("gemma3_vision");
  copy.Rename("vision_tower.", "tower.");
  const Status status = copy.Open();
  CHECK(status.code() == StatusCode::kUnsupported);
  CHECK_MESSAGE(std::string(status.message()).find("got tensor tower.") != std::string::npos,
                std::string(status.message()));
}

TEST_CASE("what a checkpoint holds beside its language model is dropped by pattern and reason") {
  const Copy copy("gemma3_vision");
  const ConvertSummary summary = ConvertTo(copy.path(), copy.package());
  std::map<std::string, uint64_t> dropped;
  for (const GraphBuilder::Dropped& rule : summary.dropped) {
    CHECK(rule.reason.find("vision") != std::string::npos);
    dropped[rule.pattern] = rule.count;
  }
  CHECK(dropped["vision_tower.*"] > 20);
  CHECK(dropped["multi_modal_projector.*"] == 2);
  CHECK(summary.architecture == "Gemma3ForConditionalGeneration");
}

TEST_CASE("fields that a family's file does not read are refused, not ignored") {
  struct Refused {
    const char *name, *key, *value, *error;
  };
  const Refused cases[] = {
      {"olmo2_untied", "rope_scaling", "{\"mrope_section\": [1, 1, 2]}", "mrope_section: got"},
      {"falcon_grouped", "apply_residual_connection_post_layernorm", "true", "wanted false"},
      {"falcon_grouped", "alibi", "true", "field alibi: got true, wanted false"},
      {"falcon_grouped", "parallel_attn", "false", "field parallel_attn: got false"},
      {"falcon_multi_query", "num_ln_in_parallel_attn", "2", "num_ln_in_parallel_attn: got 2"},
      {"falcon_multi_query", "activation", "\"mish\"", "field activation: got"},
      {"gemma3_layers", "attn_logit_softcapping", "50.0", "attn_logit_softcapping: got 50"},
      {"gemma3_layers", "use_bidirectional_attention", "true", "use_bidirectional_attention"},
      {"gemma3_layers", "sliding_window", "null", "field sliding_window"},
      {"gemma2_caps", "hidden_activation", "\"quick_gelu\"", "field hidden_activation"},
      {"gemma4_shared", "enable_moe_block", "true", "enable_moe_block: got true"},
      {"gemma4_shared", "num_kv_shared_layers", "5", "finds no lower layer of its type"},
      {"gpt2_plain", "add_cross_attention", "true", "add_cross_attention: got true"},
      {"gpt2_plain", "final_logit_softcapping", "30", "final_logit_softcapping: got 30"},
      {"gpt_neox_parallel", "sliding_window", "32", "sliding_window: got 32"},
      {"granite_bias", "logits_scaling", "0", "field logits_scaling: got 0"},
      {"granite_hybrid", "num_local_experts", "8", "num_local_experts: got 8"},
      {"granite_hybrid", "position_embedding_type", "\"learned\"", "wanted rope or nope"},
      {"ministral_full", "attention_bias", "true", "attention_bias: got true"},
      {"olmo2_untied", "clip_qkv", "8.0", "clip_qkv: got 8"},
      {"phi3_plain", "rope_scaling", "{\"type\": \"yarn\"}", "wanted longrope"},
      {"smollm3_nope", "query_pre_attn_scalar", "64", "query_pre_attn_scalar: got 64"},
      {"stablelm_plain", "rotary_pct", "0.5", "rotary_pct: got 0.5"},
  };
  for (const Refused& c : cases) {
    CAPTURE(std::string(c.name));
    CAPTURE(std::string(c.key));
    Copy copy(c.name);
    REQUIRE(copy.Open().ok());
    copy.Set(c.key, c.value);
    const Status status = copy.Open();
    REQUIRE(!status.ok());
    CHECK_MESSAGE(std::string(status.message()).find(c.error) != std::string::npos,
                  std::string(status.message()));
  }
}

TEST_CASE("the long frequencies serve contexts beyond the original one") {
  const Copy copy("phi3_longrope_short");  // original: 128
  ConvertTo(copy.path(), copy.package());
  const auto ids = ReadAll<int32_t>(DataOf("phi3_longrope_short") + "/ids.bin");
  const Logits within = Run(copy.package(), ids, 64, false, 128);
  CHECK(Run(copy.package(), ids, 64, false, 64).values == within.values);
  const Logits beyond = Run(copy.package(), ids, 64, false, 129);
  CHECK(Difference(beyond.values, within.values) > 1e-2);
  CHECK(Run(copy.package(), ids, 64, false, 512).values == beyond.values);
  CHECK(Difference(Run(copy.package(), ids, 64, true, 512).values, beyond.values) < 1e-4);
}

TEST_CASE("contexts beyond what positions or frequencies reach are refused") {
  for (const char* name : {"gpt2_plain", "llama_dynamic"}) {
    CAPTURE(std::string(name));
    const Copy copy(name);
    ConvertTo(copy.path(), copy.package());
    samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
    options.n_ctx = 129;
    samara_model* model = nullptr;
    CHECK(samara_model_open(copy.package().c_str(), &options, &model) != SAMARA_OK);
    CHECK(std::string(samara_last_error()).find("1..128") != std::string::npos);
  }
}

TEST_CASE("windows are rings: their memory does not grow with the context") {
  const Copy copy("gemma3_pattern");  // 7 layers, every sixth full; 2 heads of 12, window 9
  ConvertTo(copy.path(), copy.package());
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_ctx = 32768;
  options.n_chunk = 100;
  std::vector<uint64_t> pools;
  const auto each = [](void* user, const samara_memory_item* item) {
    if (std::string(item->name).starts_with("state pool "))
      static_cast<std::vector<uint64_t>*>(user)->push_back(item->bytes);
  };
  uint64_t counted = 0;
  REQUIRE(samara_plan(copy.package().c_str(), &options, each, &pools, &counted) == SAMARA_OK);
  // Slots come in blocks of 64: window 9, chunk 100 and a rewind of 64, less one, are 172.
  const uint64_t slot = 2 * 12 * sizeof(float), ring = 192 * slot, full = 32768 * slot;
  std::sort(pools.begin(), pools.end());
  std::vector<uint64_t> want(12, ring);
  want.insert(want.end(), 2, full);
  CHECK(pools == want);
}

}  // namespace
}  // namespace samara
