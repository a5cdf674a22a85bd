// Writes the tiny package that the C programs open. Usage: make_package FILE
#include <cstdio>

#include "tests/formats/tiny_package.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  samara::test::TinySpec spec;
  spec.hidden_output = true;
  samara::test::TinyPackage tiny;
  const samara::Status status = samara::test::MakeTinyPackage(spec, &tiny);
  std::FILE* file = status.ok() ? std::fopen(argv[1], "wb") : nullptr;
  if (file == nullptr) {
    std::fprintf(stderr, "%s: %s\n", argv[1], status.message());
    return 1;
  }
  const bool written = std::fwrite(tiny.file.data(), 1, tiny.file.size(), file) == tiny.file.size();
  return std::fclose(file) == 0 && written ? 0 : 1;
}
