#include "converter/safetensors.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/converter/checkpoint.h"

namespace samara {
namespace {

const std::string kFour(4, 'x');

std::string One(const std::string& fields) { return "{\"a\":{" + fields + "}}"; }

TEST_CASE("safetensors: hostile files") {
  struct Case {
    std::string bytes, part;
    StatusCode code = StatusCode::kInvalidFile;
  };
  std::vector<Case> cases;
  const auto raw = [&](std::string bytes, const char* part) {
    cases.push_back({std::move(bytes), part});
  };
  const auto header = [&](const std::string& text, const std::string& data, const char* part) {
    cases.push_back({SafetensorsBytes(text, data), part});
  };
  // The first eight bytes.
  raw("", "got 0 bytes, wanted at least the 8");
  raw("1234567", "got 7 bytes, wanted at least the 8");
  raw(std::string(8, '\0'), "wanted '{'");
  raw(std::string(8, '\xff'), "got a header of 18446744073709551615 bytes");
  raw(std::string("\x10\0\0\0\0\0\0\0{}", 10), "got a header of 16 bytes, wanted at most 2");
  raw(std::string("\0\0\0\x80\0\0\0\0{}", 10), "got a header of 2147483648 bytes");
  raw(std::string("\0\0\0\0\0\0\0\x80{}", 10), "got a header of 9223372036854775808 bytes");
  // The text.
  header("[]", "", "wanted '{'");
  header(" {}", "", "wanted '{'");
  header("{", "", "wanted '\"' of a key");
  header("{\"a\xff\":{}}", "", "wanted UTF-8");
  header("{\"a\":" + std::string(100000, '[') + "}", "", "at most 64 levels");
  header("{\"a\":" + std::string(100000, '{') + "}", "", "wanted '\"' of a key");
  header("{} {}", "", "wanted the end of the file");
  header("{\"__metadata__\":[]}", "", "field __metadata__: got an array, wanted an object");
  header("{\"__metadata__\":{\"a\":1}}", "", "field __metadata__.a: got 1, wanted a string");
  header(
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
      kFour, "the key \"a\" twice");
  header("{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", kFour,
         "tensor name: got \"\"");
  header("{\"a\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", kFour,
         "without control characters");
  header("{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", kFour,
         "without control characters");
  header("{\"" + std::string(1025, 'n') +
             "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
         kFour, "of 1025 bytes, wanted 1 to 1024");
  // An entry.
  header("{\"a\":1}", "", "field a: got 1, wanted an object");
  header(One("\"shape\":[1],\"data_offsets\":[0,4]"), kFour,
         "field a.dtype: got nothing, wanted a string");
  header(One("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), kFour,
         "field a.shape: got nothing, wanted an array");
  header(One("\"dtype\":\"F32\",\"shape\":[1]"), kFour, "field a.data_offsets: got nothing");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":0"), kFour,
         "got the field \"x\"");
  header(One("\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]"), kFour,
         "field a.dtype: got the string \"F99\", wanted a known type");
  header(One("\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]"), kFour,
         "field a.dtype: got 7, wanted a string");
  header(One("\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]"), kFour,
         "field a.shape: got 1, wanted an array");
  header(One("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), kFour,
         "field a.shape[0]: got -1");
  header(One("\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]"), kFour,
         "field a.shape[0]: got 1");
  header(One("\"dtype\":\"F32\",\"shape\":[1e400],\"data_offsets\":[0,4]"), kFour,
         "in the range of binary64");
  header(One("\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]"), kFour,
         "field a.shape[0]: got the string");
  header(One("\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]"), kFour,
         "field a.shape[0]");
  header(One("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]"), kFour,
         "a shape whose product overflows");
  header(One("\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]"), kFour,
         "a shape whose product overflows");
  {
    std::string many = "1";
    for (int i = 1; i < 10000; ++i) many += ",1";
    header(One("\"dtype\":\"F32\",\"shape\":[" + many + "],\"data_offsets\":[0,4]"), kFour,
           "a shape of rank 10000");
  }
  header(One("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]"), "xx",
         "no whole number of bytes");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]"), kFour,
         "got 1 numbers, wanted [begin, end]");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]"), kFour, "got 3 numbers");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]"), kFour,
         "field a.data_offsets[0]: got -4");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"), kFour,
         "an end before the begin");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]"), kFour,
         "an end of 5, wanted at most 4");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,"
             "18446744073709551615]"),
         kFour, "an end of 18446744073709551615");
  header(One("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"), kFour,
         "got 4 bytes, wanted 8 bytes for F32 [2]");
  header(One("\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]"), kFour,
         "got 4 bytes, wanted 0 bytes");
  // Together.
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"), kFour + kFour,
         "there is a hole before it");
  header(One("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), kFour + "y",
         "bytes after the last tensor");
  header(
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
      kFour + kFour, "two tensors overlap");
  header(
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
      kFour, "two tensors overlap");
  header("{}", "x", "bytes after the last tensor");

  CHECK(cases.size() >= 50);
  const TemporaryDirectory dir;
  for (const Case& c : cases) {
    WriteText(dir / "model.safetensors", c.bytes);
    const StatusOr<Checkpoint> result = Checkpoint::Open(dir.path());
    REQUIRE_MESSAGE(!result.ok(), std::string(c.part));
    const std::string message = result.status().message();
    CHECK_MESSAGE(result.status().code() == c.code, message);
    CHECK_MESSAGE(message.find(c.part) != std::string::npos,
                  message << "\n  wanted " << std::string(c.part));
    CHECK_MESSAGE(message.starts_with("model.safetensors: "), message);
    for (const char ch : message) CHECK(static_cast<uint8_t>(ch) >= 0x20);
  }
}

TEST_CASE("safetensors: valid oddities") {
  const TemporaryDirectory dir;
  // Zero-size tensors share an offset, a scalar has rank 0, types that no weight can have are
  // listed, spaces follow.
  WriteText(dir / "model.safetensors",
            SafetensorsBytes("{\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
                             "\"y\":{\"dtype\":\"F64\",\"shape\":[1099511627776,1099511627776,0],"
                             "\"data_offsets\":[4,4]},"
                             "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                             "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[4,12]}}   ",
                             std::string(12, 'x')));
  StatusOr<Checkpoint> result = Checkpoint::Open(dir.path());
  REQUIRE_MESSAGE(result.ok(), std::string(result.status().message()));
  const Checkpoint checkpoint = std::move(*result);
  CHECK(checkpoint.tensors().size() == 4);
  CHECK(checkpoint.Find("s")->elements() == 1);
  CHECK(checkpoint.Find("s")->dtype == DType::kF32);
  CHECK(checkpoint.Find("i")->dtype == DType::kInvalid);
  CHECK(checkpoint.Find("i")->type == "I64");
  CHECK(checkpoint.Find("y")->bytes == 0);
  CHECK(checkpoint.Find("x") == nullptr);
  char data[4];
  CHECK(checkpoint.Read(*checkpoint.Find("s"), 0, data, 4).ok());
  CHECK(checkpoint.Read(*checkpoint.Find("s"), 1, data, 4).code() == StatusCode::kInternal);
}

TEST_CASE("safetensors: truncated at every byte") {
  const TemporaryDirectory dir;
  TestTensors tensors;
  tensors["a"].shape = {2, 3};
  tensors["b"].shape = {4};
  const std::string bytes = SafetensorsOf(tensors);
  for (size_t n = 0; n < bytes.size(); ++n) {
    WriteText(dir / "model.safetensors", bytes.substr(0, n));
    CHECK_MESSAGE(!Checkpoint::Open(dir.path()).ok(), n);
  }
  WriteText(dir / "model.safetensors", bytes);
  CHECK(Checkpoint::Open(dir.path()).ok());
}

TEST_CASE("safetensors: shards") {
  TestTensors first, second;
  first["a"].shape = {2};
  second["b"].shape = {3};
  const auto open = [&](const std::string& index, const TestTensors& one, const TestTensors& two) {
    const TemporaryDirectory dir;
    WriteText(dir / "one.safetensors", SafetensorsOf(one));
    WriteText(dir / "two.safetensors", SafetensorsOf(two));
    WriteText(dir / "model.safetensors.index.json", index);
    StatusOr<Checkpoint> result = Checkpoint::Open(dir.path());
    return result.ok() ? std::string("ok ") + std::to_string(result->tensors().size())
                       : std::string(result.status().message());
  };
  const std::string good =
      "{\"metadata\":{},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}";
  CHECK(open(good, first, second) == "ok 2");
  struct Case {
    std::string index, part;
  };
  const Case cases[] = {
      {"{}", "field weight_map: got nothing, wanted an object"},
      {"{\"weight_map\":[]}", "field weight_map: got an array"},
      {"{\"weight_map\":{\"a\":1}}", "field weight_map.a: got 1, wanted a string"},
      {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"/etc/one.safetensors\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"x/one.safetensors\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"..\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"one.bin\"}}", "ending in .safetensors"},
      {"{\"weight_map\":{\"a\":\"one\\u0000.safetensors\"}}", "without a directory"},
      {"{\"weight_map\":{\"a\":\"three.safetensors\"}}",
       "shard \"three.safetensors\": no such file"},
      {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}",
       "wanted one that holds it"},
      {"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}",
       "wanted \"one.safetensors\""},
      {"{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}",
       "wanted one that holds it"},
  };
  for (const Case& c : cases) {
    const std::string message = open(c.index, first, second);
    CHECK_MESSAGE(message.find(c.part) != std::string::npos,
                  message << "\n  wanted " << std::string(c.part));
  }
  TestTensors both = second;
  both["a"].shape = {2};
  CHECK(open(good, first, both)
            .find("tensor \"a\": got it in one.safetensors and in two.safetensors") == 0);
  TestTensors extra = second;
  extra["c"].shape = {1};
  CHECK(open(good, first, extra).find("got no entry for tensor \"c\" of two.safetensors") !=
        std::string::npos);
}

TEST_CASE("safetensors: a FIFO, a directory, and a file that changes") {
  const TemporaryDirectory dir;
  REQUIRE(mkfifo((dir / "model.safetensors").c_str(), 0600) == 0);
  CHECK(Checkpoint::Open(dir.path()).status().code() == StatusCode::kInvalidFile);
  unlink((dir / "model.safetensors").c_str());
  REQUIRE(mkdir((dir / "model.safetensors").c_str(), 0700) == 0);
  CHECK(!Checkpoint::Open(dir.path()).ok());
  rmdir((dir / "model.safetensors").c_str());
  CHECK(Checkpoint::Open(dir.path()).status().code() == StatusCode::kNotFound);

  TestTensors tensors;
  tensors["a"].shape = {2};
  WriteText(dir / "model.safetensors", SafetensorsOf(tensors));
  StatusOr<Checkpoint> checkpoint = Checkpoint::Open(dir.path());
  REQUIRE(checkpoint.ok());
  CHECK(checkpoint->CheckUnchanged().ok());
  WriteText(dir / "model.safetensors", SafetensorsOf(tensors).substr(0, 60));
  CHECK(std::string(checkpoint->CheckUnchanged().message()).find("changed while it was read") !=
        std::string::npos);
  char data[8];
  CHECK(checkpoint->Read(*checkpoint->Find("a"), 0, data, 8).code() == StatusCode::kInvalidFile);
}

}  // namespace
}  // namespace samara
