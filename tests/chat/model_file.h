// Packages of package.h as files.
#ifndef SAMARA_TESTS_CHAT_MODEL_FILE_H_
#define SAMARA_TESTS_CHAT_MODEL_FILE_H_

#include "tests/chat/package.h"
#include "tests/e2e/run.h"

namespace samara::test {

inline std::string MakePackage(const std::string& name, const PackageSpec& spec) {
  const std::string path = Scratch(name + ".samara");
  WriteFile(path, PackageBytes(spec));
  return path;
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_CHAT_MODEL_FILE_H_
