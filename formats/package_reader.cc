// Header and FlatBuffer -> IR. The mirror image is metadata_writer.cc.
//
// The verifier proves that every offset stays inside the buffer, but not that the buffer is a tree:
// one table may stand in a vector a million times. So everything that is built is charged to a
// budget which is a multiple of the metadata's size; time and memory stay linear.
#include <algorithm>
#include <cstring>

#include "formats/check.h"
#include "formats/little_endian.h"
#include "formats/metadata_schema.h"
#include "formats/package_format.h"

namespace samara {
namespace {

// Bytes of IR for one byte of metadata. A value with a short name takes about 12.
constexpr uint64_t kIrBytesPerByte = 24;
constexpr uint64_t kIrBytesAlways = uint64_t{1} << 20;
// Nesting of package.fbs: Package, Graph, Op, Attr; the rest is for fields to come.
constexpr uint32_t kMaxDepth = 16;

class Reader {
 public:
  Reader(const uint8_t* base, uint64_t bytes, Package* package)
      : base_(base), budget_(bytes * kIrBytesPerByte + kIrBytesAlways), package_(package) {}

  Status Run(const fb::Package& root);

 private:
  Status Charge(uint64_t count, uint64_t each) {
    if (count > budget_ / each) {
      return InvalidFile("metadata: it unfolds to far more than its size");
    }
    budget_ -= count * each;
    return Status();
  }
  Status Read(const flatbuffers::String* from, std::string* to) {
    if (from == nullptr) return Status();
    SAMARA_RETURN_IF_ERROR(Charge(uint64_t{from->size()} + 1, 1));
    to->assign(from->c_str(), from->size());
    return Status();
  }
  // Numbers and structs. The verifier does not check how elements of 8 bytes are aligned.
  template <typename T>
  Status CheckVector(const flatbuffers::Vector<T>* from, size_t alignment, const char* what) {
    if ((from->Data() - base_) % alignment != 0)
      return InvalidFile("metadata: %s are not aligned", what);
    return Charge(from->size(), sizeof(from->Get(0)));
  }
  template <typename T>
  Status ReadNumbers(const flatbuffers::Vector<T>* from, const char* what, std::vector<T>* to) {
    if (from == nullptr) return Status();
    SAMARA_RETURN_IF_ERROR(CheckVector(from, sizeof(T), what));
    to->assign(from->begin(), from->end());
    return Status();
  }
  // Vectors of tables: `read(table, &element)` for each.
  template <typename Table, typename T, typename F>
  Status Each(const flatbuffers::Vector<flatbuffers::Offset<Table>>* from, std::vector<T>* to,
              F read) {
    if (from == nullptr) return Status();
    SAMARA_RETURN_IF_ERROR(Charge(from->size(), sizeof(T)));
    to->resize(from->size());
    for (uint32_t i = 0; i < from->size(); ++i) {
      SAMARA_RETURN_IF_ERROR(read(*from->Get(i), &(*to)[i]));
    }
    return Status();
  }
  Status ReadPairs(const flatbuffers::Vector<flatbuffers::Offset<fb::Pair>>* from,
                   std::vector<std::pair<std::string, std::string>>* to) {
    return Each(from, to, [&](const fb::Pair& pair, std::pair<std::string, std::string>* out) {
      SAMARA_RETURN_IF_ERROR(Read(pair.key(), &out->first));
      return Read(pair.value(), &out->second);
    });
  }

  Status ReadDim(const fb::Dim& from, Dim* to);
  Status ReadValue(const fb::Value& from, Value* to);
  Status ReadOp(const fb::Op& from, Op* to);
  Status ReadGraph(const fb::Graph& from, Graph* to);
  Status ReadSegment(const fb::Segment& from, Segment* to);
  Status ReadWeight(const fb::Weight& from, Weight* to);
  Status ReadState(const fb::State& from, State* to);
  Status ReadGolden(const fb::Golden& from, Golden* to);
  Status ReadSampling(const fb::Sampling& from, SamplingDefaults* to);
  Status ReadConversation(const fb::Conversation& from, ConversationGolden* to);

  struct OpType {
    uint16_t code = 0;
    uint32_t version = 0;
    std::string name;
  };

  const uint8_t* base_;
  uint64_t budget_;
  Package* package_;
  std::vector<Dim> dims_;
  std::vector<OpType> op_types_;
};

Status Reader::ReadDim(const fb::Dim& from, Dim* to) {
  to->constant = from.constant();
  to->divisor = from.divisor();
  if (from.terms() == nullptr) return Status();
  SAMARA_RETURN_IF_ERROR(CheckVector(from.terms(), 8, "terms of a dimension"));
  if (from.terms()->size() > kMaxTerms) {
    return Unsupported("a dimension with %u terms; this build knows %d", from.terms()->size(),
                       kMaxTerms);
  }
  for (const fb::Term* term : *from.terms()) {
    to->terms[to->n_terms++] = {term->symbol(), term->coefficient()};
  }
  return Status();
}

Status Reader::ReadValue(const fb::Value& from, Value* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  to->kind = static_cast<ValueKind>(from.kind());
  to->dtype = static_cast<DType>(from.dtype());
  to->index = from.index();
  if (from.shape() == nullptr) return Status();
  if (from.shape()->size() > kMaxRank) {
    return Unsupported("value %s has rank %u; this build knows %d", Quoted(to->name).c_str(),
                       from.shape()->size(), kMaxRank);
  }
  for (uint32_t dim : *from.shape()) {
    if (dim >= dims_.size()) {
      return InvalidFile("value %s: dimension %u of %zu", Quoted(to->name).c_str(), dim,
                         dims_.size());
    }
    to->shape.dims[to->shape.rank++] = dims_[dim];
  }
  return Status();
}

Status Reader::ReadOp(const fb::Op& from, Op* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  if (from.type() >= op_types_.size()) {
    return InvalidFile("operator %s: type %u of %zu", Quoted(to->name).c_str(), from.type(),
                       op_types_.size());
  }
  const OpType& type = op_types_[from.type()];
  SAMARA_RETURN_IF_ERROR(Charge(type.name.size() + 1, 1));
  to->code = static_cast<OpCode>(type.code);
  to->version = type.version;
  to->type_name = type.name;
  to->decomposition = from.decomposition();
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.inputs(), "operator inputs", &to->inputs));
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.outputs(), "operator outputs", &to->outputs));
  return Each(from.attrs(), &to->attrs, [&](const fb::Attr& attr, Attr* out) {
    out->key = static_cast<AttrKey>(attr.key());
    out->i = attr.i();
    out->f = attr.f();
    return ReadNumbers(attr.ints(), "integers of an attribute", &out->ints);
  });
}

Status Reader::ReadGraph(const fb::Graph& from, Graph* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  SAMARA_RETURN_IF_ERROR(Each(from.values(), &to->values, [&](const fb::Value& value, Value* out) {
    return ReadValue(value, out);
  }));
  SAMARA_RETURN_IF_ERROR(
      Each(from.ops(), &to->ops, [&](const fb::Op& op, Op* out) { return ReadOp(op, out); }));
  if (from.inputs() != nullptr) {
    SAMARA_RETURN_IF_ERROR(CheckVector(from.inputs(), 4, "inputs of a graph"));
    for (const fb::Port* port : *from.inputs()) {
      to->inputs.push_back({port->value(), static_cast<InputRole>(port->role())});
    }
  }
  if (from.outputs() != nullptr) {
    SAMARA_RETURN_IF_ERROR(CheckVector(from.outputs(), 4, "outputs of a graph"));
    for (const fb::Port* port : *from.outputs()) {
      to->outputs.push_back({port->value(), static_cast<OutputRole>(port->role())});
    }
  }
  return Status();
}

Status Reader::ReadSegment(const fb::Segment& from, Segment* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  SAMARA_RETURN_IF_ERROR(Read(from.external(), &to->external));
  to->offset = from.offset();
  to->bytes = from.bytes();
  return ReadNumbers(from.chunk_sha256(), "chunk hashes", &to->chunk_sha256);
}

Status Reader::ReadWeight(const fb::Weight& from, Weight* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  to->dtype = static_cast<DType>(from.dtype());
  to->rows = from.rows();
  to->cols = from.cols();
  to->is_vector = from.is_vector();
  const DTypeInfo* info = FindDType(to->dtype);
  if (info != nullptr &&
      (from.block_elements() != info->block_elements || from.block_bytes() != info->block_bytes)) {
    return Unsupported("weight %s: %s blocks of %u elements in %u bytes; this build has %u in %u",
                       Quoted(to->name).c_str(), info->name, from.block_elements(),
                       from.block_bytes(), info->block_elements, info->block_bytes);
  }
  SAMARA_RETURN_IF_ERROR(
      Each(from.placements(), &to->placements, [&](const fb::Placement& p, WeightPlacement* out) {
        *out = {static_cast<Layout>(p.layout()), p.version(), p.segment(), p.offset(), p.bytes()};
        return Status();
      }));
  return Each(from.sources(), &to->sources, [&](const fb::Source& s, WeightSource* out) {
    out->first_row = s.first_row();
    out->n_rows = s.n_rows();
    out->source_row = s.source_row();
    out->transform = static_cast<SourceTransform>(s.transform());
    out->scale = s.scale();
    return Read(s.tensor(), &out->tensor);
  });
}

Status Reader::ReadState(const fb::State& from, State* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  if (from.save_layout() != 1) {
    return Unsupported("state %s: save layout %d; this build knows 1", Quoted(to->name).c_str(),
                       from.save_layout());
  }
  to->kind = static_cast<StateKind>(from.kind());
  to->group = from.group();
  if (from.parts() == nullptr) return Status();
  SAMARA_RETURN_IF_ERROR(CheckVector(from.parts(), 4, "parts of a state"));
  for (const fb::StatePart* part : *from.parts()) to->parts.push_back({part->heads(), part->dim()});
  return Status();
}

Status Reader::ReadGolden(const fb::Golden& from, Golden* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.entry(), &to->entry));
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.ids(), "golden ids", &to->ids));
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.logits_sha256(), "golden hash", &to->logits_sha256));
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.top_ids(), "golden ids", &to->top_ids));
  SAMARA_RETURN_IF_ERROR(ReadNumbers(from.top_logits(), "golden logits", &to->top_logits));
  return Each(from.ops(), &to->ops, [&](const fb::OpGolden& op, OpGolden* out) {
    out->op = op.op();
    out->output = op.output();
    out->l2 = op.l2();
    SAMARA_RETURN_IF_ERROR(ReadNumbers(op.indices(), "golden indices", &out->indices));
    return ReadNumbers(op.values(), "golden values", &out->values);
  });
}

Status Reader::ReadConversation(const fb::Conversation& from, ConversationGolden* to) {
  SAMARA_RETURN_IF_ERROR(Read(from.name(), &to->name));
  SAMARA_RETURN_IF_ERROR(Read(from.json(), &to->json));
  to->time = from.time();
  return Each(from.results(), &to->results, [&](const fb::RenderedGolden& r, RenderedGolden* out) {
    out->index = r.index();
    out->refused = r.refused();
    out->bytes = r.bytes();
    SAMARA_RETURN_IF_ERROR(Read(r.text(), &out->text));
    return ReadNumbers(r.sha256(), "hash of a rendered text", &out->sha256);
  });
}

Status Reader::ReadSampling(const fb::Sampling& from, SamplingDefaults* to) {
  to->temperature = from.temperature();
  to->top_k = from.top_k();
  to->top_p = from.top_p();
  to->min_p = from.min_p();
  to->repetition_penalty = from.repetition_penalty();
  return ReadNumbers(from.eos_ids(), "end-of-sequence ids", &to->eos_ids);
}

Status Reader::Run(const fb::Package& root) {
  Package& p = *package_;
  if (root.required_features() != nullptr) {
    SAMARA_RETURN_IF_ERROR(Charge(root.required_features()->size(), sizeof(std::string)));
    for (const flatbuffers::String* text : *root.required_features()) {
      SAMARA_RETURN_IF_ERROR(Read(text, &p.required_features.emplace_back()));
    }
  }
  SAMARA_RETURN_IF_ERROR(Read(root.name(), &p.name));
  p.trained_context = root.trained_context();
  p.vocab = root.vocab();
  SAMARA_RETURN_IF_ERROR(Each(root.symbols(), &p.symbols, [&](const fb::Symbol& s, Symbol* out) {
    out->kind = static_cast<SymbolKind>(s.kind());
    out->group = s.group();
    out->min = s.min();
    out->max = s.max();
    return Read(s.name(), &out->name);
  }));
  SAMARA_RETURN_IF_ERROR(
      Each(root.dims(), &dims_, [&](const fb::Dim& d, Dim* out) { return ReadDim(d, out); }));
  SAMARA_RETURN_IF_ERROR(Each(root.op_types(), &op_types_, [&](const fb::OpType& t, OpType* out) {
    out->code = t.code();
    out->version = t.version();
    return Read(t.name(), &out->name);
  }));
  SAMARA_RETURN_IF_ERROR(
      Each(root.segments(), &p.segments,
           [&](const fb::Segment& s, Segment* out) { return ReadSegment(s, out); }));
  SAMARA_RETURN_IF_ERROR(Each(root.weights(), &p.weights, [&](const fb::Weight& w, Weight* out) {
    return ReadWeight(w, out);
  }));
  SAMARA_RETURN_IF_ERROR(
      Each(root.groups(), &p.groups, [&](const fb::StateGroup& g, StateGroup* out) {
        if (g.slots() >= dims_.size()) {
          return InvalidFile("state group: dimension %u of %zu", g.slots(), dims_.size());
        }
        out->slots = dims_[g.slots()];
        out->window = g.window();
        out->rewind_limit = g.rewind_limit();
        out->checkpoints = g.checkpoints();
        return Read(g.name(), &out->name);
      }));
  SAMARA_RETURN_IF_ERROR(Each(root.states(), &p.states,
                              [&](const fb::State& s, State* out) { return ReadState(s, out); }));
  auto graph = [&](const fb::Graph& g, Graph* out) { return ReadGraph(g, out); };
  SAMARA_RETURN_IF_ERROR(Each(root.functions(), &p.functions, graph));
  SAMARA_RETURN_IF_ERROR(Each(root.entries(), &p.entries, graph));
  if (root.tokenizer() != nullptr) {
    if (root.tokenizer()->segment() > INT32_MAX) {
      return InvalidFile("tokenizer: segment %u", root.tokenizer()->segment());
    }
    p.tokenizer_segment = static_cast<int32_t>(root.tokenizer()->segment());
    p.tokenizer_vocab = root.tokenizer()->vocab();
  }
  SAMARA_RETURN_IF_ERROR(
      Each(root.templates(), &p.templates, [&](const fb::ChatTemplate& t, ChatTemplate* out) {
        SAMARA_RETURN_IF_ERROR(Read(t.name(), &out->name));
        SAMARA_RETURN_IF_ERROR(Read(t.source(), &out->source));
        return ReadNumbers(t.tree(), "tree of a template", &out->tree);
      }));
  if (root.sampling() != nullptr)
    SAMARA_RETURN_IF_ERROR(ReadSampling(*root.sampling(), &p.sampling));
  SAMARA_RETURN_IF_ERROR(Each(root.goldens(), &p.goldens, [&](const fb::Golden& g, Golden* out) {
    return ReadGolden(g, out);
  }));
  if (const fb::Provenance* provenance = root.provenance()) {
    SAMARA_RETURN_IF_ERROR(Read(provenance->converter(), &p.provenance.converter));
    SAMARA_RETURN_IF_ERROR(Read(provenance->license(), &p.provenance.license));
    SAMARA_RETURN_IF_ERROR(ReadPairs(provenance->source_sha256(), &p.provenance.source_sha256));
    SAMARA_RETURN_IF_ERROR(ReadPairs(provenance->options(), &p.provenance.options));
  }
  SAMARA_RETURN_IF_ERROR(ReadPairs(root.metadata(), &p.metadata));
  SAMARA_RETURN_IF_ERROR(ReadPairs(root.template_variables(), &p.template_variables));
  return Each(
      root.conversations(), &p.conversations,
      [&](const fb::Conversation& c, ConversationGolden* out) { return ReadConversation(c, out); });
}

}  // namespace

Status ParseHeader(std::span<const uint8_t> bytes, uint64_t actual_file_bytes, FileHeader* header) {
  auto ull = [](uint64_t x) { return static_cast<unsigned long long>(x); };
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return InvalidFile("not a .samara file: it does not begin with \"SAMARA\\r\\n\"");
  }
  if (bytes.size() < kHeaderBytes || actual_file_bytes < kHeaderBytes) {
    return InvalidFile("file is cut: %llu bytes, want a header of %llu", ull(actual_file_bytes),
                       ull(kHeaderBytes));
  }
  const uint8_t* p = bytes.data();
  uint32_t version = LoadLittleEndian<uint32_t>(p + 8);
  if (version != kFormatVersion) {
    return Unsupported("format version %u; this build reads version %u", version, kFormatVersion);
  }
  uint32_t header_bytes = LoadLittleEndian<uint32_t>(p + 12);
  if (header_bytes != kHeaderBytes) {
    return InvalidFile("header of %u bytes, want %llu", header_bytes, ull(kHeaderBytes));
  }
  FileHeader h;
  h.file_bytes = LoadLittleEndian<uint64_t>(p + 16);
  h.metadata_offset = LoadLittleEndian<uint64_t>(p + 24);
  h.metadata_bytes = LoadLittleEndian<uint64_t>(p + 32);
  std::memcpy(h.metadata_sha256, p + 40, sizeof h.metadata_sha256);
  if (h.file_bytes != actual_file_bytes) {
    return InvalidFile("file has %llu bytes, its header says %llu", ull(actual_file_bytes),
                       ull(h.file_bytes));
  }
  if (h.metadata_bytes == 0 || h.metadata_bytes > kMaxMetadataBytes) {
    return InvalidFile("metadata of %llu bytes, want 1 to %llu", ull(h.metadata_bytes),
                       ull(kMaxMetadataBytes));
  }
  if (h.metadata_offset == 0 || h.metadata_offset % kSegmentAlignment != 0) {
    return InvalidFile("metadata at %llu, want a multiple of %llu", ull(h.metadata_offset),
                       ull(kSegmentAlignment));
  }
  if (h.metadata_offset > h.file_bytes ||
      h.metadata_bytes + kSegmentTailBytes > h.file_bytes - h.metadata_offset) {
    return InvalidFile("metadata at %llu, %llu bytes, reaches beyond the file's %llu bytes",
                       ull(h.metadata_offset), ull(h.metadata_bytes), ull(h.file_bytes));
  }
  *header = h;
  return Status();
}

Status ParseMetadata(std::span<const uint8_t> metadata, const FileHeader& header,
                     Package* package) {
  if (reinterpret_cast<uintptr_t>(metadata.data()) % 8 != 0) {
    return InvalidArgument("metadata: the copy must be aligned to 8 bytes");
  }
  if (metadata.size() != header.metadata_bytes || metadata.size() > kMaxMetadataBytes) {
    return InvalidFile("metadata: %zu bytes, the header says %llu", metadata.size(),
                       static_cast<unsigned long long>(header.metadata_bytes));
  }
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(metadata.data(), metadata.size());
  hash.Finish(digest);
  if (std::memcmp(digest, header.metadata_sha256, sizeof header.metadata_sha256) != 0) {
    return InvalidFile("metadata: its SHA-256 is not the one in the header; the file is damaged");
  }
  flatbuffers::Verifier::Options options;
  options.max_depth = kMaxDepth;
  // A table takes 4 bytes, its vtable 4 or more, its place in a vector 4: more tables than this are
  // copies.
  options.max_tables = static_cast<uint32_t>(metadata.size() / 8);
  flatbuffers::Verifier verifier(metadata.data(), metadata.size(), options);
  if (!fb::VerifyPackageBuffer(verifier))
    return InvalidFile("metadata: not a valid FlatBuffer of this schema");
  *package = Package();
  Reader reader(metadata.data(), metadata.size(), package);
  SAMARA_RETURN_IF_ERROR(reader.Run(*fb::GetPackage(metadata.data())));
  SAMARA_RETURN_IF_ERROR(CheckPackage(*package));
  return CheckFileLayout(*package, header);
}

Status CheckSegmentChunk(const Segment& segment, uint64_t chunk, std::span<const uint8_t> bytes) {
  auto ull = [](uint64_t x) { return static_cast<unsigned long long>(x); };
  uint64_t chunks = segment.chunk_sha256.size() / 32;
  if (chunk >= chunks || chunk * kHashChunkBytes >= segment.bytes) {
    return InvalidArgument("segment %s: chunk %llu of %llu", Quoted(segment.name).c_str(),
                           ull(chunk), ull(chunks));
  }
  uint64_t want = std::min(kHashChunkBytes, segment.bytes - chunk * kHashChunkBytes);
  if (bytes.size() != want) {
    return InvalidArgument("segment %s: chunk %llu has %llu bytes, got %zu",
                           Quoted(segment.name).c_str(), ull(chunk), ull(want), bytes.size());
  }
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(bytes.data(), bytes.size());
  hash.Finish(digest);
  if (std::memcmp(digest, segment.chunk_sha256.data() + 32 * chunk, 32) == 0) return Status();
  return InvalidFile("segment %s: chunk %llu (bytes %llu to %llu) is damaged: its SHA-256 differs",
                     Quoted(segment.name).c_str(), ull(chunk), ull(chunk * kHashChunkBytes),
                     ull(chunk * kHashChunkBytes + want));
}

}  // namespace samara
