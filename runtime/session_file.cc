#include "runtime/session_file.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <memory>

#include "formats/little_endian.h"
#include "formats/package_format.h"
#include "formats/session_format.h"
#include "runtime/results.h"

namespace samara {
namespace {

using Ull = unsigned long long;

static_assert(kSessionGroups == kMaxStateGroups);

struct BufferFree {
  void operator()(uint8_t* block) const { FreeBlock(block, kSessionFileBuffer, 64); }
};
using Buffer = std::unique_ptr<uint8_t, BufferFree>;

Status NewBuffer(Buffer* buffer) {
  buffer->reset(static_cast<uint8_t*>(AllocateBlock(kSessionFileBuffer, 64)));
  return *buffer != nullptr ? Status()
                            : OutOfMemory("a file buffer of %u bytes", kSessionFileBuffer);
}

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// States that are kept in a form of a backend's own mean nothing elsewhere.
Status CheckStandardLayout(const Model& model) {
  for (uint32_t i = 0; i < model.n_states; ++i) {
    const StatePool& pool = model.states[i];
    for (uint32_t part = 0; part < pool.n_parts; ++part) {
      if (pool.block_bytes[part] != KvHeadBytes(model.kv_type, pool.dim[part]) * pool.heads[part]) {
        return Unsupported("backend %s keeps states in a form of its own, which is not saved",
                           model.backend->name());
      }
    }
  }
  return {};
}

void Numerics(const Model& model, char text[16]) {
  std::memset(text, 0, 16);
  std::string name = model.backend->exact() ? "exact" : model.backend->name();
  if (model.n_decomposed != 0) name += "/" + std::to_string(model.n_decomposed);
  std::memcpy(text, name.data(), std::min<size_t>(name.size(), 15));
}

// The position computed next after restoring: where nothing is pending, the last one again, as logits
// are not saved.
uint32_t NextPosition(uint32_t n_tokens, uint32_t n_computed) {
  return n_computed - (n_computed == n_tokens && n_computed != 0 ? 1 : 0);
}

// The first slot of a group that the token at `position` sees.
uint64_t FirstSeen(const GroupPool& group, uint64_t position) {
  return group.window == 0 ? 0 : Minus(position + 1, group.window);
}

// The first slot of a group that may still be seen, after rewinding as far as it goes.
Status FirstSlot(const Session& s, uint32_t g, uint32_t* first) {
  const GroupPool& group = s.model->groups[g];
  *first = s.held_from[g];
  if (!IsRing(*s.model, group)) return {};
  const uint64_t position = std::min<uint64_t>(Minus(s.high_water, group.rewind_limit + 1),
                                               NextPosition(s.n_tokens, s.n_computed));
  *first = std::max(*first, static_cast<uint32_t>(FirstSeen(group, position)));
  // A cancelled step may have taken the slots of the window's end.
  if (*first < Minus(s.high_water, uint64_t{group.blocks_per_seq} * kBlockSlots)) {
    return FailedPrecondition("the last token cannot be computed again; feed another one first");
  }
  return {};
}

uint64_t StatesBytes(const Model& model, const SessionHeader& h) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < model.n_states; ++i) {
    const StatePool& pool = model.states[i];
    const uint64_t slots = h.n_computed - h.first_slot[pool.group];
    // A slot's share of a block is whole in every type. The pools' bytes fit into 64 bits, and a
    // session's are no more.
    for (uint32_t part = 0; part < pool.n_parts; ++part)
      bytes += pool.block_bytes[part] / kBlockSlots * slots;
  }
  return bytes;
}

// Calls piece(offset, bytes) for the ranges of a block that hold its slots [begin, end).
template <typename F>
Status ForEachRange(const StatePool& pool, uint32_t part, DType kv_type, uint32_t begin,
                    uint32_t end, F&& piece) {
  const uint64_t runs = (pool.dim[part] + uint64_t{kKvRun} - 1) / kKvRun;
  const uint64_t dim = KvSlotElements(kv_type, pool.dim[part]),
                 head_bytes = pool.block_bytes[part] / pool.heads[part];
  if (begin == 0 && end == kBlockSlots) return piece(0, pool.block_bytes[part]);
  const uint64_t element = kv_type == DType::kF32 ? 4 : kv_type == DType::kF16 ? 2 : 1;
  const uint64_t n = end - begin;
  for (uint64_t head = 0; head < pool.heads[part]; ++head) {
    const uint64_t base = head * head_bytes;
    if (part == 1) {
      SAMARA_RETURN_IF_ERROR(piece(base + begin * dim * element, n * dim * element));
    }
    for (uint64_t d = 0; d < dim && part == 0; ++d) {
      SAMARA_RETURN_IF_ERROR(piece(base + (d * kBlockSlots + begin) * element, n * element));
    }
    const uint64_t scales = base + kBlockSlots * dim;
    for (uint64_t r = 0; r < runs && KvHasScales(kv_type); ++r) {
      SAMARA_RETURN_IF_ERROR(piece(scales + (r * kBlockSlots + begin) * 2, n * 2));
    }
  }
  return {};
}

// All ranges of a session's states, in the order of the file: piece(device, handle, offset, bytes).
template <typename F>
Status ForEachPiece(const Session& session, const SessionHeader& h, F&& piece) {
  const Model& model = *session.model;
  for (uint32_t i = 0; i < model.n_states; ++i) {
    const StatePool& pool = model.states[i];
    const uint32_t* table = BlockTable(&session, pool.group);
    const uint32_t per_seq = model.groups[pool.group].blocks_per_seq;
    for (uint32_t part = 0; part < pool.n_parts; ++part) {
      for (uint32_t slot = h.first_slot[pool.group]; slot < h.n_computed;) {
        const uint32_t block = slot / kBlockSlots, start = block * kBlockSlots;
        const uint32_t end = std::min(h.n_computed, start + kBlockSlots);
        const uint64_t at = table[block % per_seq] * pool.block_bytes[part];
        SAMARA_RETURN_IF_ERROR(ForEachRange(
            pool, part, model.kv_type, slot - start, end - start, [&](uint64_t offset, uint64_t n) {
              return piece(*pool.device, pool.handle[part], at + offset, n);
            }));
        slot = end;
      }
    }
  }
  return {};
}

// Writes through the buffer and hashes.
class Sink {
 public:
  Sink(NewFile* file, uint8_t* buffer, uint64_t offset)
      : file_(file), buffer_(buffer), offset_(offset) {}
  template <typename F>  // fill(to, done, bytes)
  Status Add(uint64_t bytes, F&& fill) {
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t n = std::min<uint64_t>(bytes - done, kSessionFileBuffer - used_);
      SAMARA_RETURN_IF_ERROR(fill(buffer_ + used_, done, n));
      used_ += n;
      done += n;
      if (used_ == kSessionFileBuffer) SAMARA_RETURN_IF_ERROR(Flush());
    }
    return {};
  }
  Status Flush() {
    hash.Update(buffer_, used_);
    SAMARA_RETURN_IF_ERROR(file_->Write(offset_, buffer_, used_));
    offset_ += used_;
    used_ = 0;
    return {};
  }
  Sha256 hash;

 private:
  NewFile* file_;
  uint8_t* buffer_;
  uint64_t offset_, used_ = 0;
};

// Reads through the buffer and hashes.
class Stream {
 public:
  Stream(const PackageFile& file, uint8_t* buffer, uint64_t begin, uint64_t end)
      : file_(file), buffer_(buffer), at_(begin), end_(end) {}
  template <typename F>  // take(from, done, bytes)
  Status Take(uint64_t bytes, F&& take) {
    for (uint64_t done = 0; done < bytes;) {
      if (used_ == filled_) {
        filled_ = std::min<uint64_t>(kSessionFileBuffer, end_ - at_);
        if (filled_ == 0) return InvalidFile("the saved session ends too early");
        SAMARA_RETURN_IF_ERROR(file_.Read(at_, buffer_, filled_));
        hash.Update(buffer_, filled_);
        at_ += filled_;
        used_ = 0;
      }
      const uint64_t n = std::min(bytes - done, filled_ - used_);
      SAMARA_RETURN_IF_ERROR(take(buffer_ + used_, done, n));
      used_ += n;
      done += n;
    }
    return {};
  }
  Sha256 hash;

 private:
  const PackageFile& file_;
  uint8_t* buffer_;
  uint64_t at_, end_, used_ = 0, filled_ = 0;
};

Status CheckIds(const uint8_t* bytes, uint64_t first, uint64_t n, uint32_t vocab) {
  for (uint64_t i = 0; i < n; ++i) {
    const uint32_t id = LoadLittleEndian<uint32_t>(bytes + 4 * i);
    if (id >= vocab) {
      return InvalidFile("token %llu is id %u, want 0 to %u", static_cast<Ull>(first + i), id,
                         vocab - 1);
    }
  }
  return {};
}

SamplingParams SamplingOf(const SessionHeader& h) {
  return {h.temperature,
          h.top_k,
          h.top_p,
          h.min_p,
          h.repetition_penalty,
          h.frequency_penalty,
          h.presence_penalty,
          h.penalty_window,
          h.seed};
}

// What makes the states mean the same here as there.
Status CheckSame(const SessionHeader& h, const Model& model) {
  if (std::memcmp(h.package, model.package_hash, sizeof h.package) != 0) {
    return FailedPrecondition("the session was saved with another package");
  }
  if (h.kv_type != static_cast<uint32_t>(model.kv_type)) {
    const DType saved = static_cast<DType>(h.kv_type);
    return FailedPrecondition("the session was saved with kv type %s, this model has %s",
                              IsKvType(saved) ? DTypeName(saved) : "unknown",
                              DTypeName(model.kv_type));
  }
  char numerics[16];
  Numerics(model, numerics);
  if (std::memcmp(numerics, h.numerics, sizeof numerics) != 0) {
    return FailedPrecondition("the session was saved with numerics %s, this model computes %s",
                              Quoted(h.numerics).c_str(), Quoted(numerics).c_str());
  }
  if (h.block_slots != kBlockSlots) {
    return Unsupported("the session was saved with blocks of %u slots, this build has %u",
                       h.block_slots, kBlockSlots);
  }
  return {};
}

Status CheckHeader(const SessionHeader& h, const Model& model, uint64_t file_bytes) {
  if (h.n_states != model.n_states || h.n_groups != model.n_groups) {
    return InvalidFile("%u states in %u groups, the package has %u in %u", h.n_states, h.n_groups,
                       model.n_states, model.n_groups);
  }
  const uint32_t next = NextPosition(h.n_tokens, h.n_computed);
  for (uint32_t g = 0; g < kMaxStateGroups; ++g) {
    const uint64_t most = g < model.n_groups ? FirstSeen(model.groups[g], next) : 0;
    if (h.first_slot[g] <= most) continue;
    return InvalidFile("state group %u begins at slot %u, want at most %llu", g, h.first_slot[g],
                       static_cast<Ull>(most));
  }
  const Status sampling = CheckSampling(SamplingOf(h));
  if (!sampling.ok()) return InvalidFile("%s", sampling.message());
  if (h.n_tokens > model.limits.n_ctx) {
    return ResourceExhausted("the saved session has %u tokens, this model's context %u positions",
                             h.n_tokens, model.limits.n_ctx);
  }
  const uint64_t want = h.states_offset() + StatesBytes(model, h);
  if (want != file_bytes) {
    return InvalidFile("the saved session has %llu bytes, want %llu", static_cast<Ull>(file_bytes),
                       static_cast<Ull>(want));
  }
  return {};
}

Status ReadHeader(const PackageFile& file, const Model& model, uint8_t* buffer, SessionHeader* h) {
  uint8_t bytes[kSessionHeaderBytes];
  const uint64_t n = std::min<uint64_t>(kSessionHeaderBytes, file.bytes());
  SAMARA_RETURN_IF_ERROR(file.Read(0, bytes, n));
  SAMARA_RETURN_IF_ERROR(ParseSessionHeader({bytes, static_cast<size_t>(n)}, file.bytes(), h));
  // The whole of header, tokens and attachment is known to be sound before anything is compared.
  Stream stream(file, buffer, h->tokens_offset(), h->states_offset());
  stream.hash.Update(bytes, kSessionHashedBytes);
  const auto skip = [](const uint8_t*, uint64_t, uint64_t) { return Status(); };
  SAMARA_RETURN_IF_ERROR(stream.Take(h->states_offset() - h->tokens_offset(), skip));
  uint8_t digest[32];
  stream.hash.Finish(digest);
  if (std::memcmp(digest, h->content_sha256, 32) != 0) {
    return InvalidFile("the saved session is damaged: header or tokens do not have their SHA-256");
  }
  SAMARA_RETURN_IF_ERROR(CheckSame(*h, model));
  return CheckHeader(*h, model, file.bytes());
}

// Tokens into `tokens`, which may be nullptr: then they are only checked.
Status ReadTokens(const PackageFile& file, const SessionHeader& h, uint32_t vocab, uint8_t* buffer,
                  int32_t* tokens) {
  Stream stream(file, buffer, h.tokens_offset(), h.attachment_offset());
  return stream.Take(uint64_t{h.n_tokens} * 4, [&](const uint8_t* from, uint64_t done, uint64_t n) {
    SAMARA_RETURN_IF_ERROR(CheckIds(from, done / 4, n / 4, vocab));
    for (uint64_t i = 0; i < n / 4 && tokens != nullptr; ++i) {
      tokens[done / 4 + i] = static_cast<int32_t>(LoadLittleEndian<uint32_t>(from + 4 * i));
    }
    return Status();
  });
}

Status ReadStates(const PackageFile& file, const SessionHeader& h, uint8_t* buffer,
                  Session* session) {
  SAMARA_RETURN_IF_ERROR(PrepareBlocks(session, 0, h.n_computed));
  Stream stream(file, buffer, h.states_offset(), h.file_bytes);
  // Slots ascend, so where a ring is smaller than the one that was saved, the newest stay.
  SAMARA_RETURN_IF_ERROR(ForEachPiece(
      *session, h, [&](Device& device, uint64_t handle, uint64_t offset, uint64_t bytes) {
        return stream.Take(bytes, [&](const uint8_t* from, uint64_t done, uint64_t n) {
          return device.Upload(handle, offset + done, from, n);
        });
      }));
  uint8_t digest[32];
  stream.hash.Finish(digest);
  if (std::memcmp(digest, h.states_sha256, 32) != 0) {
    return InvalidFile("the saved session is damaged: its states do not have their SHA-256");
  }
  return {};
}

void Adopt(const SessionHeader& h, Session* s) {
  const Model& model = *s->model;
  s->n_tokens = h.n_tokens;
  s->n_computed = s->n_settled = NextPosition(h.n_tokens, h.n_computed);
  s->high_water = h.high_water;
  for (uint32_t g = 0; g < model.n_groups; ++g) s->held_from[g] = h.first_slot[g];
  s->sampling = SamplingOf(h);
  s->generator.Restore(h.generator);
}

}  // namespace

Status WriteSession(const Session& session, std::span<const uint8_t> attachment, NewFile* file) {
  SAMARA_RETURN_IF_ERROR(CheckUsable(&session));
  const Model& model = *session.model;
  SAMARA_RETURN_IF_ERROR(WaitForSteps(session.model));
  SAMARA_RETURN_IF_ERROR(CheckStandardLayout(model));
  if (attachment.size() > kMaxAttachmentBytes) {
    return ResourceExhausted("an attachment of %zu bytes, at most %llu", attachment.size(),
                             static_cast<Ull>(kMaxAttachmentBytes));
  }
  SessionHeader h;
  std::memcpy(h.package, model.package_hash, sizeof h.package);
  Numerics(model, h.numerics);
  h.kv_type = static_cast<uint32_t>(model.kv_type);
  h.block_slots = kBlockSlots;
  h.n_states = model.n_states;
  h.n_groups = model.n_groups;
  h.n_tokens = session.n_tokens;
  h.n_computed = h.high_water = session.n_computed.load();
  for (uint32_t g = 0; g < model.n_groups; ++g) {
    SAMARA_RETURN_IF_ERROR(FirstSlot(session, g, &h.first_slot[g]));
    if (IsRing(model, model.groups[g])) h.high_water = session.high_water;
  }
  const SamplingParams& p = session.sampling;
  h.generator = session.generator.state();
  h.temperature = p.temperature;
  h.top_k = p.top_k;
  h.top_p = p.top_p;
  h.min_p = p.min_p;
  h.repetition_penalty = p.repetition_penalty;
  h.frequency_penalty = p.frequency_penalty;
  h.presence_penalty = p.presence_penalty;
  h.penalty_window = p.penalty_window;
  h.seed = p.seed;
  h.attachment_bytes = attachment.size();
  h.file_bytes = h.states_offset() + StatesBytes(model, h);

  Buffer buffer;
  SAMARA_RETURN_IF_ERROR(NewBuffer(&buffer));
  Sink states(file, buffer.get(), h.states_offset());
  SAMARA_RETURN_IF_ERROR(ForEachPiece(
      session, h, [&](Device& device, uint64_t handle, uint64_t offset, uint64_t bytes) {
        return states.Add(bytes, [&](uint8_t* to, uint64_t done, uint64_t n) {
          return device.Download(handle, offset + done, to, n);
        });
      }));
  SAMARA_RETURN_IF_ERROR(states.Flush());
  states.hash.Finish(h.states_sha256);

  uint8_t header[kSessionHeaderBytes];
  StoreSessionHeader(h, header);
  Sink content(file, buffer.get(), h.tokens_offset());
  content.hash.Update(header, kSessionHashedBytes);
  SAMARA_RETURN_IF_ERROR(
      content.Add(uint64_t{h.n_tokens} * 4, [&](uint8_t* to, uint64_t done, uint64_t n) {
        for (uint64_t i = 0; i < n / 4; ++i) {
          StoreLittleEndian(static_cast<uint32_t>(session.tokens[done / 4 + i]), to + 4 * i);
        }
        return Status();
      }));
  SAMARA_RETURN_IF_ERROR(
      content.Add(attachment.size(), [&](uint8_t* to, uint64_t done, uint64_t n) {
        std::memcpy(to, attachment.data() + done, n);
        return Status();
      }));
  SAMARA_RETURN_IF_ERROR(content.Flush());
  content.hash.Finish(h.content_sha256);
  StoreSessionHeader(h, header);
  return file->Write(0, header, kSessionHeaderBytes);
}

Status ReadSession(const PackageFile& file, Session* session, std::span<uint8_t> attachment,
                   uint64_t* attachment_bytes) {
  const Model& model = *session->model;
  *attachment_bytes = 0;
  SAMARA_RETURN_IF_ERROR(CheckStandardLayout(model));
  Buffer buffer;
  SAMARA_RETURN_IF_ERROR(NewBuffer(&buffer));
  SessionHeader h;
  SAMARA_RETURN_IF_ERROR(ReadHeader(file, model, buffer.get(), &h));
  const uint32_t vocab = model.limits.vocab;
  SAMARA_RETURN_IF_ERROR(ReadTokens(file, h, vocab, buffer.get(), nullptr));
  *attachment_bytes = h.attachment_bytes;
  if (attachment.data() != nullptr || attachment.size() != 0) {
    if (h.attachment_bytes > attachment.size()) {
      return ResourceExhausted("an attachment of %llu bytes, there is room for %zu",
                               static_cast<Ull>(h.attachment_bytes), attachment.size());
    }
    SAMARA_RETURN_IF_ERROR(file.Read(h.attachment_offset(), attachment.data(), h.attachment_bytes));
  }
  ResetSession(session);
  Status status = ReadTokens(file, h, vocab, buffer.get(), session->tokens);
  if (status.ok()) status = ReadStates(file, h, buffer.get(), session);
  if (status.ok()) {
    Adopt(h, session);
  } else {
    ResetSession(session);
  }
  return status;
}

}  // namespace samara
