#include "runtime/processors.h"

#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string>

#if defined(__linux__)
#include <sched.h>
#endif

namespace samara {
namespace {

// 0: the calling thread.
#if defined(__linux__)
constexpr bool kCanPlace = true;
bool Get(ProcessorSet* set) {
  return sched_getaffinity(0, sizeof set->words, reinterpret_cast<cpu_set_t*>(set->words)) == 0;
}
bool Set(const ProcessorSet& set) {
  return sched_setaffinity(0, sizeof set.words, reinterpret_cast<const cpu_set_t*>(set.words)) == 0;
}
#else
constexpr bool kCanPlace = false;
bool Get(ProcessorSet*) { return false; }
bool Set(const ProcessorSet&) { return false; }
#endif

Status Malformed(const char* text) {
  return InvalidArgument("affinity: got %s, wanted processors as in 0,2-3, each below %u and once",
                         Quoted(text).c_str(), kMaxProcessors);
}

std::string ListText(const ProcessorSet& set) {
  std::string text;
  for (uint32_t begin = 0; begin < kMaxProcessors; ++begin) {
    if (!set.Has(begin)) continue;
    uint32_t end = begin;
    while (set.Has(end + 1)) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(begin);
    if (end != begin) (text += '-') += std::to_string(end);
    begin = end;
  }
  return text;
}

}  // namespace

bool GetAffinity(ProcessorSet* set) {
  *set = {};
  return Get(set);
}

bool SetAffinity(const ProcessorSet& set) { return Set(set); }

uint32_t UsableProcessors() {
  ProcessorSet set;
  if (GetAffinity(&set) && set.Count() > 0) return set.Count();
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? static_cast<uint32_t>(n) : 1;
}

Status ParseProcessorList(const char* text, std::vector<uint32_t>* processors) {
  processors->clear();
  ProcessorSet seen;
  const char* at = text;
  const char* const end = text + std::strlen(text);
  for (;;) {
    uint32_t first = 0;
    std::from_chars_result read = std::from_chars(at, end, first);
    if (read.ec != std::errc()) return Malformed(text);
    uint32_t last = first;
    if (read.ptr != end && *read.ptr == '-') {
      read = std::from_chars(read.ptr + 1, end, last);
      if (read.ec != std::errc()) return Malformed(text);
    }
    if (last < first || last >= kMaxProcessors) return Malformed(text);
    for (uint32_t processor = first; processor <= last; ++processor) {
      if (seen.Has(processor)) return Malformed(text);
      seen.Add(processor);
      processors->push_back(processor);
    }
    if (read.ptr == end) return {};
    if (*read.ptr != ',') return Malformed(text);
    at = read.ptr + 1;
  }
}

Status CheckProcessors(const std::vector<uint32_t>& processors) {
  ProcessorSet usable;
  if (!kCanPlace || !GetAffinity(&usable)) {
    return Unsupported("affinity: threads cannot be placed on processors on this system");
  }
  for (uint32_t processor : processors) {
    if (!usable.Has(processor)) {
      return InvalidArgument("affinity: processor %u is not there for this process; it may use %s",
                             processor, ListText(usable).c_str());
    }
  }
  return {};
}

}  // namespace samara
