#include "converter/convert.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "converter/output_file.h"
#include "converter/quantize/encode.h"
#include "converter/safetensors.h"
#include "formats/package_format.h"
#include "formats/quant/blocks.h"
#include "tests/converter/checkpoint.h"
#include "tests/converter/model_kit.h"

namespace samara {
namespace {

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ConvertOptions Options(const TemporaryDirectory& dir, DType quant = DType::kInvalid,
                       unsigned threads = 2) {
  ConvertOptions options;
  options.source = dir / "m";
  options.output = dir / "out.samara";
  options.quant = quant;
  options.threads = threads;
  return options;
}

// Header and metadata of a whole file in memory; every segment's hashes hold.
Package Parse(const std::string& bytes) {
  FileHeader header;
  const std::span<const uint8_t> all(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  Status status =
      ParseHeader(all.first(std::min<size_t>(bytes.size(), kHeaderBytes)), bytes.size(), &header);
  REQUIRE_MESSAGE(status.ok(), std::string(status.message()));
  std::vector<uint64_t> copy(header.metadata_bytes / 8 + 1);
  memcpy(copy.data(), bytes.data() + header.metadata_offset, header.metadata_bytes);
  Package package;
  status = ParseMetadata({reinterpret_cast<const uint8_t*>(copy.data()), header.metadata_bytes},
                         header, &package);
  REQUIRE_MESSAGE(status.ok(), std::string(status.message()));
  for (const Segment& segment : package.segments) {
    for (uint64_t at = 0, chunk = 0; at < segment.bytes; at += kHashChunkBytes, ++chunk) {
      const Status hash = CheckSegmentChunk(
          segment, chunk,
          all.subspan(segment.offset + at, std::min(kHashChunkBytes, segment.bytes - at)));
      CHECK_MESSAGE(hash.ok(), std::string(hash.message()));
    }
  }
  return package;
}

// The source's values of a weight, row by row, joined as its sources say.
std::vector<float> SourceValues(const Checkpoint& checkpoint, const Weight& weight) {
  std::vector<float> values(weight.rows * weight.cols, NAN);
  for (const WeightSource& source : weight.sources) {
    const TensorInfo* tensor = checkpoint.Find(source.tensor);
    REQUIRE(tensor != nullptr);
    std::vector<uint8_t> bytes(tensor->bytes);
    REQUIRE(checkpoint.Read(*tensor, 0, bytes.data(), bytes.size()).ok());
    const uint64_t width = weight.is_vector ? 1 : weight.cols;
    REQUIRE(tensor->elements() == source.n_rows * width);
    DequantizeRow(tensor->dtype, bytes.data(), tensor->elements(),
                  values.data() + source.first_row * width);
  }
  return values;
}

TEST_CASE("convert: every weight's values, for every type and family") {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    const TemporaryDirectory dir;
    TestCheckpoint c = MakeCheckpoint(family);
    for (auto& [name, tensor] : c.tensors) {
      if (name.size() % 2 == 0) tensor.type = "BF16";
    }
    WriteCheckpoint(dir / "m", c);
    const StatusOr<Checkpoint> checkpoint = Checkpoint::Open(dir / "m");
    REQUIRE(checkpoint.ok());
    for (const DType quant :
         {DType::kInvalid, DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
          DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K,
          DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4}) {
      CAPTURE(std::string(family));
      CAPTURE(std::string(DTypeName(quant)));
      const StatusOr<ConvertSummary> summary = Convert(Options(dir, quant));
      REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
      CHECK(summary->exceptions.empty());
      const std::string bytes = ReadBytes(dir / "out.samara");
      CHECK(bytes.size() == summary->file_bytes);
      const Package package = Parse(bytes);
      CHECK(package.tokenizer_vocab == 257);
      CHECK(package.sampling.eos_ids == std::vector<int32_t>{2});
      uint64_t checked = 0;
      for (const Weight& weight : package.weights) {
        const WeightPlacement& placement = weight.placements[0];
        const auto* packed = reinterpret_cast<const uint8_t*>(bytes.data()) +
                             package.segments[placement.segment].offset + placement.offset;
        if (weight.sources[0].transform == SourceTransform::kComputed) continue;
        if (quant != DType::kInvalid)
          CHECK(weight.dtype == (weight.is_vector ? DType::kF32 : quant));
        const std::vector<float> source = SourceValues(*checkpoint, weight);
        std::vector<float> row(weight.cols), want(weight.cols);
        std::vector<uint8_t> codes(RowBytes(weight.dtype, weight.cols));
        bool equal = true;
        for (uint64_t r = 0; r < weight.rows; ++r) {
          DequantizePackedRow(placement.layout, weight.dtype, packed, r, weight.cols, row.data());
          const float* values = source.data() + r * weight.cols;
          if (const CodeForm* form = FindCodeForm(weight.dtype)) {
            quantize::EncodeRow(*form, values, nullptr, weight.cols, codes.data());
          } else {
            QuantizeRow(weight.dtype, values, weight.cols, codes.data());
          }
          DequantizeRow(weight.dtype, codes.data(), weight.cols, want.data());
          equal = equal && memcmp(row.data(), want.data(), row.size() * sizeof(float)) == 0;
          checked += weight.cols;
        }
        CHECK_MESSAGE(equal, weight.name);
      }
      CHECK(checked + 3 == summary->parameters);  // 3 rotary frequencies are computed
    }
  }
}

TEST_CASE("convert: the same bytes for any number of threads, and again") {
  const TemporaryDirectory dir;
  TestCheckpoint c = MakeCheckpoint("qwen2");
  c.config["vocab_size"] = "40000";  // several bands
  c.tensors["model.embed_tokens.weight"].shape = {40000, 16};
  c.tensors["lm_head.weight"].shape = {40000, 16};
  WriteCheckpoint(dir / "m", c);
  for (const DType quant : {DType::kInvalid, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
    std::string first;
    for (const unsigned threads : {1u, 2u, 3u, 2u}) {
      const StatusOr<ConvertSummary> summary = Convert(Options(dir, quant, threads));
      REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
      const std::string bytes = ReadBytes(dir / "out.samara");
      if (first.empty()) first = bytes;
      CHECK(bytes == first);
    }
  }
  CHECK(dir.Names() == std::vector<std::string>{"m", "out.samara"});
}

TEST_CASE("convert: goldens are made from the finished file and stored") {
  const TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
  ConvertOptions options = Options(dir);
  std::string seen;
  options.goldens = [&](const std::string& path, Package* package) {
    seen = path;
    CHECK(Parse(ReadBytes(path)).name == "m");
    Golden golden;
    golden.entry = "generate";
    golden.ids = {1, 2, 3, 4, 5, 6, 7, 8};
    golden.logits_sha256.resize(32);
    golden.top_ids = {5};
    golden.top_logits = {1.5f};
    package->goldens.push_back(golden);
    return Status();
  };
  const StatusOr<ConvertSummary> summary = Convert(options);
  REQUIRE_MESSAGE(summary.ok(), std::string(summary.status().message()));
  CHECK(Has(seen, "/.out.samara.tmp-"));
  CHECK(summary->goldens == 1);
  const Package package = Parse(ReadBytes(options.output));
  REQUIRE(package.goldens.size() == 1);
  CHECK(package.goldens[0].ids.size() == 8);
  // A failure there is a failure of the whole, and leaves the old file.
  const std::string before = ReadBytes(options.output);
  options.quant = DType::kQ8_0;
  options.goldens = [](const std::string&, Package*) { return Internal("no goldens today"); };
  CHECK(Has(Convert(options).status().message(), "no goldens today"));
  CHECK(ReadBytes(options.output) == before);
  CHECK(dir.Names() == std::vector<std::string>{"m", "out.samara"});
}

TEST_CASE("convert: values that no package can hold") {
  struct Case {
    float value;
    const char* tensor;
    uint64_t index;
    DType quant;
    const char* part;
  };
  const float inf = std::numeric_limits<float>::infinity();
  const Case cases[] = {
      {NAN, "model.layers.1.self_attn.k_proj.weight", 3 * 16 + 5, DType::kF32,
       "tensor \"model.layers.1.self_attn.k_proj.weight\": got a NaN or infinity at [3, 5]"},
      {-inf, "model.layers.2.mlp.up_proj.weight", 0, DType::kQ4_0,
       "up_proj.weight\": got a NaN or infinity at [0, 0]"},
      {inf, "model.norm.weight", 7, DType::kInvalid,
       "tensor \"model.norm.weight\": got a NaN or infinity at [7]"},
      {1e6f, "lm_head.weight", 299 * 16 + 15, DType::kF16,
       "at [299, 15] that is too large for f16"},
  };
  for (const Case& c : cases) {
    const TemporaryDirectory dir;
    TestCheckpoint checkpoint = MakeCheckpoint("llama");
    TestTensor& tensor = checkpoint.tensors[c.tensor];
    tensor.values.assign(
        tensor.shape.size() == 2 ? tensor.shape[0] * tensor.shape[1] : tensor.shape[0], 0.5f);
    tensor.values[c.index] = c.value;
    WriteCheckpoint(dir / "m", checkpoint);
    const Status status = Convert(Options(dir, c.quant)).status();
    CHECK_MESSAGE(Has(status.message(), c.part), std::string(status.message()));
    CHECK(dir.Names() == std::vector<std::string>{"m"});
  }
}

TEST_CASE("convert: sources that are refused") {
  struct Case {
    std::function<void(const TemporaryDirectory&)> prepare;
    const char* part;
    StatusCode code;
  };
  const auto remove = [](const char* name) {
    return [name](const TemporaryDirectory& dir) { unlink((dir / "m/" + name).c_str()); };
  };
  const auto write = [](const char* gone, const char* name, const char* text) {
    return [=](const TemporaryDirectory& dir) {
      unlink((dir / "m/" + gone).c_str());
      WriteText(dir / "m/" + name, text);
    };
  };
  const auto replace = [](std::string bytes) {
    return [bytes](const TemporaryDirectory& dir) {
      REQUIRE(rename((dir / "m").c_str(), (dir / "old").c_str()) == 0);
      if (!bytes.empty()) WriteText(dir / "m", bytes);
    };
  };
  const Case cases[] = {
      {replace(""), "no such file or directory", StatusCode::kNotFound},
      {replace("GGUF\3 and more"), "got GGUF version", StatusCode::kUnsupported},
      {replace("SAMARA\r\nmore"), "got a Samara package", StatusCode::kUnsupported},
      {replace("anything else"), "got a file, wanted a GGUF file or a directory",
       StatusCode::kInvalidArgument},
      {remove("config.json"), "config.json: no such file", StatusCode::kNotFound},
      {remove("tokenizer.json"), "tokenizer.json: no such file", StatusCode::kNotFound},
      {remove("model.safetensors"), "no model.safetensors or model.safetensors.index.json",
       StatusCode::kNotFound},
      {write("model.safetensors", "pytorch_model.bin", "PK"),
       "\"pytorch_model.bin\": got pickled weights", StatusCode::kUnsupported},
      {write("model.safetensors", "consolidated.00.pth", "PK"),
       "\"consolidated.00.pth\": got pickled weights", StatusCode::kUnsupported},
      {write("model.safetensors", "x.gguf", "GGUF"), "\"x.gguf\": got a directory with a GGUF file",
       StatusCode::kUnsupported},
      {write("model.safetensors", "adapter_config.json", "{}"), "got a LoRA adapter",
       StatusCode::kUnsupported},
      {write("tokenizer.json", "tokenizer.model", "x"),
       "tokenizer.model: got bytes that are no SentencePiece model", StatusCode::kInvalidFile},
      {write("tokenizer.json", "vocab.json", "{}"), "vocab.json: got a tokenizer in an older form",
       StatusCode::kUnsupported},
      {write("config.json", "config.json", "{\"architectures\": ["), "config.json: byte 19",
       StatusCode::kInvalidFile},
      {write("config.json", "config.json", "[]"), "config.json: the whole: got an array",
       StatusCode::kInvalidFile},
      {write("tokenizer.json", "tokenizer.json", "{"), "tokenizer.json: byte 1",
       StatusCode::kInvalidFile},
      {write("", "tokenizer_config.json", "{\"chat_template\": 3}"),
       "field chat_template: got 3, wanted a string", StatusCode::kInvalidFile},
      {write("", "tokenizer_config.json", "{\"chat_template\": [{\"name\": \"a\"}]}"),
       "chat_template[0].template", StatusCode::kInvalidFile},
      {write("", "generation_config.json", "{\"eos_token_id\": 300}"),
       "eos_token_id: got 300, wanted an integer from 0 to 299", StatusCode::kInvalidFile},
      {write("", "generation_config.json", "{\"eos_token_id\": [1, -1]}"),
       "eos_token_id[1]: got -1", StatusCode::kInvalidFile},
      {write("", "generation_config.json", "{\"temperature\": -1}"), "field temperature: got -1",
       StatusCode::kInvalidFile},
      {write("", "generation_config.json", "{\"top_p\": \"x\"}"), "field top_p",
       StatusCode::kInvalidFile},
  };
  for (const Case& c : cases) {
    const TemporaryDirectory dir;
    WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
    c.prepare(dir);
    const Status status = Convert(Options(dir)).status();
    CHECK_MESSAGE(status.code() == c.code, std::string(status.message()));
    CHECK_MESSAGE(Has(status.message(), c.part), std::string(status.message())
                                                     << "\n  wanted " << std::string(c.part));
    CHECK(access((dir / "out.samara").c_str(), F_OK) != 0);
  }
  // A vocabulary smaller than the tokenizer's.
  const TemporaryDirectory dir;
  TestCheckpoint c = MakeCheckpoint("llama");
  c.config["vocab_size"] = "200";
  c.tensors["model.embed_tokens.weight"].shape = c.tensors["lm_head.weight"].shape = {200, 16};
  WriteCheckpoint(dir / "m", c);
  CHECK(Has(Convert(Options(dir)).status().message(),
            "tokenizer.json: got 257 ids, wanted at most the 200"));
}

TEST_CASE("convert: sampling defaults, end-of-sequence ids and templates") {
  const TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
  WriteText(
      dir / "m/generation_config.json",
      "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"eos_token_id\": [7, 2, 7], "
      "\"repetition_penalty\": 1.1}");
  WriteText(dir / "m/tokenizer_config.json",
            "{\"chat_template\": [{\"name\": \"default\", \"template\": \"{{ x }}\"}, "
            "{\"name\": \"tool_use\", \"template\": \"t\"}]}");
  WriteText(dir / "m/README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\n# Model\n");
  REQUIRE(Convert(Options(dir)).ok());
  Package package = Parse(ReadBytes(dir / "out.samara"));
  CHECK(package.sampling.temperature == 0.6f);
  CHECK(package.sampling.top_p == 0.9f);
  CHECK(package.sampling.top_k == 50);
  CHECK(package.sampling.repetition_penalty == 1.1f);
  CHECK(package.sampling.eos_ids == std::vector<int32_t>{7, 2});
  REQUIRE(package.templates.size() == 2);
  CHECK(package.templates[0].source == "{{ x }}");
  CHECK(package.templates[1].name == "tool_use");
  CHECK(package.provenance.license == "apache-2.0");
  // do_sample false is greedy whatever else is said; a template file wins.
  WriteText(dir / "m/generation_config.json",
            "{\"do_sample\": false, \"temperature\": 0.6, \"eos_token_id\": 9}");
  WriteText(dir / "m/chat_template.jinja", "file");
  REQUIRE(Convert(Options(dir)).ok());
  package = Parse(ReadBytes(dir / "out.samara"));
  CHECK(package.sampling.temperature == 0);
  CHECK(package.sampling.eos_ids == std::vector<int32_t>{9});
  REQUIRE(package.templates.size() == 1);
  CHECK(package.templates[0].source == "file");
}

TEST_CASE("convert: outputs that are refused") {
  const TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("llama"));
  mkdir((dir / "folder").c_str(), 0700);
  mkfifo((dir / "fifo").c_str(), 0600);
  WriteText(dir / "target", "old");
  REQUIRE(symlink("target", (dir / "link").c_str()) == 0);
  const std::pair<std::string, const char*> cases[] = {
      {dir / "folder", "got a directory"},
      {dir / "folder/", "wanted the name of a file"},
      {dir / "fifo", "got a FIFO"},
      {dir / "link", "got a symbolic link"},
      {"/dev/null", "got a special file"},
      {dir / "none/out.samara", "no directory"},
      {dir / "target/out.samara", "Not a directory"},
      {dir / "m", "got a directory"},
      {dir / "m/out.samara", "inside the source directory"},
      {dir / "m/model.safetensors", "inside the source directory"},
      {dir / "folder/../m/config.json", "inside the source directory"},
      {"", "wanted the name of a file"},
  };
  const std::vector<std::string> before = dir.Names();
  for (const auto& refused : cases) {
    ConvertOptions options = Options(dir);
    options.output = refused.first;
    const Status status = Convert(options).status();
    CHECK_MESSAGE(Has(status.message(), refused.second),
                  refused.first << ": " << std::string(status.message()));
  }
  CHECK(dir.Names() == before);
  CHECK(ReadBytes(dir / "target") == "old");
}

// Runs `work` in a child process; what waitpid says.
int InChild(const std::function<int()>& work, const std::function<void(pid_t)>& meanwhile = {}) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(work());
  if (meanwhile) meanwhile(child);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

// A checkpoint whose conversion takes some tens of milliseconds.
void WriteLarger(const TemporaryDirectory& dir) {
  TestCheckpoint c = MakeCheckpoint("llama");
  c.config["vocab_size"] = "100000";
  c.tensors["model.embed_tokens.weight"].shape = c.tensors["lm_head.weight"].shape = {100000, 16};
  WriteCheckpoint(dir / "m", c);
}

TEST_CASE("convert: a full disk is an error that leaves nothing") {
  const TemporaryDirectory dir;
  WriteLarger(dir);
  WriteText(dir / "out.samara", "old");
  for (const rlim_t limit :
       {rlim_t{0}, rlim_t{64}, rlim_t{20000}, rlim_t{1} << 20, rlim_t{3} << 20}) {
    const int status = InChild([&] {
      // Writes past the limit fail like writes to a full disk.
      signal(SIGXFSZ, SIG_IGN);
      const rlimit size = {limit, limit};
      setrlimit(RLIMIT_FSIZE, &size);
      const Status result = Convert(Options(dir, DType::kQ8_0)).status();
      return result.code() == StatusCode::kIo &&
                     Has(result.message(), "cannot write: File too large")
                 ? 0
                 : 1;
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(dir.Names() == std::vector<std::string>{"m", "out.samara"});
    CHECK(ReadBytes(dir / "out.samara") == "old");
  }
}

TEST_CASE("convert: killed anywhere, the old file or none is there") {
  const TemporaryDirectory dir;
  WriteLarger(dir);
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(Convert(Options(dir, DType::kQ8_0)).ok());
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
                        std::chrono::steady_clock::now() - start)
                        .count();
  const std::string complete = ReadBytes(dir / "out.samara");
  const uint32_t seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  int killed = 0, left = 0;
  for (int round = 0; round < 24; ++round) {
    // With an old file, and without one; the last four by SIGTERM, which must also tidy up.
    const bool old = round % 2 == 0, gentle = round >= 20;
    unlink((dir / "out.samara").c_str());
    if (old) WriteText(dir / "out.samara", "old");
    const int status = InChild(
        [&] {
          OutputFile::RemoveOnSignals();
          return Convert(Options(dir, DType::kQ8_0)).ok() ? 0 : 1;
        },
        [&](pid_t child) {
          usleep(static_cast<useconds_t>(random() % static_cast<uint32_t>(took * 5 / 4 + 1)));
          kill(child, gentle ? SIGTERM : SIGKILL);
        });
    killed += WIFSIGNALED(status);
    if (WIFEXITED(status)) CHECK(WEXITSTATUS(status) == 0);
    const std::string now = ReadBytes(dir / "out.samara");
    if (now != complete) CHECK(now == (old ? "old" : ""));
    for (const std::string& name : dir.Names()) {
      if (name == "m" || name == "out.samara") continue;
      CHECK(name.starts_with(".out.samara.tmp-"));
      CHECK(!gentle);
      ++left;
      unlink((dir / name).c_str());
    }
  }
  MESSAGE("killed " << killed << " of 24, leftovers " << left << ", seed " << seed);
  CHECK(killed > 0);
  REQUIRE(Convert(Options(dir, DType::kQ8_0)).ok());
  CHECK(ReadBytes(dir / "out.samara") == complete);
}

TEST_CASE("convert: the source changes meanwhile") {
  const TemporaryDirectory dir;
  WriteLarger(dir);
  WriteText(dir / "out.samara", "old");
  ConvertOptions options = Options(dir);
  bool touched = false;
  options.progress = [&](const char*, uint64_t done, uint64_t total) {
    if (touched || done < total / 2) return;
    touched = true;
    const int fd = open((dir / "m/model.safetensors").c_str(), O_WRONLY);
    REQUIRE(pwrite(fd, "x", 1, 200000) == 1);
    close(fd);
  };
  const Status status = Convert(options).status();
  CHECK(touched);
  CHECK_MESSAGE(Has(status.message(), "model.safetensors: the file changed while it was read"),
                status.message());
  CHECK(ReadBytes(dir / "out.samara") == "old");
}

TEST_CASE("convert: the list of a plan") {
  const TemporaryDirectory dir;
  WriteCheckpoint(dir / "m", MakeCheckpoint("qwen3"));
  const StatusOr<ConversionPlan> plan = PlanConversion(dir / "m", DType::kQ4_0);
  REQUIRE_MESSAGE(plan.ok(), std::string(plan.status().message()));
  CHECK(plan->package.name == "m");
  for (const Weight& weight : plan->package.weights) {
    CHECK(weight.dtype == (weight.is_vector ? DType::kF32 : DType::kQ4_0));
  }
  CHECK(dir.Names() == std::vector<std::string>{"m"});
}

}  // namespace
}  // namespace samara
