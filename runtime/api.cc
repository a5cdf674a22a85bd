// The public C API: argument checks, locks. Exceptions end here (api_guard.h).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "formats/metadata_schema.h"
#include "runtime/api_guard.h"
#include "runtime/api_options.h"
#include "runtime/model.h"
#include "runtime/registry.h"
#include "runtime/results.h"
#include "runtime/session.h"
#include "samara/samara.h"

namespace samara {
namespace {

using Lock = std::lock_guard<std::mutex>;

Model* Of(samara_model* model) { return reinterpret_cast<Model*>(model); }
const Model* Of(const samara_model* model) { return reinterpret_cast<const Model*>(model); }
Session* Of(samara_session* session) { return reinterpret_cast<Session*>(session); }
const Session* Of(const samara_session* session) {
  return reinterpret_cast<const Session*>(session);
}

// Puts the file's name before what is wrong with the file.
Status Named(const Status& status, const char* path) {
  if (path == nullptr) return status;
  switch (status.code()) {
    case StatusCode::kInvalidFile:
    case StatusCode::kIo:
    case StatusCode::kUnsupported:
      return status.WithContext(Quoted(path, 512));
    default:
      return status;
  }
}
Status OpenNamed(const char* path, PackageFile* file) {
  if (path == nullptr) return Null("path");
  return PackageFile::OpenPath(path, file).WithContext(Quoted(path, 512));
}

// Errors behind which another device may do better.
bool IsOfDevice(StatusCode code) {
  return code == StatusCode::kNotFound || code == StatusCode::kUnsupported ||
         code == StatusCode::kOutOfMemory || code == StatusCode::kDeviceLost;
}

// Opens the file with `open` and loads it on the backend asked for. "auto" goes on to the next one, with a warning, where
// a device cannot do it.
template <typename Open>
samara_status OpenModel(const samara_model_options* options, const char* path, samara_model** model,
                        Open&& open) {
  return Guard([&]() -> Status {
    if (model == nullptr) return Null("model");
    *model = nullptr;
    ApiOptions read;
    SAMARA_RETURN_IF_ERROR(ReadOptions(options, &read));
    std::vector<const Backend*> backends = {nullptr};
    if (read.any_backend) {
      backends = AutoBackends();
    } else {
      SAMARA_RETURN_IF_ERROR(FindBackend(read.backend, &backends[0]));
    }
    Model* loaded = nullptr;
    Status status;
    for (size_t i = 0; i < backends.size(); ++i) {
      PackageFile file;
      SAMARA_RETURN_IF_ERROR(open(&file));
      status = LoadModel(std::move(file), *backends[i], read.load, read.callbacks, &loaded);
      if (!IsOfDevice(status.code()) || i + 1 == backends.size()) break;
      if (read.callbacks.log != nullptr) {
        const std::string line = std::string("backend ") + backends[i]->name() + ": " +
                                 status.message() + "; going on with " + backends[i + 1]->name();
        read.callbacks.log(read.callbacks.user, SAMARA_LOG_WARNING, line.c_str());
      }
    }
    if (status.ok()) *model = reinterpret_cast<samara_model*>(loaded);
    return Named(status, path);
  });
}

Status FromApi(const samara_sampling& in, SamplingParams* out) {
  out->temperature = in.temperature;
  out->top_k = in.top_k;
  out->top_p = in.top_p == 0 ? 1 : in.top_p;  // an unset field is off
  out->min_p = in.min_p;
  out->repetition_penalty = in.repetition_penalty == 0 ? 1 : in.repetition_penalty;
  out->frequency_penalty = in.frequency_penalty;
  out->presence_penalty = in.presence_penalty;
  out->penalty_window = in.penalty_window;
  out->seed = in.seed;
  return CheckSampling(*out);
}

samara_status TokenizeText(const samara_model* model, const char* text, size_t text_bytes,
                           uint32_t flags, std::span<const samara_span> data, void* work,
                           size_t work_bytes, int32_t* tokens, size_t capacity, size_t* n_tokens) {
  return Guard([&]() -> Status {
    if (model == nullptr || n_tokens == nullptr || (text == nullptr && text_bytes != 0) ||
        (tokens == nullptr && capacity != 0) || (work == nullptr && work_bytes != 0)) {
      return Null("model, text, work, tokens or n_tokens");
    }
    *n_tokens = 0;
    const Model& m = *Of(model);
    if (!m.has_tokenizer) return Unsupported("the package has no tokenizer");
    if ((flags & ~(SAMARA_TOKENIZE_NO_SPECIAL | SAMARA_TOKENIZE_PARSE_SPECIAL)) != 0) {
      return InvalidArgument("unknown flags %#x", flags);
    }
    EncodeOptions options;
    options.add_special = (flags & SAMARA_TOKENIZE_NO_SPECIAL) == 0;
    options.parse_special = (flags & SAMARA_TOKENIZE_PARSE_SPECIAL) != 0;
    options.data = data;
    uint64_t n = 0;
    const Status status =
        m.tokenizer.Encode({text, text_bytes}, options, {static_cast<uint8_t*>(work), work_bytes},
                           tokens, capacity, &n);
    *n_tokens = n;
    return status;
  });
}

const char* TextOf(const flatbuffers::String* text) { return text == nullptr ? "" : text->c_str(); }

bool MetadataAt(const samara_model* model, uint32_t index, const char** key, const char** value) {
  const fb::Package* package = fb::GetPackage(Of(model)->metadata);
  const uint32_t n = package->metadata() == nullptr ? 0 : package->metadata()->size();
  const fb::Provenance* provenance = package->provenance();
  if (index < n) {
    const fb::Pair* pair = package->metadata()->Get(index);
    *key = TextOf(pair->key());
    *value = TextOf(pair->value());
    return true;
  }
  if (provenance != nullptr && index < n + 2) {
    *key = index == n ? "license" : "converter";
    *value = TextOf(index == n ? provenance->license() : provenance->converter());
    return true;
  }
  return false;
}

}  // namespace
}  // namespace samara

using namespace samara;  // NOLINT: this file is the boundary

extern "C" {

#define SAMARA_TEXT_(x) #x
#define SAMARA_TEXT(x) SAMARA_TEXT_(x)
const char* samara_version(void) {
  return SAMARA_TEXT(SAMARA_VERSION_MAJOR) "." SAMARA_TEXT(SAMARA_VERSION_MINOR) "." SAMARA_TEXT(
      SAMARA_VERSION_PATCH);
}
const char* samara_status_name(samara_status status) {
  return StatusCodeName(static_cast<StatusCode>(status));
}
const char* samara_last_error(void) { return LastError(); }

samara_status samara_model_open(const char* path, const samara_model_options* options,
                                samara_model** model) {
  return OpenModel(options, path, model, [&](PackageFile* file) { return OpenNamed(path, file); });
}

samara_status samara_model_open_memory(const void* data, size_t size,
                                       const samara_model_options* options, samara_model** model) {
  return OpenModel(options, nullptr, model,
                   [&](PackageFile* file) { return PackageFile::OpenMemory(data, size, file); });
}

samara_status samara_model_open_fd(int fd, uint64_t offset, uint64_t length,
                                   const samara_model_options* options, samara_model** model) {
  return OpenModel(options, nullptr, model, [&](PackageFile* file) {
    return PackageFile::OpenFd(fd, offset, length, file);
  });
}

samara_status samara_model_close(samara_model* model) {
  return Guard([&]() -> Status {
    if (model == nullptr) return {};
    if (Of(model)->n_sessions != 0) {
      return FailedPrecondition("%u sessions of the model are open", Of(model)->n_sessions);
    }
    DestroyModel(Of(model));
    return {};
  });
}

samara_status samara_model_get_info(const samara_model* model, samara_model_info* info) {
  return Guard([&]() -> Status {
    if (model == nullptr) return Null("model");
    SAMARA_RETURN_IF_ERROR(CheckSize(info, "info"));
    const Model& m = *Of(model);
    *info = {};
    info->struct_size = sizeof *info;
    info->name = TextOf(fb::GetPackage(m.metadata)->name());
    info->backend = m.backend->name();
    info->device = m.device->description();
    info->vocab = m.limits.vocab;
    info->token_vocab = m.limits.token_vocab;
    info->n_ctx = m.limits.n_ctx;
    info->n_chunk = m.limits.n_chunk;
    info->max_sessions = m.limits.max_sessions;
    info->max_outputs = m.limits.max_outputs;
    info->n_threads = m.limits.n_threads;
    info->trained_ctx = m.trained_context;
    info->bos = m.has_tokenizer ? m.tokenizer.bos() : -1;
    info->kv_type = m.kv_type == DType::kF32    ? SAMARA_KV_F32
                    : m.kv_type == DType::kF16  ? SAMARA_KV_F16
                    : m.kv_type == DType::kQ8_0 ? SAMARA_KV_Q8_0
                                                : SAMARA_KV_Q4_0;
    info->parameters = m.weight_elements;
    info->file_bytes = m.file.bytes();
    return {};
  });
}

samara_status samara_model_metadata_at(const samara_model* model, uint32_t index, const char** key,
                                       const char** value) {
  return Guard([&]() -> Status {
    if (model == nullptr || key == nullptr || value == nullptr) return Null("model, key or value");
    return MetadataAt(model, index, key, value) ? Status() : NotFound("no more metadata");
  });
}

const char* samara_model_metadata(const samara_model* model, const char* key) {
  const char *k = nullptr, *v = nullptr;
  if (model == nullptr || key == nullptr) return nullptr;
  for (uint32_t i = 0; MetadataAt(model, i, &k, &v); ++i) {
    if (std::strcmp(k, key) == 0) return v;
  }
  return nullptr;
}

int samara_model_is_eos(const samara_model* model, int32_t token) {
  if (model == nullptr) return 0;
  const Model& m = *Of(model);
  return std::find(m.eos_ids, m.eos_ids + m.n_eos, token) != m.eos_ids + m.n_eos;
}

samara_status samara_plan(const char* path, const samara_model_options* options,
                          samara_memory_fn each, void* user, uint64_t* counted) {
  return Guard([&]() -> Status {
    ApiOptions read;
    SAMARA_RETURN_IF_ERROR(ReadOptions(options, &read));
    read.load.memory_budget = 0;
    const Backend* backend = nullptr;
    SAMARA_RETURN_IF_ERROR(FindBackend(read.backend, &backend));
    PackageFile file;
    SAMARA_RETURN_IF_ERROR(OpenNamed(path, &file));
    ParsedPackage parsed;
    SAMARA_RETURN_IF_ERROR(Named(ReadPackage(file, &parsed), path));
    FileFacts facts;
    facts.file_bytes = file.bytes();
    facts.metadata_bytes = parsed.header.metadata_bytes;
    ModelPlan plan;
    SAMARA_RETURN_IF_ERROR(
        Named(PlanModel(parsed.package, facts, read.load, *backend, &plan), path));
    if (read.callbacks.log != nullptr && plan.host_backend != nullptr) {
      const std::string line = SplitText(plan.split, backend->name(), plan.host_backend->name());
      read.callbacks.log(read.callbacks.user, SAMARA_LOG_INFO, line.c_str());
    }
    const MemoryList& list = plan.list;
    for (const MemoryItem& item : list.items) {
      const samara_memory_item out = {item.name.c_str(), item.bytes, item.alignment,
                                      static_cast<samara_memory_class>(item.kind),
                                      item.lifetime == MemoryLifetime::kSession ? 1 : 0};
      if (each != nullptr) each(user, &out);
    }
    if (counted != nullptr) *counted = list.Counted();
    return {};
  });
}

uint64_t samara_model_allocated(const samara_model* model) {
  if (model == nullptr) return 0;
  Model& m = *const_cast<Model*>(Of(model));
  const Lock lock(m.mutex);
  return m.allocated();
}

size_t samara_tokenize_work_size(const samara_model* model, size_t text_bytes) {
  if (model == nullptr || !Of(model)->has_tokenizer) return 0;
  return Of(model)->tokenizer.WorkBytes(text_bytes);
}

samara_status samara_tokenize(const samara_model* model, const char* text, size_t text_bytes,
                              uint32_t flags, void* work, size_t work_bytes, int32_t* tokens,
                              size_t capacity, size_t* n_tokens) {
  return TokenizeText(model, text, text_bytes, flags, {}, work, work_bytes, tokens, capacity,
                      n_tokens);
}

samara_status samara_tokenize_spans(const samara_model* model, const char* text, size_t text_bytes,
                                    uint32_t flags, const samara_span* data, size_t n_data,
                                    void* work, size_t work_bytes, int32_t* tokens, size_t capacity,
                                    size_t* n_tokens) {
  if (data == nullptr && n_data != 0) return Report(Null("data"));
  return TokenizeText(model, text, text_bytes, flags | SAMARA_TOKENIZE_PARSE_SPECIAL,
                      {data, n_data}, work, work_bytes, tokens, capacity, n_tokens);
}

samara_status samara_detokenize(const samara_model* model, samara_detokenizer* state, int32_t token,
                                int special, char* text, size_t capacity, size_t* n_bytes) {
  static_assert(sizeof(DecodeState) <= sizeof(samara_detokenizer));
  return Guard([&]() -> Status {
    if (model == nullptr || state == nullptr || text == nullptr || n_bytes == nullptr) {
      return Null("model, state, text or n_bytes");
    }
    *n_bytes = 0;
    const Model& m = *Of(model);
    if (!m.has_tokenizer) return Unsupported("the package has no tokenizer");
    if (token < 0 || static_cast<uint32_t>(token) >= m.limits.token_vocab) {
      return InvalidArgument("token id %d, want 0 to %u", token, m.limits.token_vocab - 1);
    }
    DecodeState decode;
    std::memcpy(static_cast<void*>(&decode), state, sizeof decode);
    if (decode.n_pending > sizeof decode.pending)
      return InvalidArgument("the state was not zeroed");
    uint64_t n = 0;
    SAMARA_RETURN_IF_ERROR(m.tokenizer.DecodeOne(token, special != 0, &decode, text, capacity, &n));
    std::memcpy(state, &decode, sizeof decode);
    *n_bytes = n;
    return {};
  });
}

samara_status samara_detokenize_end(const samara_model* model, samara_detokenizer* state,
                                    char* text, size_t capacity, size_t* n_bytes) {
  return Guard([&]() -> Status {
    if (model == nullptr || state == nullptr || text == nullptr || n_bytes == nullptr) {
      return Null("model, state, text or n_bytes");
    }
    *n_bytes = 0;
    const Model& m = *Of(model);
    if (!m.has_tokenizer) return Unsupported("the package has no tokenizer");
    DecodeState decode;
    std::memcpy(static_cast<void*>(&decode), state, sizeof decode);
    if (decode.n_pending > sizeof decode.pending)
      return InvalidArgument("the state was not zeroed");
    uint64_t n = 0;
    SAMARA_RETURN_IF_ERROR(m.tokenizer.DecodeFlush(&decode, text, capacity, &n));
    std::memcpy(state, &decode, sizeof decode);
    *n_bytes = n;
    return {};
  });
}

samara_status samara_model_sampling(const samara_model* model, samara_sampling* sampling) {
  return Guard([&]() -> Status {
    if (model == nullptr) return Null("model");
    SAMARA_RETURN_IF_ERROR(CheckSize(sampling, "sampling"));
    const SamplingParams& p = Of(model)->sampling;
    *sampling = {sizeof(samara_sampling),
                 p.temperature,
                 p.top_k,
                 p.top_p,
                 p.min_p,
                 p.repetition_penalty,
                 p.frequency_penalty,
                 p.presence_penalty,
                 p.penalty_window,
                 p.seed};
    return {};
  });
}

samara_status samara_session_create(samara_model* model, const samara_session_options* options,
                                    samara_session** session) {
  return Guard([&]() -> Status {
    if (model == nullptr || session == nullptr) return Null("model or session");
    *session = nullptr;
    SamplingParams sampling = Of(model)->sampling;
    bool all_logits = false;
    if (options != nullptr) {
      SAMARA_RETURN_IF_ERROR(CheckSize(options, "session options"));
      all_logits = options->all_logits != 0;
      if (options->sampling != nullptr) {
        SAMARA_RETURN_IF_ERROR(CheckSize(options->sampling, "sampling"));
        SAMARA_RETURN_IF_ERROR(FromApi(*options->sampling, &sampling));
      }
    }
    const Lock lock(Of(model)->mutex);
    Session* created = nullptr;
    SAMARA_RETURN_IF_ERROR(CreateSession(Of(model), sampling, all_logits, &created));
    *session = reinterpret_cast<samara_session*>(created);
    return {};
  });
}

void samara_session_close(samara_session* session) {
  if (session == nullptr) return;
  const Lock lock(Of(session)->model->mutex);
  CloseSession(Of(session));
}

samara_status samara_session_reset(samara_session* session) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    const Lock lock(Of(session)->model->mutex);
    ResetSession(Of(session));
    return {};
  });
}

samara_status samara_session_set_sampling(samara_session* session,
                                          const samara_sampling* sampling) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    SAMARA_RETURN_IF_ERROR(CheckSize(sampling, "sampling"));
    SamplingParams params;
    SAMARA_RETURN_IF_ERROR(FromApi(*sampling, &params));
    Of(session)->sampling = params;
    Of(session)->generator.Seed(params.seed);
    return {};
  });
}

samara_status samara_feed(samara_session* session, const int32_t* tokens, size_t n) {
  return Guard([&]() -> Status {
    if (session == nullptr || (tokens == nullptr && n != 0)) return Null("session or tokens");
    return FeedSession(Of(session), tokens, n);
  });
}

samara_status samara_step(samara_session* const* sessions, size_t n) {
  return Guard([&]() -> Status {
    if (sessions == nullptr || n == 0 || sessions[0] == nullptr) return Null("sessions");
    const Lock lock(Of(sessions[0])->model->mutex);
    return StepSessions(reinterpret_cast<Session* const*>(sessions), n);
  });
}

samara_status samara_run(samara_session* session) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    Session* s = Of(session);
    SAMARA_RETURN_IF_ERROR(CheckUsable(s));
    const ModelCallbacks& c = s->model->callbacks;
    const uint64_t total = s->n_tokens - s->n_computed;
    if (total == 0) return FailedPrecondition("no token is pending");
    while (s->n_computed < s->n_tokens) {
      {
        const Lock lock(s->model->mutex);
        SAMARA_RETURN_IF_ERROR(StepSessions(&s, 1));
      }
      // Without the lock, so that the callback may call the library.
      const uint64_t done = total - (s->n_tokens - s->n_computed);
      if (c.progress != nullptr && c.progress(c.user, "prefill", done, total) != 0) {
        return Cancelled("prefill was cancelled by the progress callback");
      }
    }
    const Lock lock(s->model->mutex);
    return WaitForSteps(s->model);
  });
}

samara_status samara_wait(samara_model* model) {
  return Guard([&]() -> Status {
    if (model == nullptr) return Null("model");
    const Lock lock(Of(model)->mutex);
    return WaitForSteps(Of(model));
  });
}

size_t samara_pending(const samara_session* session) {
  return session == nullptr ? 0 : Of(session)->n_tokens - Of(session)->n_computed;
}
size_t samara_length(const samara_session* session) {
  return session == nullptr ? 0 : Of(session)->n_computed.load();
}
const int32_t* samara_tokens(const samara_session* session) {
  return session == nullptr ? nullptr : Of(session)->tokens;
}

samara_status samara_logits(const samara_session* session, int64_t row, const float** logits,
                            size_t* n) {
  return Guard([&]() -> Status {
    if (session == nullptr || logits == nullptr || n == nullptr)
      return Null("session, logits or n");
    Model& m = *Of(session)->model;
    const Lock lock(m.mutex);
    SAMARA_RETURN_IF_ERROR(SessionLogits(Of(session), row, logits));
    *n = m.limits.vocab;
    return {};
  });
}

size_t samara_logits_rows(const samara_session* session) {
  if (session == nullptr) return 0;
  const Lock lock(Of(session)->model->mutex);
  return Of(session)->step_id == Of(session)->model->step_id ? Of(session)->n_rows : 0;
}

samara_status samara_hidden(const samara_session* session, int64_t row, const float** values,
                            size_t* n) {
  return Guard([&]() -> Status {
    if (session == nullptr || values == nullptr || n == nullptr)
      return Null("session, values or n");
    Model& m = *Of(session)->model;
    if (m.hidden.values == nullptr) return Unsupported("the package gives no hidden states");
    const Lock lock(m.mutex);
    SAMARA_RETURN_IF_ERROR(SessionHidden(Of(session), row, values));
    *n = m.limits.hidden_dim;
    return {};
  });
}

samara_status samara_sample(samara_session* session, int32_t* token) {
  return Guard([&]() -> Status {
    if (session == nullptr || token == nullptr) return Null("session or token");
    const Lock lock(Of(session)->model->mutex);
    return SampleSession(Of(session), {}, token);
  });
}

samara_status samara_rewind(samara_session* session, size_t length) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    const Lock lock(Of(session)->model->mutex);
    return RewindSession(Of(session), length);
  });
}

samara_status samara_fork(samara_session* session, samara_session** copy) {
  return Guard([&]() -> Status {
    if (session == nullptr || copy == nullptr) return Null("session or copy");
    *copy = nullptr;
    const Lock lock(Of(session)->model->mutex);
    Session* forked = nullptr;
    SAMARA_RETURN_IF_ERROR(ForkSession(Of(session), &forked));
    *copy = reinterpret_cast<samara_session*>(forked);
    return {};
  });
}

void samara_cancel(samara_model* model) {
  if (model == nullptr) return;
  Of(model)->cancelled.store(true);
  Of(model)->device->RequestCancel();
  if (Of(model)->host_device != nullptr) Of(model)->host_device->RequestCancel();
}
void samara_cancel_clear(samara_model* model) {
  if (model == nullptr) return;
  Of(model)->cancelled.store(false);
  Of(model)->device->ClearCancel();
  if (Of(model)->host_device != nullptr) Of(model)->host_device->ClearCancel();
}

samara_status samara_model_statistics(const samara_model* model, samara_statistics* statistics) {
  return Guard([&]() -> Status {
    if (model == nullptr) return Null("model");
    SAMARA_RETURN_IF_ERROR(CheckSize(statistics, "statistics"));
    Model& m = *const_cast<Model*>(Of(model));
    const Lock lock(m.mutex);
    *statistics = {sizeof(samara_statistics),
                   m.n_steps,
                   m.n_tokens,
                   m.step_seconds,
                   m.load_seconds,
                   m.allocated()};
    return {};
  });
}

}  // extern "C"
