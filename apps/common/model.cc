#include "apps/common/model.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "apps/common/cli.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxTokenBytes = uint64_t{1} << 26;  // when a buffer stops growing

// read(2) until `bytes` are there or the file ends; -1 on error.
ssize_t ReadUpTo(int fd, char* out, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = read(fd, out + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

int CheckModelFile(const std::string& path) {
  // Not blocking: a FIFO must not hang the program.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    return Fail(kExitUsage, path + ": " + std::strerror(error),
                error == ENOENT ? "wanted a .samara file" : "");
  }
  struct stat info {};
  char magic[4] = {};
  const bool known = fstat(fd, &info) == 0;
  const ssize_t n = known && S_ISREG(info.st_mode) ? ReadUpTo(fd, magic, sizeof(magic)) : 0;
  close(fd);
  if (known && S_ISDIR(info.st_mode)) {
    return Fail(kExitUsage, path + ": got a directory, wanted a .samara file",
                "to make one: samara-convert " + path + " -o NAME.samara");
  }
  if (!known || !S_ISREG(info.st_mode)) {
    return Fail(kExitUsage, path + ": not a regular file, wanted a .samara file");
  }
  if (n == 0) return Fail(kExitUsage, path + ": the file is empty, wanted a .samara file");
  if (n == 4 && std::memcmp(magic, "GGUF", 4) == 0) {
    return Fail(kExitUsage, path + ": got a GGUF file, wanted a .samara file",
                "convert it first: samara-convert " + path + " -o NAME.samara");
  }
  return kExitOk;
}

int OpenModel(const std::string& path, const samara_model_options& options, ModelPtr* model) {
  if (const int code = CheckModelFile(path); code != kExitOk) return code;
  samara_model* opened = nullptr;
  const samara_status status = samara_model_open(path.c_str(), &options, &opened);
  if (status != SAMARA_OK) {
    const std::string_view backend = options.backend == nullptr ? "" : options.backend;
    const bool chosen = !backend.empty() && backend != "auto" && backend != "cpu";
    const bool of_device = status == SAMARA_DEVICE_LOST || status == SAMARA_OUT_OF_MEMORY ||
                           (status == SAMARA_NOT_FOUND && access(path.c_str(), F_OK) == 0);
    return FailLibrary(status, path, chosen && of_device ? "--backend cpu runs without it" : "");
  }
  model->reset(opened);
  return kExitOk;
}

samara_model_info InfoOf(const samara_model* model) {
  samara_model_info info{};
  info.struct_size = sizeof(info);
  (void)samara_model_get_info(model, &info);  // fails for a wrong struct_size only
  return info;
}

int ReadText(const std::string& path, uint64_t limit, std::string* text) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(kExitUsage, path + ": " + std::strerror(errno));
  text->clear();
  ssize_t n = 0;
  do {
    const size_t old = text->size();
    text->resize(old + 65536);
    n = ReadUpTo(fd, text->data() + old, 65536);
    text->resize(old + (n > 0 ? static_cast<size_t>(n) : 0));
  } while (n > 0 && text->size() <= limit);
  const int error = errno;
  if (!standard_input) close(fd);
  if (n < 0) return Fail(kExitUsage, name + ": " + std::strerror(error));
  if (text->size() > limit) {
    return Fail(kExitUsage, name + ": more than " + std::to_string(limit) + " bytes of text");
  }
  return kExitOk;
}

samara_status Tokenize(const samara_model* model, std::string_view text, uint32_t flags,
                       std::vector<int32_t>* tokens) {
  std::vector<unsigned char> work(samara_tokenize_work_size(model, text.size()));
  tokens->resize(text.size() + 16);  // at most a token a byte is usual; the call tells if not
  for (;;) {
    size_t n = 0;
    const samara_status status =
        samara_tokenize(model, text.data(), text.size(), flags, work.data(), work.size(),
                        tokens->data(), tokens->size(), &n);
    const bool too_small = status == SAMARA_RESOURCE_EXHAUSTED && n > tokens->size();
    if (!too_small) {
      tokens->resize(status == SAMARA_OK ? n : 0);
      return status;
    }
    tokens->resize(n);
  }
}

samara_status Decoder::Append(int32_t token, std::string* text) {
  for (;;) {
    samara_detokenizer state = state_;
    size_t n = 0;
    const samara_status status =
        samara_detokenize(model_, &state, token, special_, buffer_.data(), buffer_.size(), &n);
    if (status == SAMARA_RESOURCE_EXHAUSTED && buffer_.size() < kMaxTokenBytes) {
      buffer_.resize(buffer_.size() * 2);
      continue;
    }
    if (status == SAMARA_OK) {
      state_ = state;
      text->append(buffer_.data(), n);
    }
    return status;
  }
}

bool Decoder::whole() const {
  samara_detokenizer state = state_;
  char rest[64];
  size_t n = 0;
  return samara_detokenize_end(model_, &state, rest, sizeof(rest), &n) == SAMARA_OK && n == 0;
}

samara_status Decoder::End(std::string* text) {
  size_t n = 0;
  const samara_status status =
      samara_detokenize_end(model_, &state_, buffer_.data(), buffer_.size(), &n);
  if (status == SAMARA_OK) text->append(buffer_.data(), n);
  return status;
}

}  // namespace samara::apps
