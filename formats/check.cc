// CheckPackage: the tables. Graphs are in check_graph.cc.
#include "formats/check.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "formats/dim.h"

namespace samara {
namespace {

using ull = unsigned long long;

// Counts of a file stay below this, so that sums and small products of them cannot overflow.
constexpr uint64_t kMaxCount = uint64_t{1} << 48;
constexpr uint32_t kMaxHeads = 1 << 15;
constexpr size_t kMaxExternalName = 255;
constexpr size_t kMaxPlacements = 16;  // every use of a weight looks through them

// Names that appear in messages and memory lists must tell things apart.
class Names {
 public:
  explicit Names(const char* what) : what_(what) {}
  Status Add(const std::string& name) {
    if (name.empty()) return InvalidFile("a %s has no name", what_);
    if (seen_.insert(name).second) return Status();
    return InvalidFile("two %ss have the name %s", what_, Quoted(name).c_str());
  }

 private:
  const char* what_;
  std::unordered_set<std::string_view> seen_;
};

Status CheckSymbols(const Package& package) {
  Names names("symbol");
  for (size_t i = 0; i < package.symbols.size(); ++i) {
    const Symbol& s = package.symbols[i];
    SAMARA_RETURN_IF_ERROR(names.Add(s.name));
    std::string name = Quoted(s.name);
    if (s.min > s.max || s.max > kMaxCount) {
      return InvalidFile("symbol %s ranges from %llu to %llu, want an ascending range up to 2^48",
                         name.c_str(), ull{s.min}, ull{s.max});
    }
    if (s.kind != SymbolKind::kOutputs && s.min == 0) {
      return InvalidFile("symbol %s may be 0", name.c_str());
    }
    if (s.kind == SymbolKind::kSlots && s.group >= package.groups.size()) {
      return InvalidFile("symbol %s: state group %u of %zu", name.c_str(), s.group,
                         package.groups.size());
    }
    for (size_t j = 0; j < i; ++j) {
      const Symbol& other = package.symbols[j];
      if (other.kind == s.kind && (s.kind != SymbolKind::kSlots || other.group == s.group)) {
        return InvalidFile("symbols %s and %s stand for the same number",
                           Quoted(other.name).c_str(), name.c_str());
      }
    }
  }
  return Status();
}

Status CheckExternalName(const Segment& segment) {
  const std::string& name = segment.external;
  bool valid =
      name.size() <= kMaxExternalName && name != "." && name.find("..") == std::string::npos;
  for (char c : name)
    valid = valid && c != '/' && c != '\\' && static_cast<uint8_t>(c) >= 0x20 && c != 0x7F;
  if (valid) return Status();
  return InvalidFile("segment %s: external file %s, want a bare file name",
                     Quoted(segment.name).c_str(), Quoted(name).c_str());
}

Status CheckSegments(const Package& package) {
  Names names("segment");
  std::vector<const Segment*> inside;
  for (const Segment& s : package.segments) {
    SAMARA_RETURN_IF_ERROR(names.Add(s.name));
    std::string name = Quoted(s.name);
    if (s.offset > (uint64_t{1} << 62) || s.bytes > (uint64_t{1} << 62)) {
      return InvalidFile("segment %s: offset %llu, %llu bytes", name.c_str(), ull{s.offset},
                         ull{s.bytes});
    }
    if (s.offset % kSegmentAlignment != 0) {
      return InvalidFile("segment %s begins at %llu, want a multiple of %llu", name.c_str(),
                         ull{s.offset}, ull{kSegmentAlignment});
    }
    uint64_t chunks = s.bytes / kHashChunkBytes + (s.bytes % kHashChunkBytes != 0);
    if (s.chunk_sha256.size() % 32 != 0 || s.chunk_sha256.size() / 32 != chunks) {
      return InvalidFile("segment %s: %zu bytes of chunk hashes, want %llu for %llu bytes",
                         name.c_str(), s.chunk_sha256.size(), ull{chunks * 32}, ull{s.bytes});
    }
    if (!s.external.empty()) {
      SAMARA_RETURN_IF_ERROR(CheckExternalName(s));
      continue;
    }
    if (s.offset == 0) return InvalidFile("segment %s lies on the file's header", name.c_str());
    inside.push_back(&s);
  }
  std::sort(inside.begin(), inside.end(),
            [](const Segment* a, const Segment* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < inside.size(); ++i) {
    const Segment &a = *inside[i - 1], &b = *inside[i];
    if (a.offset + a.bytes + kSegmentTailBytes > b.offset) {
      return InvalidFile("segments %s and %s overlap", Quoted(a.name).c_str(),
                         Quoted(b.name).c_str());
    }
  }
  return Status();
}

Status CheckPlacement(const Package& package, const Weight& weight, const WeightPlacement& p) {
  std::string name = Quoted(weight.name);
  if (p.segment >= package.segments.size()) {
    return InvalidFile("weight %s: segment %u of %zu", name.c_str(), p.segment,
                       package.segments.size());
  }
  const Segment& segment = package.segments[p.segment];
  if (p.offset > segment.bytes || p.bytes > segment.bytes - p.offset) {
    return InvalidFile("weight %s: offset %llu, %llu bytes, in segment %s of %llu bytes",
                       name.c_str(), ull{p.offset}, ull{p.bytes}, Quoted(segment.name).c_str(),
                       ull{segment.bytes});
  }
  if (p.offset % 64 != 0) {
    return InvalidFile("weight %s: offset %llu, want a multiple of 64", name.c_str(),
                       ull{p.offset});
  }
  // Other placements are for other readers.
  if (!IsKnownPlacement(weight, p)) return Status();
  uint64_t want = 0;
  if (!LayoutBytes(p.layout, weight.dtype, weight.rows, weight.cols, &want) || want != p.bytes) {
    return InvalidFile("weight %s: %llu bytes, want %llu for %llu x %llu %s in layout %s",
                       name.c_str(), ull{p.bytes}, ull{want}, ull{weight.rows}, ull{weight.cols},
                       DTypeName(weight.dtype), LayoutName(p.layout));
  }
  return Status();
}

Status CheckWeights(const Package& package) {
  Names names("weight");
  for (const Weight& w : package.weights) {
    SAMARA_RETURN_IF_ERROR(names.Add(w.name));
    std::string name = Quoted(w.name);
    if (w.rows == 0 || w.cols == 0 || w.rows > kMaxCount || w.cols > kMaxCount / w.rows) {
      return InvalidFile("weight %s: %llu x %llu elements, want 1 to 2^48", name.c_str(),
                         ull{w.rows}, ull{w.cols});
    }
    if (w.is_vector && w.rows != 1) {
      return InvalidFile("weight %s: a vector of %llu rows, want 1", name.c_str(), ull{w.rows});
    }
    if (w.placements.empty() || w.placements.size() > kMaxPlacements) {
      return InvalidFile("weight %s has %zu placements, want 1 to %zu", name.c_str(),
                         w.placements.size(), kMaxPlacements);
    }
    for (const WeightPlacement& p : w.placements) {
      SAMARA_RETURN_IF_ERROR(CheckPlacement(package, w, p));
    }
    const uint64_t extent = w.is_vector ? w.cols : w.rows;
    for (const WeightSource& s : w.sources) {
      if (s.first_row > extent || s.n_rows > extent - s.first_row || !std::isfinite(s.scale)) {
        return InvalidFile("weight %s: source %s fills rows %llu to %llu of %llu", name.c_str(),
                           Quoted(s.tensor).c_str(), ull{s.first_row}, ull{s.first_row + s.n_rows},
                           ull{extent});
      }
    }
  }
  return Status();
}

const Symbol* FindSymbol(const Package& package, SymbolKind kind, uint32_t* index) {
  for (size_t i = 0; i < package.symbols.size(); ++i) {
    if (package.symbols[i].kind != kind) continue;
    *index = static_cast<uint32_t>(i);
    return &package.symbols[i];
  }
  return nullptr;
}

Status CheckGroups(const Package& package) {
  Names names("state group");
  for (const StateGroup& g : package.groups) {
    SAMARA_RETURN_IF_ERROR(names.Add(g.name));
    std::string name = Quoted(g.name);
    bool whole = g.window == 0;
    if (whole ? g.rewind_limit != UINT64_MAX : g.window > kMaxCount || g.rewind_limit > kMaxCount) {
      return InvalidFile("state group %s: window %llu with rewind limit %llu", name.c_str(),
                         ull{g.window}, ull{g.rewind_limit});
    }
    uint32_t symbol = 0;
    SymbolKind kind = whole ? SymbolKind::kContext : SymbolKind::kChunk;
    if (FindSymbol(package, kind, &symbol) == nullptr) {
      return InvalidFile("state group %s: the package declares no symbol for the %s", name.c_str(),
                         whole ? "context" : "chunk");
    }
    Dim want = whole ? Dim::Sym(symbol)
                     : Dim::Sym(symbol, 1, static_cast<int64_t>(g.window + g.rewind_limit) - 1);
    if (!(g.slots == want)) {
      return InvalidFile("state group %s: %s slots, want %s", name.c_str(),
                         DimText(g.slots, package.symbols).c_str(),
                         DimText(want, package.symbols).c_str());
    }
  }
  return Status();
}

Status CheckStates(const Package& package) {
  Names names("state");
  for (const State& s : package.states) {
    SAMARA_RETURN_IF_ERROR(names.Add(s.name));
    std::string name = Quoted(s.name);
    if (s.group >= package.groups.size()) {
      return InvalidFile("state %s: group %u of %zu", name.c_str(), s.group, package.groups.size());
    }
    if (s.parts.size() != 2) {
      return InvalidFile("state %s has %zu parts, want keys and values", name.c_str(),
                         s.parts.size());
    }
    for (const StatePart& part : s.parts) {
      if (part.heads == 0 || part.heads > kMaxHeads || part.dim == 0 || part.dim > kMaxHeads) {
        return InvalidFile("state %s: %u heads of %u, want 1 to %u of each", name.c_str(),
                           part.heads, part.dim, kMaxHeads);
      }
    }
  }
  return Status();
}

Status CheckId(const Package& package, const char* what, int32_t id) {
  if (id >= 0 && static_cast<uint32_t>(id) < package.vocab) return Status();
  return InvalidFile("%s: id %d, want 0 to %u", what, id, package.vocab - 1);
}

Status CheckText(const Package& package) {
  if (package.vocab == 0 || package.vocab > INT32_MAX)
    return InvalidFile("vocab is %u", package.vocab);
  if (package.trained_context == 0 || package.trained_context > kMaxCount) {
    return InvalidFile("trained context is %llu", ull{package.trained_context});
  }
  if (package.tokenizer_segment < -1 ||
      package.tokenizer_segment >= static_cast<int64_t>(package.segments.size())) {
    return InvalidFile("tokenizer: segment %d of %zu", package.tokenizer_segment,
                       package.segments.size());
  }
  if (package.tokenizer_vocab > package.vocab) {
    return InvalidFile("tokenizer: %u ids, but the logits have %u", package.tokenizer_vocab,
                       package.vocab);
  }
  Names names("chat template");
  for (const ChatTemplate& t : package.templates) SAMARA_RETURN_IF_ERROR(names.Add(t.name));
  if (package.template_variables.size() > kMaxTemplateVariables) {
    return InvalidFile("got %zu template variables, want at most %u",
                       package.template_variables.size(), kMaxTemplateVariables);
  }
  Names variables("template variable");
  for (const auto& [name, value] : package.template_variables) {
    SAMARA_RETURN_IF_ERROR(variables.Add(name));
  }
  const SamplingDefaults& s = package.sampling;
  auto within = [](float x, float least, float most) { return x >= least && x <= most; };
  const char* bad = !within(s.temperature, 0, 1e6f)              ? "temperature"
                    : !within(s.top_p, 0, 1)                     ? "top_p"
                    : !within(s.min_p, 0, 1)                     ? "min_p"
                    : !within(s.repetition_penalty, 1e-6f, 1e6f) ? "repetition_penalty"
                                                                 : nullptr;
  if (bad != nullptr) return InvalidFile("sampling defaults: %s is out of range", bad);
  for (int32_t id : s.eos_ids) SAMARA_RETURN_IF_ERROR(CheckId(package, "end-of-sequence ids", id));
  return Status();
}

// Elements of an operator's output in a golden run, at most: `tokens` tokens, one sequence.
bool GoldenElements(const Package& package, const Shape& shape, uint64_t tokens,
                    uint64_t* elements) {
  SymbolValues symbols;
  for (const Symbol& s : package.symbols) {
    bool per_token = s.kind == SymbolKind::kTokens || s.kind == SymbolKind::kOutputs;
    symbols.push_back(per_token ? tokens : s.kind == SymbolKind::kSeqs ? 1 : s.max);
  }
  StatusOr<uint64_t> count = EvalElements(shape, symbols);
  if (count.ok()) *elements = *count;
  return count.ok();
}

Status CheckOpGolden(const Package& package, const Graph& entry, const Golden& golden,
                     const OpGolden& g) {
  if (g.op >= entry.ops.size() || g.output >= entry.ops[g.op].outputs.size()) {
    return InvalidFile("golden of %s: output %u of operator %u of %zu", Quoted(entry.name).c_str(),
                       g.output, g.op, entry.ops.size());
  }
  std::string name = Quoted(entry.ops[g.op].name);
  bool finite = std::isfinite(g.l2) && g.l2 >= 0;
  for (float value : g.values) finite = finite && std::isfinite(value);
  if (g.indices.size() != g.values.size() || !finite) {
    return InvalidFile(
        "golden of operator %s: %zu indices and %zu values, want as many finite values",
        name.c_str(), g.indices.size(), g.values.size());
  }
  const Shape& shape = entry.values[entry.ops[g.op].outputs[g.output]].shape;
  uint64_t elements = 0;
  bool counted = GoldenElements(package, shape, golden.ids.size(), &elements);
  for (uint64_t index : g.indices) {
    if (!counted || index >= elements) {
      return InvalidFile("golden of operator %s: element %llu of %llu", name.c_str(), ull{index},
                         ull{elements});
    }
  }
  return Status();
}

}  // namespace

Status CheckTables(const Package& package) {
  SAMARA_RETURN_IF_ERROR(CheckSymbols(package));
  SAMARA_RETURN_IF_ERROR(CheckSegments(package));
  SAMARA_RETURN_IF_ERROR(CheckWeights(package));
  SAMARA_RETURN_IF_ERROR(CheckGroups(package));
  SAMARA_RETURN_IF_ERROR(CheckStates(package));
  return CheckText(package);
}

// Rendered texts: which template, and a hash that is one. Templates are checked by those who run them.
Status CheckConversation(const Package& package, const ConversationGolden& golden) {
  for (const RenderedGolden& r : golden.results) {
    const std::string what = "rendered golden " + Quoted(golden.name);
    if (r.index >= package.templates.size()) {
      return InvalidFile("%s: template %u of %zu", what.c_str(), r.index, package.templates.size());
    }
    if (r.sha256.size() != 32) {
      return InvalidFile("%s: a hash of %zu bytes, want 32", what.c_str(), r.sha256.size());
    }
    if (!r.text.empty() && r.text.size() != r.bytes) {
      return InvalidFile("%s: a text of %zu bytes, want %llu", what.c_str(), r.text.size(),
                         ull{r.bytes});
    }
  }
  return Status();
}

Status CheckGoldens(const Package& package) {
  Names conversations("conversation");
  for (const ConversationGolden& golden : package.conversations) {
    SAMARA_RETURN_IF_ERROR(conversations.Add(golden.name));
    SAMARA_RETURN_IF_ERROR(CheckConversation(package, golden));
  }
  uint32_t symbol = 0;
  const Symbol* tokens = FindSymbol(package, SymbolKind::kTokens, &symbol);
  std::unordered_map<std::string_view, const Graph*> entries;
  for (const Graph& graph : package.entries) entries.emplace(graph.name, &graph);
  for (const Golden& golden : package.goldens) {
    std::string what = "golden of " + Quoted(golden.entry);
    auto found = entries.find(golden.entry);
    if (found == entries.end()) return InvalidFile("%s: no such entry point", what.c_str());
    if (golden.ids.empty() || tokens == nullptr || golden.ids.size() > tokens->max) {
      return InvalidFile("%s: %zu ids", what.c_str(), golden.ids.size());
    }
    for (int32_t id : golden.ids) SAMARA_RETURN_IF_ERROR(CheckId(package, what.c_str(), id));
    for (int32_t id : golden.top_ids) SAMARA_RETURN_IF_ERROR(CheckId(package, what.c_str(), id));
    if (golden.logits_sha256.size() != 32) {
      return InvalidFile("%s: a hash of %zu bytes, want 32", what.c_str(),
                         golden.logits_sha256.size());
    }
    bool finite = true;
    for (float logit : golden.top_logits) finite = finite && std::isfinite(logit);
    if (golden.top_ids.size() != golden.top_logits.size() || !finite) {
      return InvalidFile("%s: %zu best ids and %zu logits, want as many finite logits",
                         what.c_str(), golden.top_ids.size(), golden.top_logits.size());
    }
    for (const OpGolden& op : golden.ops) {
      SAMARA_RETURN_IF_ERROR(CheckOpGolden(package, *found->second, golden, op));
    }
  }
  return Status();
}

Status CheckPackage(const Package& package) {
  SAMARA_RETURN_IF_ERROR(CheckKnown(package));
  SAMARA_RETURN_IF_ERROR(CheckTables(package));
  SAMARA_RETURN_IF_ERROR(CheckGraphs(package));
  return CheckGoldens(package);
}

Status CheckFileLayout(const Package& package, const FileHeader& header) {
  uint64_t metadata_end = header.metadata_offset + header.metadata_bytes + kSegmentTailBytes;
  for (const Segment& s : package.segments) {
    if (!s.external.empty()) continue;
    uint64_t end = s.offset + s.bytes + kSegmentTailBytes;
    if (end > header.file_bytes) {
      return InvalidFile(
          "segment %s: offset %llu, %llu bytes, reaches beyond the file's %llu bytes",
          Quoted(s.name).c_str(), ull{s.offset}, ull{s.bytes}, ull{header.file_bytes});
    }
    if (s.offset < metadata_end && header.metadata_offset < end) {
      return InvalidFile("segment %s: offset %llu, %llu bytes, lies on the metadata",
                         Quoted(s.name).c_str(), ull{s.offset}, ull{s.bytes});
    }
  }
  return Status();
}

}  // namespace samara
