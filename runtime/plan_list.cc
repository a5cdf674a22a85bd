// The memory contract of a plan: every block by name, with its bytes.
#include <algorithm>
#include <string_view>

#include "formats/package_format.h"
#include "runtime/model.h"
#include "runtime/plan.h"
#include "runtime/profile.h"
#include "runtime/reply.h"
#include "runtime/sampler.h"
#include "runtime/schedule.h"
#include "runtime/session.h"

namespace samara {
namespace items {
namespace {

// Names of a file as parts of our own, which are C strings and lines of text.
std::string Plain(std::string name) {
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name;
}

}  // namespace

std::string StatePart(const State& state, size_t part) {
  return "state pool " + Plain(state.name) + (part == 0 ? " keys" : " values");
}
std::string CompiledPlan(const LoweredGraph& lowered, size_t part, bool host) {
  std::string name = "compiled plan for " + std::to_string(lowered.bucket_tokens) + " tokens";
  if (host) name += " on the host";
  if (lowered.parts.size() > 1) name += ", part " + std::to_string(part);
  return name;
}
std::string CopiedSegment(const Segment& segment) {
  return "copied weights " + Plain(segment.name);
}
std::string CopiedWeight(const Weight& weight) { return "copied weight " + Plain(weight.name); }
std::string DeviceWeight(const Weight& weight) { return "device weight " + Plain(weight.name); }

}  // namespace items

namespace {

class Lister {
 public:
  Lister(const Package& package, const FileFacts& file, const Backend& backend, ModelPlan* plan)
      : package_(package), file_(file), backend_(backend), plan_(plan) {}

  Status Run() {
    const LoadOptions& o = plan_->options;
    const StepLayout& l = plan_->step_layout;
    MemoryList& list = plan_->list;
    const MemoryClass buffer = backend_.host_memory() ? MemoryClass::kHeap : MemoryClass::kDevice;
    list.Add(items::kModel, sizeof(Model));
    list.Add(items::kMetadata, file_.metadata_bytes);
    if (package_.tokenizer_segment >= 0) {
      const size_t index = static_cast<size_t>(package_.tokenizer_segment);
      if (index >= package_.segments.size() || !package_.segments[index].external.empty()) {
        return InvalidFile("the tokenizer lies in segment %zu, which is not in this file", index);
      }
      list.Add(items::kTokenizer, package_.segments[index].bytes);
    }
    if (!package_.sampling.eos_ids.empty()) {
      list.Add(items::kEos, package_.sampling.eos_ids.size() * sizeof(int32_t));
    }
    list.Add(items::kStep, l.bytes);
    list.Add(items::kSessionSlots,
             uint64_t{o.max_sessions} * (sizeof(Session*) + sizeof(StepShare)));
    uint64_t blocks = 0;
    for (uint32_t g = 0; g < l.n_groups; ++g) blocks += l.pool_blocks[g];
    if (blocks != 0) list.Add(items::kPool, blocks * 2 * sizeof(uint32_t));
    if (!package_.states.empty())
      list.Add(items::kStates, package_.states.size() * sizeof(StatePool));
    list.Add(items::kSampler, SamplerWorkBytes(plan_->logits_vocab));
    if (o.profile != 0) list.Add(items::kProfile, Profile::Bytes(*plan_));

    DeviceOptions device;
    device.n_threads = o.n_threads;
    device.isa = o.isa;
    device.threading = o.threading;
    SAMARA_RETURN_IF_ERROR(backend_.MeasureDevice(device, &list));
    for (const LoweredGraph& bucket : plan_->buckets) ListParts(bucket, false);
    list.Add(items::kSchedule, Schedule::Bytes(*plan_));
    list.Add(items::kArena, plan_->arena_bytes, 64, buffer);
    if (plan_->host_backend != nullptr) {
      SAMARA_RETURN_IF_ERROR(plan_->host_backend->MeasureDevice(device, &list));
      ListParts(plan_->host, true);
      list.Add(items::kHostArena, plan_->host.arena_bytes);
    }
    if (!backend_.host_memory()) {
      list.Add(items::kLogits, uint64_t{o.max_outputs} * plan_->logits_vocab * sizeof(float));
      if (plan_->hidden_dim != 0) {
        list.Add(items::kHidden, uint64_t{o.max_outputs} * plan_->hidden_dim * sizeof(float));
      }
    }
    SAMARA_RETURN_IF_ERROR(ListStates());
    ListWeights();
    for (uint32_t i = 0; i < o.max_sessions; ++i) {
      const std::string session = "session " + std::to_string(i);
      list.Add(session + " object", sizeof(Session), 64, MemoryClass::kHeap,
               MemoryLifetime::kSession);
      list.Add(session + " token history", uint64_t{o.n_ctx} * sizeof(int32_t), 64,
               MemoryClass::kHeap, MemoryLifetime::kSession);
      list.Add(session + " reply", sizeof(Reply), 64, MemoryClass::kHeap, MemoryLifetime::kSession);
    }
    list.AddLedger();
    // The package names states, weights and segments; the loader asks for memory by these names.
    std::vector<std::string_view> names;
    for (const MemoryItem& item : list.items) names.push_back(item.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) {
      return InvalidFile("two states, weights or segments share a name: memory item %s",
                         Quoted(*twice).c_str());
    }
    return {};
  }

 private:
  void ListParts(const LoweredGraph& lowered, bool host) {
    for (size_t i = 0; i < lowered.parts.size(); ++i) {
      plan_->list.Add(items::CompiledPlan(lowered, i, host), lowered.parts[i].measure.plan_bytes);
    }
  }

  Status ListStates() {
    for (size_t i = 0; i < package_.states.size(); ++i) {
      const State& state = package_.states[i];
      const Backend& backend = StateBackend(*plan_, backend_, i);
      if (state.kind != StateKind::kKeyValue || state.parts.size() != 2) {
        return Unsupported("state %s is of a kind that this build does not keep",
                           Quoted(state.name).c_str());
      }
      if (state.group >= plan_->step_layout.n_groups) {
        return InvalidFile("state %s is of group %u of %u", Quoted(state.name).c_str(), state.group,
                           plan_->step_layout.n_groups);
      }
      for (size_t part = 0; part < state.parts.size(); ++part) {
        uint64_t bytes = 0;
        SAMARA_RETURN_IF_ERROR(
            StateBlockBytes(state, part, plan_->options.kv_type, backend, &bytes));
        if (__builtin_mul_overflow(bytes, uint64_t{plan_->step_layout.pool_blocks[state.group]},
                                   &bytes)) {
          return ResourceExhausted("state %s passes 2^64 bytes", Quoted(state.name).c_str());
        }
        plan_->list.Add(items::StatePart(state, part), bytes, 64,
                        backend.host_memory() ? MemoryClass::kHeap : MemoryClass::kDevice);
      }
    }
    return {};
  }

  void ListWeights() {
    MemoryList& list = plan_->list;
    const bool device = !backend_.host_memory(), copies = plan_->options.no_mmap;
    for (size_t i = 0; i < plan_->placements.size() && device; ++i) {
      if (plan_->placements[i] < 0) continue;
      const Weight& weight = package_.weights[i];
      const auto& placement = weight.placements[static_cast<size_t>(plan_->placements[i])];
      if (plan_->weight_on[0][i] != 0) {
        list.Add(items::DeviceWeight(weight), backend_.WeightBytes(weight, placement), 64,
                 MemoryClass::kDevice);
      }
      if (plan_->weight_on[1][i] != 0 && copies) {
        list.Add(items::CopiedWeight(weight), placement.bytes + kSegmentTailBytes);
      }
    }
    for (size_t i = 0; i < plan_->segment_used.size() && !device && copies; ++i) {
      if (plan_->segment_used[i] == 0) continue;
      list.Add(items::CopiedSegment(package_.segments[i]),
               package_.segments[i].bytes + kSegmentTailBytes);
    }
    // For a device it is mapped while it is uploaded.
    if (file_.maps && (device || !copies)) {
      list.Add("mapped file", file_.file_bytes, 4096, MemoryClass::kMapped);
    }
  }

  const Package& package_;
  const FileFacts& file_;
  const Backend& backend_;
  ModelPlan* plan_;
};

}  // namespace

Status ListMemory(const Package& package, const FileFacts& file, const Backend& backend,
                  ModelPlan* plan) {
  return Lister(package, file, backend, plan).Run();
}

Status StateBlockBytes(const State& state, size_t part, DType kv_type, const Backend& backend,
                       uint64_t* bytes) {
  const StatePart& p = state.parts[part];
  if (__builtin_mul_overflow(backend.StateHeadBytes(kv_type, p.dim), uint64_t{p.heads}, bytes)) {
    return ResourceExhausted("state %s: a block of %u heads of %u passes 2^64 bytes",
                             Quoted(state.name).c_str(), p.heads, p.dim);
  }
  return {};
}

}  // namespace samara
