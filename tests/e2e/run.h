// Runs the programs as a user would.
#ifndef SAMARA_TESTS_E2E_RUN_H_
#define SAMARA_TESTS_E2E_RUN_H_

#include <string>
#include <vector>

namespace samara::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string out, err;
};

struct RunOptions {
  std::string input;                     // standard input; a pipe in any case
  std::vector<std::string> environment;  // "NAME=value", added
};

// `arguments[0]` is a program of the build ("samara-chat").
Outcome Run(const std::vector<std::string>& arguments, const RunOptions& options = {});

// A folder for this process's files, removed at its end.
std::string Scratch(const std::string& name);
void WriteFile(const std::string& path, const std::string& bytes);
std::string ReadFile(const std::string& path);

// A small package with random weights, made once.
const std::string& TinyPackage();

size_t Lines(const std::string& text);

}  // namespace samara::test

#endif  // SAMARA_TESTS_E2E_RUN_H_
