#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "runtime/float_env.h"
#include "runtime/reply.h"
#include "runtime/results.h"

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr uint32_t kSessionAlignment = 64;

uint64_t HistoryBytes(const Model& model) { return uint64_t{model.limits.n_ctx} * sizeof(int32_t); }

void ReleaseBlock(GroupPool* group, uint32_t block) {
  if (--group->references[block] == 0) group->free_list[group->n_free++] = block;
}

// Keeps the first `keep` blocks of a group.
void ReleaseBlocks(Session* session, uint32_t g, uint32_t keep) {
  GroupPool& group = session->model->groups[g];
  uint32_t* table = BlockTable(session, g);
  while (session->n_blocks[g] > keep) {
    const uint32_t entry = --session->n_blocks[g];
    ReleaseBlock(&group, table[entry]);
    table[entry] = 0;
  }
}

void ReleaseAll(Session* session) {
  for (uint32_t g = 0; g < session->model->n_groups; ++g) ReleaseBlocks(session, g, 0);
}

Status TakeBlock(GroupPool* group, uint32_t* block) {
  // Every session has at most blocks_per_seq blocks, so the pool cannot run dry.
  if (group->n_free == 0) return Internal("the pool of state blocks is empty");
  *block = group->free_list[--group->n_free];
  group->references[*block] = 1;
  return {};
}

Status CopyBlock(Model* model, uint32_t group, uint32_t to, uint32_t from) {
  for (uint32_t i = 0; i < model->n_states; ++i) {
    const StatePool& pool = model->states[i];
    if (pool.group != group) continue;
    for (uint32_t part = 0; part < pool.n_parts; ++part) {
      const uint64_t bytes = pool.block_bytes[part];
      SAMARA_RETURN_IF_ERROR(
          pool.device->Copy(pool.handle[part], to * bytes, pool.handle[part], from * bytes, bytes));
    }
  }
  return {};
}

}  // namespace

uint32_t* BlockTable(const Session* session, uint32_t group) {
  const Model& model = *session->model;
  uint32_t* tables = reinterpret_cast<uint32_t*>(model.step + model.step_layout.block_tables);
  return tables + uint64_t{session->slot} * model.table_entries + model.groups[group].first_entry;
}

bool IsRing(const Model& model, const GroupPool& group) {
  return uint64_t{group.blocks_per_seq} * kBlockSlots < model.limits.n_ctx;
}

Status CheckUsable(const Session* session) {
  if (!session->poisoned) return {};
  return FailedPrecondition("session %u failed in a step before; reset it", session->slot);
}

Status CreateSession(Model* model, const SamplingParams& sampling, bool all_logits,
                     Session** session) {
  *session = nullptr;
  SAMARA_RETURN_IF_ERROR(CheckSampling(sampling));
  uint32_t slot = 0;
  while (slot < model->limits.max_sessions && model->sessions[slot] != nullptr) ++slot;
  if (slot == model->limits.max_sessions) {
    return ResourceExhausted("%u sessions exist, as many as the model was opened for",
                             model->limits.max_sessions);
  }
  void* object = AllocateBlock(sizeof(Session), kSessionAlignment);
  void* history = AllocateBlock(HistoryBytes(*model), kSessionAlignment);
  void* reply = AllocateBlock(sizeof(Reply), kSessionAlignment);
  if (object == nullptr || history == nullptr || reply == nullptr) {
    FreeBlock(object, sizeof(Session), kSessionAlignment);
    FreeBlock(reply, sizeof(Reply), kSessionAlignment);
    FreeBlock(history, HistoryBytes(*model), kSessionAlignment);
    return OutOfMemory("a session of %u positions", model->limits.n_ctx);
  }
  Session* s = new (object) Session();
  s->model = model;
  s->slot = slot;
  s->all_logits = all_logits;
  s->tokens = static_cast<int32_t*>(history);
  s->reply = new (reply) Reply();
  s->sampling = sampling;
  s->generator.Seed(sampling.seed);
  model->sessions[slot] = s;
  ++model->n_sessions;
  model->session_bytes += sizeof(Session) + HistoryBytes(*model) + sizeof(Reply);
  *session = s;
  return {};
}

void CloseSession(Session* session) {
  Model* model = session->model;
  ReleaseAll(session);
  model->sessions[session->slot] = nullptr;
  --model->n_sessions;
  model->session_bytes -= sizeof(Session) + HistoryBytes(*model) + sizeof(Reply);
  session->reply->~Reply();
  FreeBlock(session->reply, sizeof(Reply), kSessionAlignment);
  FreeBlock(session->tokens, HistoryBytes(*model), kSessionAlignment);
  session->~Session();
  FreeBlock(session, sizeof(Session), kSessionAlignment);
}

void ResetSession(Session* session) {
  ReleaseAll(session);
  session->reply->under_way = false;
  session->poisoned = false;
  session->n_computed = session->n_tokens = session->high_water = 0;
  std::fill(std::begin(session->held_from), std::end(session->held_from), 0);
  session->step_id = session->last_step = 0;
  session->n_rows = session->n_settled = 0;
  session->generator.Seed(session->sampling.seed);
}

Status FeedSession(Session* session, const int32_t* tokens, uint64_t n) {
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  const ModelLimits& limits = session->model->limits;
  if (n > limits.n_ctx - session->n_tokens) {
    return ResourceExhausted(
        "the context of %u positions holds %u tokens and cannot take %llu more", limits.n_ctx,
        session->n_tokens, static_cast<Ull>(n));
  }
  for (uint64_t i = 0; i < n; ++i) {
    if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= limits.vocab) {
      return InvalidArgument("token %llu is id %d, want 0 to %u", static_cast<Ull>(i), tokens[i],
                             limits.vocab - 1);
    }
  }
  if (n != 0) std::memcpy(session->tokens + session->n_tokens, tokens, n * sizeof(int32_t));
  session->n_tokens += static_cast<uint32_t>(n);
  return {};
}

Status RewindSession(Session* session, uint64_t length) {
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  Model& model = *session->model;
  if (length > session->n_tokens) {
    return InvalidArgument("cannot rewind to position %llu of %u", static_cast<Ull>(length),
                           session->n_tokens);
  }
  const uint32_t to = static_cast<uint32_t>(length);
  if (to < session->n_computed) {
    for (uint32_t g = 0; g < model.n_groups; ++g) {
      const GroupPool& group = model.groups[g];
      // From empty every state can start again.
      if (to == 0) continue;
      if (session->held_from[g] != 0 && to < session->held_from[g] + group.window) {
        return Unsupported("rewinding to %u: the session was restored with positions from %llu on",
                           to, static_cast<Ull>(session->held_from[g] + group.window));
      }
      if (!IsRing(model, group)) continue;
      if (session->high_water - to > group.rewind_limit) {
        return Unsupported(
            "rewinding from %u to %u: a state of this model keeps at most %llu tokens back",
            session->high_water, to, static_cast<Ull>(group.rewind_limit));
      }
    }
    for (uint32_t g = 0; g < model.n_groups; ++g) {
      if (to == 0) {
        ReleaseBlocks(session, g, 0);
      } else if (!IsRing(model, model.groups[g])) {
        ReleaseBlocks(session, g, (to + kBlockSlots - 1) / kBlockSlots);
      }
    }
    session->n_computed = to;
    session->n_settled = std::min(session->n_settled, to);
    if (to == 0) {
      session->high_water = 0;
      std::fill(std::begin(session->held_from), std::end(session->held_from), 0);
    }
    session->step_id = 0;
  }
  session->n_tokens = to;
  session->reply->under_way = false;
  return {};
}

Status ForkSession(Session* session, Session** copy) {
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  Model* model = session->model;
  SAMARA_RETURN_IF_ERROR(CreateSession(model, session->sampling, session->all_logits, copy));
  Session* c = *copy;
  std::memcpy(c->tokens, session->tokens, session->n_tokens * sizeof(int32_t));
  c->n_tokens = session->n_tokens;
  c->n_computed = session->n_computed.load();
  c->high_water = session->high_water;
  std::copy(std::begin(session->held_from), std::end(session->held_from), c->held_from);
  c->generator = session->generator;
  c->step_id = session->step_id;
  c->first_row = session->first_row;
  c->n_rows = session->n_rows;
  c->last_step = session->last_step;
  c->n_settled = session->n_settled;
  // All blocks are shared; whoever writes one first gets a copy of its own (PrepareBlocks).
  for (uint32_t g = 0; g < model->n_groups; ++g) {
    const uint32_t* from = BlockTable(session, g);
    uint32_t* to = BlockTable(c, g);
    c->n_blocks[g] = session->n_blocks[g];
    for (uint32_t i = 0; i < session->n_blocks[g]; ++i) {
      to[i] = from[i];
      ++model->groups[g].references[from[i]];
    }
  }
  return {};
}

Status PrepareBlocks(Session* session, uint32_t begin, uint32_t end) {
  Model* model = session->model;
  for (uint32_t g = 0; g < model->n_groups; ++g) {
    GroupPool& group = model->groups[g];
    uint32_t* table = BlockTable(session, g);
    for (uint32_t slot = begin / kBlockSlots * kBlockSlots; slot < end; slot += kBlockSlots) {
      const uint32_t entry = slot / kBlockSlots % group.blocks_per_seq;
      if (entry >= session->n_blocks[g]) {
        // Slots ascend, so entries are taken in order.
        SAMARA_RETURN_IF_ERROR(TakeBlock(&group, &table[entry]));
        session->n_blocks[g] = entry + 1;
      } else if (group.references[table[entry]] > 1) {
        uint32_t block = 0;
        SAMARA_RETURN_IF_ERROR(TakeBlock(&group, &block));
        const uint32_t shared = table[entry];
        table[entry] = block;
        --group.references[shared];
        SAMARA_RETURN_IF_ERROR(CopyBlock(model, g, block, shared));
      }
    }
  }
  return {};
}

void ScrubBlocks(Session* session) {
  Model* model = session->model;
  for (uint32_t i = 0; i < model->n_states; ++i) {
    const StatePool& pool = model->states[i];
    const uint32_t* table = BlockTable(session, pool.group);
    for (uint32_t b = 0; b < session->n_blocks[pool.group]; ++b) {
      if (model->groups[pool.group].references[table[b]] != 1) continue;
      for (uint32_t part = 0; part < pool.n_parts; ++part) {
        const uint64_t bytes = pool.block_bytes[part];
        // A device that refuses this is lost, and the session is poisoned in any case.
        static_cast<void>(pool.device->Fill(pool.handle[part], table[b] * bytes, 0, bytes).ok());
      }
    }
  }
}

Status SessionRow(const Session* session, int64_t row, const float* base, uint32_t width,
                  const float** values) {
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  if (row == -1 && session->n_computed != session->n_tokens) {
    return FailedPrecondition("%u tokens are pending", session->n_tokens - session->n_computed);
  }
  if (session->n_rows == 0 || session->step_id != session->model->step_id) {
    return FailedPrecondition(
        session->n_computed == 0
            ? "nothing was computed yet"
            : "the session took no part in the last step, or was rewound after it");
  }
  if (row < -1 || row >= static_cast<int64_t>(session->n_rows)) {
    return InvalidArgument("row %lld of %u", static_cast<long long>(row), session->n_rows);
  }
  const uint64_t index =
      session->first_row + (row == -1 ? session->n_rows - 1 : static_cast<uint64_t>(row));
  *values = base + index * width;
  return {};
}

namespace {

// The device draws what needs nothing but its own logits.
bool DrawsOnDevice(const Model& model, const SamplingParams& p, size_t n_biases) {
  const bool penalties =
      p.penalty_window > 0 &&
      (p.repetition_penalty != 1 || p.frequency_penalty != 0 || p.presence_penalty != 0);
  return model.logits.side == Side::kDevice && model.device->can_draw() && !penalties &&
         n_biases == 0;
}

Status DrawOnDevice(Session* session, uint64_t index, int32_t* token) {
  Model& model = *session->model;
  const SamplingParams& p = session->sampling;
  DrawRequest request;
  request.arena = model.arena;
  request.offset =
      model.buckets[model.last_bucket].logits_offset + index * model.limits.vocab * sizeof(float);
  request.vocab = model.limits.token_vocab;
  request.temperature = p.temperature;
  request.top_k = p.top_k;
  request.top_p = p.top_p;
  request.min_p = p.min_p;
  Pcg32 generator = session->generator;
  if (p.temperature != 0) request.uniform = static_cast<double>(generator.Next()) * 0x1p-32;
  int32_t id = -1;
  const int64_t begin = ProfileSink::Now();
  Status status = model.device->Draw(request, &id);
  model.step_seconds += 1e-9 * static_cast<double>(ProfileSink::Now() - begin);
  SAMARA_RETURN_IF_ERROR(SettleSteps(&model, std::move(status)));
  if (id < 0 || static_cast<uint32_t>(id) >= request.vocab) {
    return Internal("the device drew token %d of %u", id, request.vocab);
  }
  session->generator = generator;
  *token = id;
  return {};
}

}  // namespace

Status SampleSession(Session* session, std::span<const TokenBias> biases, int32_t* token) {
  Model& model = *session->model;
  if (DrawsOnDevice(model, session->sampling, biases.size())) {
    const float* at = nullptr;
    const float* const base = nullptr;
    SAMARA_RETURN_IF_ERROR(SessionRow(session, -1, base, 0, &at));
    return DrawOnDevice(session, session->first_row + session->n_rows - 1, token);
  }
  const FloatEnv env;
  const float* logits = nullptr;
  SAMARA_RETURN_IF_ERROR(SessionLogits(session, -1, &logits));
  *token = SampleToken(logits, model.limits.token_vocab, session->sampling, session->tokens,
                       session->n_computed, &session->generator, model.sampler_work, biases);
  if (*token < 0) return FailedPrecondition("the logit bias forbids every token");
  return {};
}

void PermuteFreeBlocks(Model* model, uint64_t seed) {
  Pcg32 generator;
  generator.Seed(seed);
  for (uint32_t g = 0; g < model->n_groups; ++g) {
    GroupPool& group = model->groups[g];
    for (uint32_t i = group.n_free; i > 1; --i) {
      std::swap(group.free_list[i - 1], group.free_list[generator.Next() % i]);
    }
  }
}

}  // namespace samara
