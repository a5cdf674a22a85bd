// Which operators run as one kernel.
#include <algorithm>

#include "backends/cuda/plan.h"

namespace samara::cuda {

// What is read while a fused kernel writes must not lie where it writes. Rows of the residual may be those of the
// output: each element is read by the thread that writes it.
bool Planner::FitsMemory(const Product& product) const {
  if (spec_.values.empty() || spec_.arena_device == 0) return true;  // Measure
  std::vector<ValueId> reads = {product.x}, writes;
  if (product.out != kNoValue) writes.push_back(product.out);
  for (const HeadsChain& chain : product.chains) {
    if (chain.in != kNoValue) reads.push_back(chain.in);
    if (chain.table != kNoValue) reads.push_back(chain.table);
    if (chain.out != kNoValue) writes.push_back(chain.out);
  }
  for (ValueId read : reads) {
    for (ValueId write : writes) {
      if (read != kNoValue && Overlap(read, write)) return false;
    }
  }
  for (size_t i = 0; i < writes.size(); ++i) {
    for (size_t k = i + 1; k < writes.size(); ++k) {
      if (Overlap(writes[i], writes[k])) return false;
    }
  }
  if (product.residual != kNoValue && product.out != kNoValue &&
      Overlap(product.residual, product.out)) {
    return RangeOf(product.residual).begin == RangeOf(product.out).begin &&
           RowBytes(product.residual) == RowBytes(product.out);
  }
  return true;
}

// All columns of operator `linear`'s output as slices, each rotated or not, that become a value or are written to a
// state. `members`: the operators covered, `tables`: those that make tables in between and run first.
bool Planner::FindHeads(uint32_t linear, Product* product, std::vector<uint32_t>* members,
                        std::vector<uint32_t>* tables) const {
  const ValueId y = OpAt(linear).outputs[0];
  const Value& value = ValueOf(y);
  if (is_output_[static_cast<size_t>(y)] != 0 || value.shape.rank != 2) return false;
  for (uint32_t reader : readers_[static_cast<size_t>(y)]) {
    if (reader < spec_.first_op || reader >= spec_.first_op + spec_.n_ops) return false;
    const uint32_t view = reader - spec_.first_op;
    const Op& slice = OpAt(view);
    if (slice.code != OpCode::kSlice || !IsView(view)) return false;
    HeadsChain chain;
    chain.begin = static_cast<uint64_t>(slice.Int(AttrKey::kBegin));
    const auto cols = static_cast<uint64_t>(slice.Int(AttrKey::kLength));
    ValueId at = slice.outputs[0];
    members->push_back(view);
    int64_t next = OnlyReader(at);
    if (next < 0) return false;
    if (OpAt(static_cast<uint32_t>(next)).code == OpCode::kRope) {
      const Op& rope = OpAt(static_cast<uint32_t>(next));
      if (rope.inputs[0] != at || IsView(static_cast<uint32_t>(next))) return false;
      chain.table = rope.inputs[1];
      chain.interleaved = rope.Int(AttrKey::kInterleaved);
      chain.dim = static_cast<uint32_t>(rope.Int(AttrKey::kHeadDim));
      at = rope.outputs[0];
      members->push_back(static_cast<uint32_t>(next));
      next = OnlyReader(at);
    }
    const bool written = next >= 0 && OpAt(static_cast<uint32_t>(next)).code == OpCode::kStateWrite;
    if (written) {
      const Op& write = OpAt(static_cast<uint32_t>(next));
      chain.state = write.inputs[1];
      chain.part = static_cast<uint32_t>(write.Int(AttrKey::kPart));
      const auto state = StateOf(chain.state, chain.part);
      if (!state.ok() || state->type >= kQ8_0) return false;  // runs of 32 need a whole head
      if (chain.dim != 0 && chain.dim != state->dim) return false;
      chain.dim = state->dim;
      members->push_back(static_cast<uint32_t>(next));
    } else {
      if (chain.table == kNoValue) return false;  // a plain slice needs no epilogue
      chain.out = at;
    }
    if (chain.dim % 2 != 0 || cols % chain.dim != 0) return false;
    chain.heads = static_cast<uint32_t>(cols / chain.dim);
    product->chains.push_back(chain);
  }
  auto& chains = product->chains;
  if (chains.empty() || chains.size() > kMaxSegments) return false;
  std::sort(chains.begin(), chains.end(),
            [](const HeadsChain& a, const HeadsChain& b) { return a.begin < b.begin; });
  uint64_t covered = 0;
  ValueId table = kNoValue;
  int64_t interleaved = 0;
  for (const HeadsChain& chain : chains) {
    if (chain.begin != covered) return false;
    covered += uint64_t{chain.heads} * chain.dim;
    if (chain.table == kNoValue) continue;
    if (table != kNoValue && (table != chain.table || interleaved != chain.interleaved))
      return false;
    table = chain.table;
    interleaved = chain.interleaved;
  }
  if (covered != static_cast<uint64_t>(value.shape.dims[1].constant)) return false;
  // Nothing but these operators, and tables of rotations, up to the last of them.
  const uint32_t last = *std::max_element(members->begin(), members->end());
  for (uint32_t i = linear + 1; i <= last; ++i) {
    if (std::find(members->begin(), members->end(), i) != members->end() || done_[i] != 0) continue;
    if (OpAt(i).code != OpCode::kRopeTable) return false;
    tables->push_back(i);
  }
  return true;
}

StatusOr<bool> Planner::FuseProduct(uint32_t i) {
  Product product;
  std::vector<uint32_t> members;
  uint32_t linear = i;
  const Op* op = &OpAt(i);
  if (op->code == OpCode::kRmsNorm) {
    const Value& value = ValueOf(op->outputs[0]);
    const int64_t group = op->Int(AttrKey::kGroup);
    const int64_t reader = OnlyReader(op->outputs[0]);
    if (reader != static_cast<int64_t>(i) + 1 ||
        (group != 0 && group != value.shape.dims[1].constant)) {
      return false;
    }
    product.norm = true;
    product.x = op->inputs[0];
    product.norm_weight = op->inputs.size() > 1 ? op->inputs[1] : kNoValue;
    product.eps = op->Float(AttrKey::kEps);
    members.push_back(i);
    linear = i + 1;
    op = &OpAt(linear);
    if (op->inputs[0] != OpAt(i).outputs[0]) return false;
  }
  if ((op->code != OpCode::kLinear && op->code != OpCode::kMatmul) || IsView(linear)) return false;
  SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(op->inputs[0], 0));
  if (rows > kFewRows) return false;
  members.push_back(linear);
  product.op = linear;
  if (!product.norm) product.x = op->inputs[0];
  product.weight = op->inputs[1];
  product.bias = op->inputs.size() > 2 ? op->inputs[2] : kNoValue;
  product.residual = op->inputs.size() > 3 ? op->inputs[3] : kNoValue;
  product.out = op->outputs[0];
  const Weight& weight = spec_.package->weights[static_cast<size_t>(ValueOf(product.weight).index)];
  if (product.norm &&
      MatVecShared(static_cast<uint32_t>(weight.dtype), weight.cols, 1) > kMostShared) {
    return false;
  }

  Product whole = product;
  std::vector<uint32_t> whole_members = members, tables;
  const int64_t reader = OnlyReader(product.out);
  bool extended = false;
  if (product.residual == kNoValue && reader == static_cast<int64_t>(linear) + 1 &&
      OpAt(linear + 1).code == OpCode::kGlu) {
    whole.epilogue = kGlu;
    whole.activation = OpAt(linear + 1).Int(AttrKey::kActivation);
    whole.out = OpAt(linear + 1).outputs[0];
    whole_members.push_back(linear + 1);
    extended = true;
  } else if (product.residual == kNoValue && FindHeads(linear, &whole, &whole_members, &tables)) {
    whole.epilogue = kHeads;
    whole.out = kNoValue;
    extended = true;
    // Tables are made before what they are made for; they must not lie where the product still reads.
    for (uint32_t table : tables) {
      extended = extended && !Overlap(OpAt(table).outputs[0], whole.x);
    }
  }
  if (extended && FitsMemory(whole)) {
    for (uint32_t table : tables) {
      SAMARA_RETURN_IF_ERROR(EmitOp(table));
      done_[table] = 1;
    }
    SAMARA_RETURN_IF_ERROR(EmitProduct(whole));
    for (uint32_t member : whole_members) done_[member] = 1;
    return true;
  }
  if (product.norm && FitsMemory(product)) {
    SAMARA_RETURN_IF_ERROR(EmitProduct(product));
    for (uint32_t member : members) done_[member] = 1;
    return true;
  }
  return false;
}

// Norms of heads, rotations and writes that follow one another, as one kernel.
StatusOr<bool> Planner::FuseHeads(uint32_t i) {
  Product product;
  std::vector<uint32_t> members;
  auto starts = [&](const Op& op) {
    return op.code == OpCode::kRmsNorm || op.code == OpCode::kRope ||
           op.code == OpCode::kStateWrite;
  };
  constexpr int64_t kMostDim = 1024;
  for (uint32_t first = i; first < spec_.n_ops && product.chains.size() < kMaxSegments; ++first) {
    if (IsView(first) || done_[first] != 0 ||
        std::find(members.begin(), members.end(), first) != members.end()) {
      continue;
    }
    if (!starts(OpAt(first))) break;
    HeadsChain chain;
    std::vector<uint32_t> links;
    chain.in = OpAt(first).inputs[0];
    // What an earlier chain makes cannot be read by a later one of the same kernel.
    bool made_here = false;
    for (const HeadsChain& other : product.chains) made_here = made_here || other.out == chain.in;
    int64_t at = first;
    const Op* op = &OpAt(first);
    int64_t dim = 0;
    ValueId result = chain.in;
    if (op->code == OpCode::kRmsNorm) {
      dim = op->Int(AttrKey::kGroup);
      if (dim == 0 || dim > kMostDim) break;
      chain.normalize = true;
      chain.norm = op->inputs.size() > 1 ? op->inputs[1] : kNoValue;
      chain.eps = op->Float(AttrKey::kEps);
      result = op->outputs[0];
      links.push_back(static_cast<uint32_t>(at));
      at = KeptQuantized(result) ? -1 : OnlyReader(result);
      op = at < 0 ? nullptr : &OpAt(static_cast<uint32_t>(at));
      if (op != nullptr && op->inputs[0] != result) op = nullptr;
    }
    if (op != nullptr && op->code == OpCode::kRope &&
        (dim == 0 || op->Int(AttrKey::kHeadDim) == dim) && op->Int(AttrKey::kHeadDim) <= kMostDim) {
      dim = op->Int(AttrKey::kHeadDim);
      chain.table = op->inputs[1];
      chain.interleaved = op->Int(AttrKey::kInterleaved);
      result = op->outputs[0];
      links.push_back(static_cast<uint32_t>(at));
      at = OnlyReader(result);
      op = at < 0 ? nullptr : &OpAt(static_cast<uint32_t>(at));
      if (op != nullptr && op->inputs[0] != result) op = nullptr;
    }
    chain.out = result;
    if (op != nullptr && op->code == OpCode::kStateWrite) {
      const auto part = static_cast<uint32_t>(op->Int(AttrKey::kPart));
      const auto state = StateOf(op->inputs[1], part);
      if (state.ok() && (dim == 0 || dim == state->dim) && state->dim <= kMostDim) {
        dim = state->dim;
        chain.state = op->inputs[1];
        chain.part = part;
        chain.out = kNoValue;
        links.push_back(static_cast<uint32_t>(at));
      }
    }
    if (links.empty() || made_here) break;
    // One rotation a kernel; the links follow one another with nothing but this kernel's operators in between.
    bool fits = true;
    for (const HeadsChain& other : product.chains) {
      if (other.table != kNoValue && chain.table != kNoValue &&
          (other.table != chain.table || other.interleaved != chain.interleaved)) {
        fits = false;
      }
      const Value &a = ValueOf(other.in), &b = ValueOf(chain.in);
      fits = fits && a.shape.dims[0] == b.shape.dims[0];
    }
    chain.dim = static_cast<uint32_t>(dim);
    const Value& in = ValueOf(chain.in);
    fits = fits && in.shape.rank == 2 && in.shape.dims[1].IsConstant() &&
           in.shape.dims[1].constant % dim == 0 && !KeptQuantized(chain.in);
    if (!fits) break;
    chain.heads = static_cast<uint32_t>(in.shape.dims[1].constant / dim);
    product.chains.push_back(chain);
    members.insert(members.end(), links.begin(), links.end());
  }
  if (members.size() < 2) return false;
  // Later operators run early only if everything between them is covered as well.
  const uint32_t last = *std::max_element(members.begin(), members.end());
  for (uint32_t k = i; k <= last; ++k) {
    const bool covered = std::find(members.begin(), members.end(), k) != members.end();
    if (!IsView(k) && done_[k] == 0 && !covered) return false;
  }
  product.op = i;
  // A chain's own input may be its output's memory: a warp reads a head before it writes it.
  if (!spec_.values.empty() && spec_.arena_device != 0) {
    for (size_t a = 0; a < product.chains.size(); ++a) {
      const HeadsChain& writer = product.chains[a];
      if (writer.out == kNoValue) continue;
      for (size_t b = 0; b < product.chains.size(); ++b) {
        const HeadsChain& reader = product.chains[b];
        if (reader.table != kNoValue && Overlap(writer.out, reader.table)) return false;
        if (!Overlap(writer.out, reader.in)) continue;
        const bool same = a == b && RangeOf(writer.out).begin == RangeOf(reader.in).begin &&
                          RowBytes(writer.out) == RowBytes(reader.in);
        if (!same) return false;
      }
      for (size_t b = a + 1; b < product.chains.size(); ++b) {
        if (product.chains[b].out != kNoValue && Overlap(writer.out, product.chains[b].out)) {
          return false;
        }
      }
    }
  }
  SAMARA_RETURN_IF_ERROR(EmitHeads(product));
  for (uint32_t member : members) done_[member] = 1;
  return true;
}

}  // namespace samara::cuda
