// Writes what the fuzzers begin with: the parts of a small valid package and checkpoint.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "apps/bench/random_checkpoint.h"
#include "converter/convert.h"
#include "runtime/file.h"

namespace samara {
namespace {

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void Write(const std::string& folder, const std::string& bytes) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/seed", std::ios::binary) << bytes;
}

Status WriteSeeds(const std::string& corpus) {
  apps::RandomShape shape = apps::RandomShapes()[0];
  shape.hidden = 32;
  shape.intermediate = 32;
  shape.layers = 1;
  shape.head_dim = 8;
  shape.vocab = 260;
  const std::string source = corpus + "/checkpoint", package = corpus + "/seed.samara";
  std::filesystem::create_directories(source);
  SAMARA_RETURN_IF_ERROR(apps::WriteRandomCheckpoint(shape, 1, source));
  ConvertOptions options;
  options.source = source;
  options.output = package;
  options.quant = DType::kQ8_0;
  const auto summary = Convert(options);
  SAMARA_RETURN_IF_ERROR(summary.status());

  PackageFile file;
  ParsedPackage parsed;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(package.c_str(), &file));
  SAMARA_RETURN_IF_ERROR(ReadPackage(file, &parsed));
  const std::string bytes = Read(package);
  const Segment& tables =
      parsed.package.segments[static_cast<size_t>(parsed.package.tokenizer_segment)];
  Write(corpus + "/header_fuzz", bytes.substr(0, kHeaderBytes));
  Write(corpus + "/package_fuzz",
        bytes.substr(parsed.header.metadata_offset, parsed.header.metadata_bytes));
  Write(corpus + "/tables_fuzz", std::string(64, 'a') + bytes.substr(tables.offset, tables.bytes));
  Write(corpus + "/template_fuzz",
        std::string(1, '\0') +
            "{% for m in messages if m.role %}{{ m['content'] | trim }}{% endfor %}");
  Write(corpus + "/tokenizer_fuzz", Read(source + "/tokenizer.json"));
  Write(corpus + "/safetensors_fuzz", Read(source + "/model.safetensors").substr(0, 4096));
  std::filesystem::remove_all(source);
  std::filesystem::remove(package);
  return Status();
}

}  // namespace
}  // namespace samara

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const samara::Status status = samara::WriteSeeds(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "seeds: %s\n", status.message());
  return status.ok() ? 0 : 1;
}
