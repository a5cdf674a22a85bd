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
    SAMARA_RETURN_IF_ERROR(AllocateStates());
    SAMARA_RETURN_IF_ERROR(
        model_.device->Allocate(&ledger_, items::kArena, plan_.arena_bytes, &model_.arena));
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
    model_.n_decomposed = plan_.buckets[0].n_decomposed;
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

  Status AllocateStates() {
    model_.n_states = static_cast<uint32_t>(package_.states.size());
    if (model_.n_states == 0) return {};
    SAMARA_RETURN_IF_ERROR(Take(items::kStates, model_.n_states, &model_.states));
    for (uint32_t i = 0; i < model_.n_states; ++i) {
      const State& state = package_.states[i];
      StatePool& pool = model_.states[i];
      pool.group = state.group;
      pool.n_parts = static_cast<uint32_t>(state.parts.size());
      for (uint32_t part = 0; part < pool.n_parts; ++part) {
        pool.heads[part] = state.parts[part].heads;
        pool.dim[part] = state.parts[part].dim;
        SAMARA_RETURN_IF_ERROR(
            StateBlockBytes(state, part, model_.kv_type, *model_.backend, &pool.block_bytes[part]));
        SAMARA_RETURN_IF_ERROR(model_.device->Allocate(
            &ledger_, items::StatePart(state, part).c_str(),
            pool.block_bytes[part] * model_.groups[state.group].n_blocks, &pool.handle[part]));
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
    weights_.assign(package_.weights.size(), {});
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (plan_.placements[i] < 0) continue;
      WeightBinding& binding = weights_[i];
      const Weight& weight = package_.weights[i];
      binding.weight = &weight;
      binding.placement = &weight.placements[static_cast<size_t>(plan_.placements[i])];
      const uint8_t* bytes = bases[binding.placement->segment] + binding.placement->offset;
      if (host) {
        binding.host = bytes;
        continue;
      }
      SAMARA_RETURN_IF_ERROR(model_.device->Allocate(
          &ledger_, items::DeviceWeight(weight).c_str(),
          model_.backend->WeightBytes(weight, *binding.placement), &binding.device));
      SAMARA_RETURN_IF_ERROR(
          model_.device->UploadWeight(binding.device, weight, *binding.placement, bytes));
      done += binding.placement->bytes;
      SAMARA_RETURN_IF_ERROR(Progress(std::min(done, total), total));
    }
    return Progress(total, total);
  }

  Status Compile() {
    const bool host = model_.backend->host_memory();
    std::vector<StateBinding> states(model_.n_states);
    for (uint32_t i = 0; i < model_.n_states; ++i) {
      states[i].state = &package_.states[i];
      states[i].dtype = model_.kv_type;
      for (uint32_t part = 0; part < model_.states[i].n_parts; ++part) {
        states[i].device[part] = model_.states[i].handle[part];
        if (host) states[i].host[part] = reinterpret_cast<void*>(model_.states[i].handle[part]);
      }
    }
    for (size_t i = 0; i < plan_.buckets.size(); ++i) {
      const LoweredGraph& lowered = plan_.buckets[i];
      PartitionSpec spec = SpecOf(plan_.requests[i], lowered);
      spec.weights = weights_;
      spec.states = states;
      if (model_.profile != nullptr) spec.profile = model_.profile->sink(i);
      spec.arena_device = model_.arena;
      if (host) spec.arena_host = reinterpret_cast<void*>(model_.arena);
      void* block = nullptr;
      SAMARA_RETURN_IF_ERROR(ledger_.Take(items::CompiledPlan(lowered.bucket_tokens).c_str(),
                                          lowered.measure.plan_bytes, &block));
      Bucket& bucket = model_.buckets[i];
      bucket.tokens = lowered.bucket_tokens;
      SAMARA_RETURN_IF_ERROR(
          model_.device->Compile(spec, block, lowered.measure.plan_bytes, &bucket.partition));
      model_.n_buckets = static_cast<uint32_t>(i + 1);
    }
    return {};
  }

  // Where results lie. Every bucket has a plan of its own, so on host backends there is one bucket.
  Status FindOutputs() {
    const bool host = model_.backend->host_memory();
    if (host && plan_.buckets.size() != 1)
      return Internal("a host backend with several token buckets");
    if (!host) {
      float* copy = nullptr;
      SAMARA_RETURN_IF_ERROR(
          Take(items::kLogits, uint64_t{model_.limits.max_outputs} * plan_.logits_vocab, &copy));
      model_.logits = copy;
      if (plan_.hidden_dim != 0) {
        SAMARA_RETURN_IF_ERROR(
            Take(items::kHidden, uint64_t{model_.limits.max_outputs} * plan_.hidden_dim, &copy));
        model_.hidden = copy;
      }
    }
    for (size_t i = 0; i < plan_.buckets.size(); ++i) {
      const LoweredGraph& lowered = plan_.buckets[i];
      for (const GraphOutput& output : lowered.graph.outputs) {
        const uint64_t offset = lowered.values[static_cast<size_t>(output.value)].offset;
        const float* at = reinterpret_cast<const float*>(model_.arena + offset);
        if (output.role == OutputRole::kLogits) {
          model_.buckets[i].logits_offset = offset;
          if (host) model_.logits = at;
        } else if (output.role == OutputRole::kHidden) {
          model_.buckets[i].hidden_offset = offset;
          if (host) model_.hidden = at;
        }
      }
    }
    return {};
  }

  Model& model_;
  Ledger& ledger_;
  const Package& package_;
  LoadTrace& trace_;
  const ModelPlan& plan_;
  std::vector<WeightBinding> weights_;
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
  if (plan.buckets[0].n_decomposed != 0) {
    say(SAMARA_LOG_INFO,
        std::to_string(plan.buckets[0].n_decomposed) + " operators run by their decomposition");
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
