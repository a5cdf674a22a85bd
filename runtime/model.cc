#include "runtime/model.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "formats/metadata_schema.h"
#include "runtime/profile.h"
#include "runtime/session.h"

namespace samara {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

// Fills a model block by block. Everything it keeps lies in the ledger; what it only needs for the
// moment is in `trace`.
class Loader {
 public:
  Loader(Model* model, LoadTrace* trace)
      : model_(*model),
        ledger_(model->ledger),
        package_(trace->parsed.package),
        trace_(*trace),
        plan_(trace->plan) {}

  Status Run() {
    Facts();
    SAMARA_RETURN_IF_ERROR(CopyMetadata());
    SAMARA_RETURN_IF_ERROR(CopyTokenizer());
    SAMARA_RETURN_IF_ERROR(TakeHostBlocks());
    DeviceOptions options;
    options.n_threads = plan_.options.n_threads;
    options.isa = plan_.options.isa;
    options.threading = plan_.options.threading;
    SAMARA_RETURN_IF_ERROR(model_.backend->Open(options, &ledger_, &model_.device));
    if (plan_.host_backend != nullptr) {
      SAMARA_RETURN_IF_ERROR(plan_.host_backend->Open(options, &ledger_, &model_.host_device));
      SAMARA_RETURN_IF_ERROR(model_.host_device->Allocate(
          &ledger_, items::kHostArena, plan_.host.arena_bytes, &model_.host_arena));
    }
    SAMARA_RETURN_IF_ERROR(AllocateStates());
    SAMARA_RETURN_IF_ERROR(
        Room(model_.device->Allocate(&ledger_, items::kArena, plan_.arena_bytes, &model_.arena)));
    SAMARA_RETURN_IF_ERROR(BindWeights());
    SAMARA_RETURN_IF_ERROR(Compile());
    SAMARA_RETURN_IF_ERROR(FindOutputs());
    model_.file.CloseDescriptor();
    return ledger_.Seal();
  }

 private:
  void Facts() {
    const LoadOptions& o = plan_.options;
    const uint32_t vocab = plan_.logits_vocab;
    model_.limits = {o.n_ctx,     o.n_chunk, o.max_sessions, o.max_outputs,
                     o.n_threads, vocab,     vocab,          plan_.hidden_dim};
    if (package_.tokenizer_vocab != 0) {
      model_.limits.token_vocab = package_.tokenizer_vocab;
    }
    model_.kv_type = o.kv_type;
    model_.trained_context = package_.trained_context;
    model_.weight_elements = plan_.weight_elements;
    std::memcpy(model_.package_hash, trace_.parsed.header.metadata_sha256,
                sizeof model_.package_hash);
    model_.n_decomposed = plan_.split.n_decomposed;
    model_.sampling.temperature = package_.sampling.temperature;
    model_.sampling.top_k = package_.sampling.top_k;
    model_.sampling.top_p = package_.sampling.top_p;
    model_.sampling.min_p = package_.sampling.min_p;
    model_.sampling.repetition_penalty = package_.sampling.repetition_penalty;
    // A penalty without a length is over all that the model attends to.
    if (model_.sampling.repetition_penalty != 1) model_.sampling.penalty_window = o.n_ctx;
  }

  template <typename T>
  Status Take(const char* name, uint64_t count, T** block) {
    void* address = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger_.Take(name, count * sizeof(T), &address));
    *block = static_cast<T*>(address);
    return {};
  }

  Status CopyMetadata() {
    uint8_t* copy = nullptr;
    const uint64_t bytes = trace_.parsed.header.metadata_bytes;
    SAMARA_RETURN_IF_ERROR(Take(items::kMetadata, bytes, &copy));
    std::memcpy(copy, trace_.parsed.metadata.data(), bytes);
    model_.metadata = copy;
    if (!package_.sampling.eos_ids.empty()) {
      int32_t* ids = nullptr;
      model_.n_eos = static_cast<uint32_t>(package_.sampling.eos_ids.size());
      SAMARA_RETURN_IF_ERROR(Take(items::kEos, model_.n_eos, &ids));
      std::copy(package_.sampling.eos_ids.begin(), package_.sampling.eos_ids.end(), ids);
      model_.eos_ids = ids;
    }
    return {};
  }

  Status CopyTokenizer() {
    if (package_.tokenizer_segment < 0) return {};
    const Segment& segment = package_.segments[static_cast<size_t>(package_.tokenizer_segment)];
    uint8_t* tables = nullptr;
    SAMARA_RETURN_IF_ERROR(Take(items::kTokenizer, segment.bytes, &tables));
    SAMARA_RETURN_IF_ERROR(ReadCheckedSegment(model_.file, segment, tables));
    SAMARA_RETURN_IF_ERROR(model_.tokenizer.Init({tables, static_cast<size_t>(segment.bytes)}));
    if (model_.tokenizer.vocab() != package_.tokenizer_vocab) {
      return InvalidFile("the tokenizer has %u tokens, the package says %u",
                         model_.tokenizer.vocab(), package_.tokenizer_vocab);
    }
    model_.has_tokenizer = true;
    return {};
  }

  Status TakeHostBlocks() {
    model_.step_layout = plan_.step_layout;
    const StepLayout& layout = model_.step_layout;
    SAMARA_RETURN_IF_ERROR(Take(items::kStep, layout.bytes, &model_.step));
    const uint32_t n = model_.limits.max_sessions;
    uint8_t* slots = nullptr;
    SAMARA_RETURN_IF_ERROR(
        Take(items::kSessionSlots, uint64_t{n} * (sizeof(Session*) + sizeof(StepShare)), &slots));
    model_.sessions = reinterpret_cast<Session**>(slots);
    model_.shares = reinterpret_cast<StepShare*>(slots + n * sizeof(Session*));
    SAMARA_RETURN_IF_ERROR(
        ledger_.Take(items::kSampler, SamplerWorkBytes(model_.limits.vocab), &model_.sampler_work));
    if (plan_.options.profile != 0) {
      SAMARA_RETURN_IF_ERROR(Take(items::kProfile, Profile::Bytes(plan_), &slots));
      model_.profile = Profile::Place(slots, plan_);
    }

    model_.n_groups = layout.n_groups;
    model_.table_entries = plan_.sum_blocks_per_seq;
    uint64_t blocks = 0;
    for (uint32_t g = 0; g < layout.n_groups; ++g) blocks += layout.pool_blocks[g];
    uint32_t* lists = nullptr;
    if (blocks != 0) SAMARA_RETURN_IF_ERROR(Take(items::kPool, blocks * 2, &lists));
    uint32_t entry = 0;
    for (uint32_t g = 0; g < layout.n_groups; ++g) {
      GroupPool& group = model_.groups[g];
      group.blocks_per_seq = layout.blocks_per_seq[g];
      group.n_blocks = group.n_free = layout.pool_blocks[g];
      group.first_entry = entry;
      group.window = package_.groups[g].window;
      group.rewind_limit =
          package_.groups[g].window == 0 ? UINT64_MAX : package_.groups[g].rewind_limit;
      group.free_list = lists;
      group.references = lists + group.n_blocks;
      lists += 2 * uint64_t{group.n_blocks};
      // The lowest block is on top.
      for (uint32_t i = 0; i < group.n_blocks; ++i) group.free_list[i] = group.n_blocks - 1 - i;
      entry += group.blocks_per_seq;
    }
    return {};
  }

  // Adds to a device's refusal what can be done about it.
  Status Room(Status status) const {
    if (status.code() != StatusCode::kOutOfMemory || model_.backend->host_memory()) return status;
    return OutOfMemory("%s; option device_memory leaves layers to the host", status.message());
  }

  Status AllocateStates() {
    model_.n_states = static_cast<uint32_t>(package_.states.size());
    if (model_.n_states == 0) return {};
    SAMARA_RETURN_IF_ERROR(Take(items::kStates, model_.n_states, &model_.states));
    for (uint32_t i = 0; i < model_.n_states; ++i) {
      const State& state = package_.states[i];
      StatePool& pool = model_.states[i];
      const bool host = plan_.state_side[i] == Side::kHost;
      pool.device = host ? model_.host_device.get() : model_.device.get();
      pool.group = state.group;
      pool.n_parts = static_cast<uint32_t>(state.parts.size());
      for (uint32_t part = 0; part < pool.n_parts; ++part) {
        pool.heads[part] = state.parts[part].heads;
        pool.dim[part] = state.parts[part].dim;
        SAMARA_RETURN_IF_ERROR(StateBlockBytes(state, part, model_.kv_type,
                                               StateBackend(plan_, *model_.backend, i),
                                               &pool.block_bytes[part]));
        SAMARA_RETURN_IF_ERROR(Room(pool.device->Allocate(
            &ledger_, items::StatePart(state, part).c_str(),
            pool.block_bytes[part] * model_.groups[state.group].n_blocks, &pool.handle[part])));
      }
    }
    return {};
  }

  Status Progress(uint64_t done, uint64_t total) {
    const ModelCallbacks& c = model_.callbacks;
    if (c.progress != nullptr && c.progress(c.user, "load", done, total) != 0) {
      return Cancelled("loading was cancelled by the progress callback");
    }
    return {};
  }

  // Reads a segment into its listed block, with progress.
  Status CopySegment(const Segment& segment, uint64_t* done, uint64_t total, const uint8_t** base) {
    uint8_t* copy = nullptr;
    SAMARA_RETURN_IF_ERROR(
        Take(items::CopiedSegment(segment).c_str(), segment.bytes + kSegmentTailBytes, &copy));
    for (uint64_t at = 0; at < segment.bytes;) {
      const uint64_t bytes = std::min(segment.bytes - at, 4 * kHashChunkBytes);
      SAMARA_RETURN_IF_ERROR(model_.file.Read(segment.offset + at, copy + at, bytes));
      at += bytes;
      *done += bytes;
      SAMARA_RETURN_IF_ERROR(Progress(*done, total));
    }
    *base = copy;
    return {};
  }

  // A weight of the host's share, read into private memory.
  Status CopyWeight(const Weight& weight, const WeightPlacement& placement, const void** at) {
    uint8_t* copy = nullptr;
    SAMARA_RETURN_IF_ERROR(
        Take(items::CopiedWeight(weight).c_str(), placement.bytes + kSegmentTailBytes, &copy));
    *at = copy;
    return model_.file.Read(package_.segments[placement.segment].offset + placement.offset, copy,
                            placement.bytes);
  }

  Status BindWeights() {
    const bool host = model_.backend->host_memory();
    std::vector<const uint8_t*> bases(package_.segments.size(), nullptr);
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < bases.size(); ++i) {
      if (plan_.segment_used[i] != 0) total += package_.segments[i].bytes;
    }
    SAMARA_RETURN_IF_ERROR(Progress(0, total));
    const bool copied = host && plan_.options.no_mmap;
    if (!copied) SAMARA_RETURN_IF_ERROR(model_.file.Map());
    for (size_t i = 0; i < bases.size(); ++i) {
      if (plan_.segment_used[i] == 0) continue;
      if (copied) {
        SAMARA_RETURN_IF_ERROR(CopySegment(package_.segments[i], &done, total, &bases[i]));
      } else {
        bases[i] = model_.file.base() + package_.segments[i].offset;
      }
    }
    for (std::vector<WeightBinding>& side : weights_) side.assign(package_.weights.size(), {});
    for (size_t i = 0; i < package_.weights.size(); ++i) {
      if (plan_.placements[i] < 0) continue;
      WeightBinding binding;
      const Weight& weight = package_.weights[i];
      binding.weight = &weight;
      binding.placement = &weight.placements[static_cast<size_t>(plan_.placements[i])];
      binding.host = bases[binding.placement->segment] + binding.placement->offset;
      if (plan_.weight_on[1][i] != 0) {
        WeightBinding& shared = weights_[1][i] = binding;
        if (plan_.options.no_mmap) {
          SAMARA_RETURN_IF_ERROR(CopyWeight(weight, *binding.placement, &shared.host));
        }
      }
      if (host) {
        weights_[0][i] = binding;
        continue;
      }
      if (plan_.weight_on[0][i] != 0) {
        const void* bytes = binding.host;
        binding.host = nullptr;
        SAMARA_RETURN_IF_ERROR(Room(model_.device->Allocate(
            &ledger_, items::DeviceWeight(weight).c_str(),
            model_.backend->WeightBytes(weight, *binding.placement), &binding.device)));
        SAMARA_RETURN_IF_ERROR(
            model_.device->UploadWeight(binding.device, weight, *binding.placement, bytes));
        weights_[0][i] = binding;
      }
      done += binding.placement->bytes;
      SAMARA_RETURN_IF_ERROR(Progress(std::min(done, total), total));
    }
    return Progress(total, total);
  }

  // The partitions of one lowering; `bucket`: as the schedule counts.
  Status CompileParts(const LowerRequest& request, const LoweredGraph& lowered, size_t bucket,
                      bool host_share) {
    Device* device = host_share ? model_.host_device.get() : model_.device.get();
    const bool host = request.backend->host_memory();
    std::vector<StateBinding> states(model_.n_states);
    for (uint32_t i = 0; i < model_.n_states; ++i) {
      states[i].state = &package_.states[i];
      states[i].dtype = model_.kv_type;
      if (model_.states[i].device != device) continue;
      for (uint32_t part = 0; part < model_.states[i].n_parts; ++part) {
        states[i].device[part] = model_.states[i].handle[part];
        if (host) states[i].host[part] = reinterpret_cast<void*>(model_.states[i].handle[part]);
      }
    }
    const uint64_t arena = host_share ? model_.host_arena : model_.arena;
    for (size_t i = 0; i < lowered.parts.size(); ++i) {
      const LoweredPart& part = lowered.parts[i];
      PartitionSpec spec = SpecOf(request, lowered, part.first_op, part.n_ops);
      spec.weights = weights_[host_share ? 1 : 0];
      spec.states = states;
      if (model_.profile != nullptr) spec.profile = model_.profile->sink(bucket, i);
      spec.arena_device = arena;
      if (host) spec.arena_host = reinterpret_cast<void*>(arena);
      void* block = nullptr;
      SAMARA_RETURN_IF_ERROR(ledger_.Take(items::CompiledPlan(lowered, i, host_share).c_str(),
                                          part.measure.plan_bytes, &block));
      SAMARA_RETURN_IF_ERROR(Room(device->Compile(spec, block, part.measure.plan_bytes,
                                                  model_.schedule.partition(bucket, i))));
    }
    return {};
  }

  Status Compile() {
    uint8_t* block = nullptr;
    SAMARA_RETURN_IF_ERROR(Take(items::kSchedule, Schedule::Bytes(plan_), &block));
    SAMARA_RETURN_IF_ERROR(model_.schedule.Place(block, plan_));
    for (size_t i = 0; i < plan_.buckets.size(); ++i) {
      SAMARA_RETURN_IF_ERROR(CompileParts(plan_.requests[i], plan_.buckets[i], i, false));
      model_.buckets[i].tokens = plan_.buckets[i].bucket_tokens;
      model_.n_buckets = static_cast<uint32_t>(i + 1);
    }
    if (plan_.host_backend != nullptr) {
      SAMARA_RETURN_IF_ERROR(
          CompileParts(plan_.host_request, plan_.host, plan_.buckets.size(), true));
    }
    model_.schedule.Attach();
    return {};
  }

  // Where results lie. On a device every bucket has a plan of its own; a host has one bucket.
  Status FindOutputs() {
    if (model_.backend->host_memory() && plan_.buckets.size() != 1)
      return Internal("a host backend with several token buckets");
    const uint64_t rows = model_.limits.max_outputs;
    if (model_.queues()) {
      float* copy = nullptr;
      SAMARA_RETURN_IF_ERROR(Take(items::kLogits, rows * plan_.logits_vocab, &copy));
      model_.logits = {copy, Side::kDevice, false};
      if (plan_.hidden_dim != 0) {
        SAMARA_RETURN_IF_ERROR(Take(items::kHidden, rows * plan_.hidden_dim, &copy));
        model_.hidden = {copy, Side::kDevice, false};
      }
    }
    const Split& split = plan_.split;
    for (const GraphOutput& output : split.graph.outputs) {
      const bool logits = output.role == OutputRole::kLogits;
      if (!logits && output.role != OutputRole::kHidden) continue;
      Results& results = logits ? model_.logits : model_.hidden;
      const size_t v = static_cast<size_t>(output.value);
      const LoweredGraph* host = nullptr;  // the lowering whose arena the host reads
      if (!model_.queues()) host = &plan_.buckets[0];
      if (MakerSide(split, output.value) == Side::kHost) host = &plan_.host;
      if (host != nullptr) {
        const uint64_t arena = host == &plan_.host ? model_.host_arena : model_.arena;
        results = {reinterpret_cast<const float*>(arena + host->values[v].offset), Side::kHost,
                   true};
        continue;
      }
      for (size_t i = 0; i < plan_.buckets.size(); ++i) {
        const uint64_t offset = plan_.buckets[i].values[v].offset;
        (logits ? model_.buckets[i].logits_offset : model_.buckets[i].hidden_offset) = offset;
      }
    }
    return {};
  }

  Model& model_;
  Ledger& ledger_;
  const Package& package_;
  LoadTrace& trace_;
  const ModelPlan& plan_;
  std::vector<WeightBinding> weights_[2];  // per side
};

void LogFacts(const Model& model, const ModelPlan& plan) {
  const ModelCallbacks& c = model.callbacks;
  if (c.log == nullptr) return;
  auto say = [&](samara_log_level level, const std::string& line) {
    c.log(c.user, level, line.c_str());
  };
  if (model.trained_context != 0 && model.limits.n_ctx > model.trained_context) {
    say(SAMARA_LOG_WARNING, "the context of " + std::to_string(model.limits.n_ctx) +
                                " is longer than the trained " +
                                std::to_string(model.trained_context));
  }
  if (plan.split.n_decomposed != 0) {
    say(SAMARA_LOG_INFO,
        std::to_string(plan.split.n_decomposed) + " operators run by their decomposition");
  }
  if (plan.host_backend != nullptr) {
    say(SAMARA_LOG_WARNING,
        SplitText(plan.split, model.backend->name(), plan.host_backend->name()));
  }
  if (model.device->notice() != nullptr) say(SAMARA_LOG_WARNING, model.device->notice());
  say(SAMARA_LOG_INFO, std::string("device: ") + model.device->description());
}

}  // namespace

void DestroyModel(Model* model) {
  if (model == nullptr) return;
  // The model lies in a block of its own ledger, so the ledger goes last; the map goes after what
  // reads it.
  Ledger ledger(std::move(model->ledger));
  PackageFile file(std::move(model->file));
  model->~Model();
}

Status LoadModel(PackageFile file, const Backend& backend, const LoadOptions& options,
                 const ModelCallbacks& callbacks, Model** model, LoadTrace* trace) {
  *model = nullptr;
  const Clock::time_point start = Clock::now();
  LoadTrace own;
  if (trace == nullptr) trace = &own;
  SAMARA_RETURN_IF_ERROR(ReadPackage(file, &trace->parsed));
  FileFacts facts;
  facts.file_bytes = file.bytes();
  facts.metadata_bytes = trace->parsed.header.metadata_bytes;
  facts.maps = !file.is_memory();
  SAMARA_RETURN_IF_ERROR(PlanModel(trace->parsed.package, facts, options, backend, &trace->plan));

  Ledger ledger(trace->plan.list);
  SAMARA_RETURN_IF_ERROR(ledger.InitStatus());
  void* block = nullptr;
  SAMARA_RETURN_IF_ERROR(ledger.Take(items::kModel, sizeof(Model), &block));
  struct Destroyer {
    void operator()(Model* m) const { DestroyModel(m); }
  };
  std::unique_ptr<Model, Destroyer> loaded(new (block) Model(std::move(ledger), std::move(file)));
  loaded->backend = &backend;
  loaded->callbacks = callbacks;
  SAMARA_RETURN_IF_ERROR(Loader(loaded.get(), trace).Run());
  LogFacts(*loaded, trace->plan);
  loaded->load_seconds = Seconds(start);
  *model = loaded.release();
  return {};
}

}  // namespace samara
