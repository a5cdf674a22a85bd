// Converts a small random checkpoint with ChatML's tokens and template. Usage: make_chat_package FILE
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "converter/convert.h"
#include "tests/converter/checkpoint.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  doctest::Context context;  // for the checks of the helpers
  context.setAsDefaultForAssertsOutOfTestCases();
  const samara::TemporaryDirectory dir;
  samara::TestCheckpoint checkpoint = samara::MakeCheckpoint("qwen3");
  checkpoint.config["vocab_size"] = "1300";
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (tensor.shape.size() == 2 && tensor.shape[0] == 300) tensor.shape[0] = 1300;
  }
  const std::string source = dir / "model", tests = SAMARA_SOURCE_DIR "/tests/";
  samara::WriteCheckpoint(source, checkpoint);
  samara::WriteText(source + "/tokenizer.json",
                    samara::ReadBytes(tests + "tokenizer/data/qwen2.json"));
  samara::WriteText(source + "/chat_template.jinja",
                    samara::ReadBytes(tests + "chat_templates/data/own/chatml.jinja"));
  samara::ConvertOptions options;
  options.source = source;
  options.output = argv[1];
  const auto summary = samara::Convert(options);
  if (!summary.ok()) std::fprintf(stderr, "%s\n", summary.status().message());
  return summary.ok() ? 0 : 1;
}
