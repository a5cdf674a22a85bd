// samara-inspect: what is in a package, what it needs, whether it is whole and right.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/text.h"
#include "apps/inspect/package_file.h"
#include "apps/inspect/sections.h"

namespace samara::apps {
namespace {

struct Flags {
  std::string model, other;
  bool memory = false, graph = false, tensors = false, plan = false, verify = false, check = false;
  bool devices = false, json = false;
  LoadFlags load;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("FILE", flags->model, "a .samara file; not needed for --devices");
  app->add_flag("--devices", flags->devices, "the devices of this machine that can run models");
  app->add_flag("--memory", flags->memory, "every byte that loading would allocate, by name");
  app->add_flag("--graph", flags->graph, "the operators as stored");
  app->add_flag("--tensors", flags->tensors, "the weights: type, shape, place, source");
  app->add_flag("--plan", flags->plan, "what runs fused, and where activations lie");
  app->add_flag("--verify", flags->verify, "replay the package's golden outputs on this device");
  app->add_flag("--check", flags->check, "check the hash of every chunk of weights");
  app->add_option("--diff", flags->other, "compare with another package")->type_name("FILE2");
  app->add_flag("--json", flags->json, "print one JSON object with a member a part");
  AddRunFlags(app, &flags->load.run);
  app->add_option("--batch", flags->load.batch, "most tokens of one step; default: 128")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->group("Running");
  app->add_option("--sessions", flags->load.sessions, "sessions at a time; default: 1")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->group("Running");
}

int Run(const Flags& flags) {
  if (flags.model.empty() && !flags.devices) {
    return Fail(kExitUsage, "FILE is required", "samara-inspect --help lists the flags");
  }
  if (flags.model.empty()) {
    JsonWriter writer;
    std::string text;
    if (flags.json) writer.BeginObject();
    if (flags.json) writer.Key("devices");
    const int code = PrintDevices(flags.json ? &writer : nullptr, &text);
    if (flags.json) writer.EndObject();
    if (flags.json) text = writer.Finish();
    return WriteAll(text, stdout) ? code : Fail(kExitFailed, "cannot write to standard output");
  }
  if (const int code = CheckModelFile(flags.model); code != kExitOk) return code;
  PackageReader file, other;
  if (const Status status = file.Open(flags.model); !status.ok()) return FailStatus(status);
  if (!flags.other.empty()) {
    if (const int code = CheckModelFile(flags.other); code != kExitOk) return code;
    if (const Status status = other.Open(flags.other); !status.ok()) return FailStatus(status);
  }

  JsonWriter writer;
  JsonWriter* json = flags.json ? &writer : nullptr;
  std::string text;
  int code = kExitOk;
  // Later parts still run after one that found something: the worst code is the program's.
  const auto part = [&](bool wanted, const char* name, const std::function<int()>& print) {
    if (!wanted) return;
    if (json != nullptr) json->Key(name);
    if (json == nullptr && !text.empty()) text += '\n';
    code = std::max(code, print());
  };
  const bool any = flags.memory || flags.graph || flags.tensors || flags.plan || flags.verify ||
                   flags.check || flags.devices || !flags.other.empty();
  if (json != nullptr) json->BeginObject();
  part(!any, "summary", [&] { return PrintSummary(file, json, &text); });
  part(flags.devices, "devices", [&] { return PrintDevices(json, &text); });
  part(!any || flags.memory, "memory",
       [&] { return PrintMemory(flags.model, flags.load, json, &text); });
  part(flags.graph, "graph", [&] { return PrintGraph(file, json, &text); });
  part(flags.tensors, "tensors", [&] { return PrintTensors(file, json, &text); });
  part(flags.plan, "plan", [&] { return PrintPlan(file, flags.load, json, &text); });
  part(flags.check, "check", [&] { return PrintCheck(&file, json, &text); });
  part(flags.verify, "verify", [&] { return PrintVerify(flags.model, flags.load, json, &text); });
  part(!flags.other.empty(), "diff", [&] { return PrintDiff(&file, &other, json, &text); });
  if (json != nullptr) {
    json->EndObject();
    text = json->Finish();
  }
  if (!WriteAll(text, stdout)) return Fail(kExitFailed, "cannot write to standard output");
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app("Shows what a package holds and needs, and checks it.");
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-inspect", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  return samara::apps::GuardMemory([&] { return samara::apps::Main(argc, argv); });
}
