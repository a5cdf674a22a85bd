#include <doctest/doctest.h>

#include "converter/json.h"
#include "formats/package_format.h"
#include "tests/e2e/run.h"

namespace samara::test {
namespace {

TEST_CASE("every part prints, as text and as JSON") {
  for (const char* part :
       {"", "--memory", "--graph", "--tensors", "--plan", "--check", "--verify"}) {
    CAPTURE(part);
    std::vector<std::string> command = {"samara-inspect", TinyPackage()};
    if (*part != '\0') command.emplace_back(part);
    const Outcome text = Run(command);
    CAPTURE(text.err);
    CHECK(text.exit_code == 0);
    CHECK(text.err == "");
    CHECK(Lines(text.out) >= 2);
    command.emplace_back("--json");
    const Outcome json = Run(command);
    CHECK(json.exit_code == 0);
    const auto document = JsonDocument::Parse("output", json.out);
    CHECK_MESSAGE(document.ok(), document.status().message());
  }
}

TEST_CASE("the memory contract needs no weight byte") {
  // The same header and metadata, everything between them a hole.
  const std::string whole = ReadFile(TinyPackage());
  FileHeader header;
  const Status status = ParseHeader({reinterpret_cast<const uint8_t*>(whole.data()), kHeaderBytes},
                                    whole.size(), &header);
  REQUIRE_MESSAGE(status.ok(), status.message());
  std::string hollow(whole.size(), '\0');
  hollow.replace(0, kHeaderBytes, whole, 0, kHeaderBytes);
  hollow.replace(header.metadata_offset, std::string::npos, whole, header.metadata_offset,
                 std::string::npos);
  const std::string file = Scratch("hollow.samara");
  WriteFile(file, hollow);
  for (const char* ctx : {"64", "512"}) {
    const Outcome full =
        Run({"samara-inspect", TinyPackage(), "--memory", "--ctx", ctx, "--sessions", "3"});
    const Outcome hole = Run({"samara-inspect", file, "--memory", "--ctx", ctx, "--sessions", "3"});
    CHECK(full.exit_code == 0);
    CHECK(full.out == hole.out);
  }
  // ... and the hashes notice.
  const Outcome check = Run({"samara-inspect", file, "--check"});
  CHECK(check.exit_code == 2);
  CHECK(Lines(check.err) == 1);
}

TEST_CASE("the budget is compared with what is counted") {
  const Outcome fits = Run({"samara-inspect", TinyPackage(), "--memory", "--memory-budget", "1G"});
  CHECK(fits.exit_code == 0);
  const Outcome over = Run({"samara-inspect", TinyPackage(), "--memory", "--memory-budget", "10K"});
  CHECK(over.exit_code == 1);
  CHECK(over.out == fits.out);
}

TEST_CASE("a package equals itself and differs from another") {
  const Outcome same = Run({"samara-inspect", TinyPackage(), "--diff", TinyPackage()});
  CHECK(same.exit_code == 0);
  CHECK(same.out.find("no differences") != std::string::npos);
  const std::string other = Scratch("tiny-q4_0.samara");
  REQUIRE(Run({"samara-bench", "--make-random", "tiny", "--type", "q4_0", "-o", other}).exit_code ==
          0);
  const Outcome different = Run({"samara-inspect", TinyPackage(), "--diff", other});
  CHECK(different.exit_code == 1);
  CHECK(different.out.find("q8_0") != std::string::npos);
  CHECK(different.out.find("q4_0") != std::string::npos);
}

TEST_CASE("a damaged weight is found") {
  std::string bytes = ReadFile(TinyPackage());
  bytes[20000] ^= 1;  // in the first segment
  const std::string file = Scratch("bent.samara");
  WriteFile(file, bytes);
  const Outcome outcome = Run({"samara-inspect", file, "--check"});
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.out.find("BAD") != std::string::npos);
}

}  // namespace
}  // namespace samara::test
