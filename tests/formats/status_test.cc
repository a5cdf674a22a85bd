#include "formats/status.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "formats/operands.h"

namespace {
bool no_memory = false;  // every allocation fails
}  // namespace

void* operator new(size_t n) {
  void* memory = no_memory ? nullptr : std::malloc(n > 0 ? n : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  return no_memory ? nullptr : std::malloc(n > 0 ? n : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace samara {
namespace {

TEST_CASE("status: code and text") {
  CHECK(Status().ok());
  CHECK(std::string(Status().message()).empty());
  Status error = InvalidFile("weight %s: %d bytes,\nwant %d", "w", 3, 4);
  CHECK_FALSE(error.ok());
  CHECK(error.code() == StatusCode::kInvalidFile);
  CHECK(std::string(error.message()) == "weight w: 3 bytes, want 4");  // one line
  Status copy = error;
  CHECK(std::string(copy.message()) == error.message());
  Status outer = error.WithContext("model.samara");
  CHECK(outer.code() == StatusCode::kInvalidFile);
  CHECK(std::string(outer.message()) == "model.samara: weight w: 3 bytes, want 4");
  CHECK(Status().WithContext("x").ok());
  copy = Status();
  CHECK(copy.ok());
  for (int code = 0; code <= 11; ++code) {
    CHECK(std::string(StatusCodeName(static_cast<StatusCode>(code))) != "UNKNOWN");
  }
}

TEST_CASE("status: very long texts are cut, not lost") {
  std::string name(100000, 'x');
  Status error = NotFound("%s", name.c_str());
  CHECK(error.code() == StatusCode::kNotFound);
  CHECK(std::string(error.message()).size() > 1000);
}

TEST_CASE("status: an error without text still tells its code") {
  Status error(StatusCode::kIo, "");
  CHECK(error.code() == StatusCode::kIo);
  CHECK(std::string(error.message()).size() > 0);
}

TEST_CASE("status: without memory the code survives and the text is a fixed one") {
  const char* long_name = "a name that is too long for the space inside of a string object";
  const std::string prefix = long_name;
  Status original = InvalidFile("%s", long_name);
  no_memory = true;
  Status made = InvalidFile("%s", long_name);
  Status copied = original;
  Status wrapped = original.WithContext(prefix);
  Status assigned;
  assigned = original;
  no_memory = false;
  for (const Status* status : {&made, &copied, &wrapped, &assigned}) {
    CHECK(status->code() == StatusCode::kInvalidFile);
    CHECK(std::string(status->message()).find("memory") != std::string::npos);
  }
  CHECK(std::string(original.message()) == long_name);
}

TEST_CASE("quoted: text of a file is safe on a terminal") {
  CHECK(Quoted("plain") == "\"plain\"");
  CHECK(Quoted("a\nb\x1b[2J\x7f") == "\"a\\x0ab\\x1b[2J\\x7f\"");
  CHECK(Quoted("say \"hi\" \\") == "\"say \\\"hi\\\" \\\\\"");
  CHECK(Quoted("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
  CHECK(Quoted("\xc3(") == "\"\\xc3(\"");                           // cut sequence
  CHECK(Quoted("\xc0\xaf") == "\"\\xc0\\xaf\"");                    // overlong
  CHECK(Quoted("\xed\xa0\x80") == "\"\\xed\\xa0\\x80\"");           // surrogate
  CHECK(Quoted("\xf4\x90\x80\x80") == "\"\\xf4\\x90\\x80\\x80\"");  // beyond U+10FFFF
  CHECK(Quoted("\xc2\x9b") == "\"\\xc2\\x9b\"");                    // C1 control
  CHECK(Quoted("\xe2\x80\xae") == "\"\\xe2\\x80\\xae\"");           // right-to-left override
  CHECK(Quoted("abcdef", 3) == "\"abc\"...");
  CHECK(Quoted("ab\xc3\xbc", 3) == "\"ab\"...");  // no character is split
  CHECK(Quoted(std::string_view("\0", 1)) == "\"\\x00\"");
}

TEST_CASE("operators: the table is sound") {
  int count = 0;
  const OpInfo* ops = AllOps(&count);
  REQUIRE(count > 30);
  for (int i = 0; i < count; ++i) {
    const OpInfo& info = ops[i];
    CAPTURE(info.name);
    CHECK(FindOp(info.code) == &info);  // no code twice
    CHECK(FindOp(std::string_view(info.name)) == &info);
    CHECK(info.composite == (static_cast<int>(info.code) >= 1000));
    CHECK(info.required_inputs <= info.min_inputs);
    CHECK(info.min_inputs <= info.max_inputs);
    CHECK(info.in_place < info.max_inputs);
    const bool inside = info.max_inputs >= 32 || (info.strided_inputs >> info.max_inputs) == 0;
    CHECK(inside);
    for (int a = 0; a < info.n_attrs; ++a) CHECK(info.attrs[a].min <= info.attrs[a].max);
  }
  CHECK(FindOp(OpCode::kInvalid) == nullptr);
  CHECK(FindOp("no_such_operator") == nullptr);
  CHECK(UseOfOperand(OpCode::kLinear, 1) == OperandUse::kMatrix);
  CHECK(UseOfOperand(OpCode::kLinear, 3) == OperandUse::kPlain);
}

TEST_CASE("element types: the table is sound") {
  for (int number = 0; number < 64; ++number) {
    const DTypeInfo* info = FindDType(static_cast<DType>(number));
    if (info == nullptr) {
      CHECK(std::string(DTypeName(static_cast<DType>(number))) == "unknown");
      continue;
    }
    CHECK(FindDType(std::string_view(info->name)) == info);
    CHECK(info->is_quantized == (info->block_elements == 32 || info->block_elements == 256));
  }
  CHECK(FindDType(DType::kQ4_0)->block_bytes == 18);
  CHECK(FindDType("q9_9") == nullptr);
}

}  // namespace
}  // namespace samara
