// The pipeline cache on disk, keyed by device and driver. Whatever goes wrong here is silent: pipelines are compiled
// again. The driver checks the header of the data; the file has a hash besides, since drivers trust what follows it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "backends/vulkan/context.h"

namespace samara::vulkan {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr char kMagic[8] = {'S', 'M', 'R', 'V', 'K', 'P', 'C', '1'};

uint64_t Hash(const uint8_t* data, size_t n) {
  uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
  for (size_t i = 0; i < n; ++i) h = (h ^ data[i]) * 0x100000001b3u;
  return h;
}

void AppendHex(const uint8_t* bytes, size_t n, std::string* text) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; ++i) {
    *text += kDigits[bytes[i] >> 4];
    *text += kDigits[bytes[i] & 15];
  }
}

bool ReadFile(const std::string& path, std::vector<uint8_t>* bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  struct stat facts;
  bool ok = fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0 &&
            static_cast<uint64_t>(facts.st_size) <= kMaxBytes;
  if (ok) {
    bytes->resize(static_cast<size_t>(facts.st_size));
    size_t at = 0;
    while (ok && at < bytes->size()) {
      const ssize_t n = read(file, bytes->data() + at, bytes->size() - at);
      ok = n > 0;
      if (ok) at += static_cast<size_t>(n);
    }
  }
  close(file);
  return ok;
}

bool WriteFile(const std::string& path, const std::vector<uint8_t>& bytes) {
  const std::string temporary = path + "." + std::to_string(getpid());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  size_t at = 0;
  bool ok = true;
  while (ok && at < bytes.size()) {
    const ssize_t n = write(file, bytes.data() + at, bytes.size() - at);
    ok = n > 0;
    if (ok) at += static_cast<size_t>(n);
  }
  ok = close(file) == 0 && ok;
  ok = ok && rename(temporary.c_str(), path.c_str()) == 0;
  if (!ok) unlink(temporary.c_str());
  return ok;
}

}  // namespace

std::string Context::CachePath() const {
  if (options_.cache == Switch::kOff) return "";
  std::string folder;
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (xdg != nullptr && xdg[0] == '/') {
    folder = xdg;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::string(home) + "/.cache";
  } else {
    return "";
  }
  std::string name = "vulkan-";
  AppendHex(properties_.pipelineCacheUUID, VK_UUID_SIZE, &name);
  const uint32_t ids[3] = {properties_.vendorID, properties_.deviceID, properties_.driverVersion};
  AppendHex(reinterpret_cast<const uint8_t*>(ids), sizeof ids, &name);
  return folder + "/samara/" + name + ".bin";
}

void Context::LoadCache() {
  VkPipelineCacheCreateInfo info = {VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  std::vector<uint8_t> bytes;
  const std::string path = CachePath();
  constexpr size_t kHead = sizeof kMagic + sizeof(uint64_t);
  if (!path.empty() && ReadFile(path, &bytes) && bytes.size() > kHead &&
      std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0) {
    uint64_t hash;
    std::memcpy(&hash, bytes.data() + sizeof kMagic, sizeof hash);
    if (hash == Hash(bytes.data() + kHead, bytes.size() - kHead)) {
      info.initialDataSize = bytes.size() - kHead;
      info.pInitialData = bytes.data() + kHead;
    }
  }
  if (api_.CreatePipelineCache(device_, &info, nullptr, &cache_) == VK_SUCCESS) return;
  info.initialDataSize = 0;
  if (api_.CreatePipelineCache(device_, &info, nullptr, &cache_) != VK_SUCCESS) {
    cache_ = VK_NULL_HANDLE;  // pipelines are made without
  }
}

void Context::SaveCache() {
  const std::lock_guard lock(mutex_);
  const std::string path = CachePath();
  if (path.empty() || cache_ == VK_NULL_HANDLE || !cache_changed_ || lost()) return;
  cache_changed_ = false;
  size_t n = 0;
  if (api_.GetPipelineCacheData(device_, cache_, &n, nullptr) != VK_SUCCESS || n == 0) return;
  if (n > kMaxBytes) return;
  constexpr size_t kHead = sizeof kMagic + sizeof(uint64_t);
  std::vector<uint8_t> bytes(kHead + n);
  if (api_.GetPipelineCacheData(device_, cache_, &n, bytes.data() + kHead) != VK_SUCCESS) return;
  bytes.resize(kHead + n);
  const uint64_t hash = Hash(bytes.data() + kHead, n);
  std::memcpy(bytes.data(), kMagic, sizeof kMagic);
  std::memcpy(bytes.data() + sizeof kMagic, &hash, sizeof hash);
  const std::string folder = path.substr(0, path.rfind('/'));
  mkdir(folder.substr(0, folder.rfind('/')).c_str(), 0700);
  mkdir(folder.c_str(), 0700);
  std::vector<uint8_t> old;
  if (ReadFile(path, &old) && old == bytes) return;
  static_cast<void>(WriteFile(path, bytes));
}

}  // namespace samara::vulkan
