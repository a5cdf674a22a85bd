#include "converter/pipeline.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "converter/quantize/quantize.h"
#include "formats/quant/blocks.h"

namespace samara {
namespace {

using Ull = unsigned long long;

// Source bytes of a band, about: enough to hide the cost of a hand-over, small enough for the
// cache.
constexpr uint64_t kBandBytes = uint64_t{1} << 20;
constexpr unsigned kMaxThreads = 64;

struct Band {
  size_t weight = 0;
  uint64_t first_row = 0;
  uint64_t n_rows = 0;
};

struct Slot {
  std::vector<uint8_t> source, packed;
  uint64_t source_bytes = 0;
  uint64_t flushed = 0;
  Status status;
  bool done = false;
};

class Streamer {
 public:
  Streamer(const Model& model, const Checkpoint& checkpoint, const StreamOptions& options)
      : model_(model), checkpoint_(checkpoint), options_(options), isa_(BestQuantizeIsa()) {}

  Status Run(PackageWriter* writer, StreamResult* result);

 private:
  void MakeBands();
  void Work();
  Status Process(const Band& band, Slot* slot) const;
  Status ProcessVector(const Weight& weight, const WeightPlan& plan, Slot* slot) const;
  Status ReadRows(const Weight& weight, const WeightPlan& plan, const Band& band, Slot* slot) const;
  Status ReadColumns(const TensorInfo& tensor, uint64_t first, uint64_t count, uint64_t length,
                     uint8_t* out) const;
  Status Problem(const WeightPlan& plan, const Weight& weight, const QuantizeResult& what,
                 uint64_t row) const;
  Status Append(PackageWriter* writer, StreamResult* result);

  const Model& model_;
  const Checkpoint& checkpoint_;
  const StreamOptions& options_;
  const QuantizeIsa isa_;
  std::vector<Band> bands_;
  uint64_t total_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  size_t next_ = 0;      // first band that no worker took
  size_t appended_ = 0;  // bands that the writer is done with
  bool stop_ = false;
};

void Streamer::MakeBands() {
  for (size_t i = 0; i < model_.plans.size(); ++i) {
    const Weight& weight = model_.package.weights[i];
    const WeightPlan& plan = model_.plans[i];
    for (const WeightPlan::Piece& piece : plan.pieces) {
      total_ += piece.n_rows * (weight.is_vector ? 1 : weight.cols) *
                FindDType(piece.tensor->dtype)->block_bytes;
    }
    if (weight.is_vector) {
      bands_.push_back({i, 0, 1});
      continue;
    }
    const uint64_t row_bytes = RowBytes(plan.pieces[0].tensor->dtype, weight.cols);
    // Whole tiles of every layout.
    const uint64_t rows = std::max<uint64_t>(kBandBytes / row_bytes / 32 * 32, 32);
    for (uint64_t row = 0; row < weight.rows; row += rows) {
      bands_.push_back({i, row, std::min(rows, weight.rows - row)});
    }
  }
}

// The rows of a band, one after the other, from all pieces that it touches.
Status Streamer::ReadRows(const Weight& weight, const WeightPlan& plan, const Band& band,
                          Slot* slot) const {
  const uint64_t row_bytes = RowBytes(plan.pieces[0].tensor->dtype, weight.cols);
  slot->source.resize(static_cast<size_t>(band.n_rows * row_bytes));
  uint64_t start = 0, filled = 0;
  for (const WeightPlan::Piece& piece : plan.pieces) {
    const uint64_t begin = std::max(band.first_row, start);
    const uint64_t end = std::min(band.first_row + band.n_rows, start + piece.n_rows);
    if (begin < end) {
      const uint64_t row = piece.source_row + (begin - start), bytes = (end - begin) * row_bytes;
      uint8_t* out = slot->source.data() + (begin - band.first_row) * row_bytes;
      SAMARA_RETURN_IF_ERROR(piece.transposed
                                 ? ReadColumns(*piece.tensor, row, end - begin, weight.cols, out)
                                 : checkpoint_.Read(*piece.tensor, row * row_bytes, out, bytes));
      filled += end - begin;
    }
    start += piece.n_rows;
  }
  if (filled != band.n_rows)
    return Internal("weight %s: its pieces leave rows open", weight.name.c_str());
  slot->source_bytes = slot->source.size();
  return Status();
}

// Columns [first, first + count) of a tensor of `length` rows, each as a row of `out`.
Status Streamer::ReadColumns(const TensorInfo& tensor, uint64_t first, uint64_t count,
                             uint64_t length, uint8_t* out) const {
  const uint64_t size = FindDType(tensor.dtype)->block_bytes, stride = tensor.shape[1];
  std::vector<uint8_t> part(static_cast<size_t>(count * size));
  for (uint64_t k = 0; k < length; ++k) {
    SAMARA_RETURN_IF_ERROR(
        checkpoint_.Read(tensor, (k * stride + first) * size, part.data(), part.size()));
    for (uint64_t r = 0; r < count; ++r)
      memcpy(out + (r * length + k) * size, part.data() + r * size, size);
  }
  return Status();
}

Status Streamer::Problem(const WeightPlan& plan, const Weight& weight, const QuantizeResult& what,
                         uint64_t row) const {
  for (const WeightPlan::Piece& piece : plan.pieces) {
    if (row >= piece.n_rows) {
      row -= piece.n_rows;
      continue;
    }
    const std::string name = Quoted(piece.tensor->name, 200);
    row += piece.source_row;
    uint64_t column = what.col;
    if (piece.transposed) std::swap(row, column);
    if (what.problem == QuantizeProblem::kNotFinite) {
      return InvalidFile("tensor %s: got a NaN or infinity at [%llu, %llu], wanted finite numbers",
                         name.c_str(), static_cast<Ull>(row), static_cast<Ull>(column));
    }
    if (what.problem == QuantizeProblem::kOutOfRange) {
      return Unsupported(
          "tensor %s: got a number at [%llu, %llu] that is too large for %s; use --quant bf16 or "
          "f32",
          name.c_str(), static_cast<Ull>(row), static_cast<Ull>(column), DTypeName(weight.dtype));
    }
    return Unsupported("tensor %s: no conversion from %s to %s", name.c_str(),
                       DTypeName(piece.tensor->dtype), DTypeName(weight.dtype));
  }
  return Internal("weight %s: row past its pieces", weight.name.c_str());
}

// Norms, biases and constants: widened to F32, one piece after the other.
Status Streamer::ProcessVector(const Weight& weight, const WeightPlan& plan, Slot* slot) const {
  std::vector<float> values = plan.values;
  for (const WeightPlan::Piece& piece : plan.pieces) {
    const DType from = piece.tensor->dtype;
    slot->source.resize(static_cast<size_t>(RowBytes(from, piece.n_rows)));
    SAMARA_RETURN_IF_ERROR(checkpoint_.Read(*piece.tensor, RowBytes(from, piece.source_row),
                                            slot->source.data(), slot->source.size()));
    slot->source_bytes += slot->source.size();
    const size_t begin = values.size();
    values.resize(begin + static_cast<size_t>(piece.n_rows));
    DequantizeRow(from, slot->source.data(), piece.n_rows, values.data() + begin);
    for (size_t i = begin; i < values.size(); ++i) {
      if (piece.add_one) values[i] = 1.0f + values[i];
      if (std::isfinite(values[i])) continue;
      return InvalidFile("tensor %s: got a NaN or infinity at [%llu], wanted finite numbers",
                         Quoted(piece.tensor->name, 200).c_str(),
                         static_cast<Ull>(i - begin + piece.source_row));
    }
  }
  if (values.size() != weight.cols)
    return Internal("weight %s: its pieces leave elements open", weight.name.c_str());
  slot->packed.resize(values.size() * sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits = 0;
    memcpy(&bits, &values[i], sizeof bits);
    for (size_t b = 0; b < 4; ++b) slot->packed[4 * i + b] = static_cast<uint8_t>(bits >> 8 * b);
  }
  return Status();
}

Status Streamer::Process(const Band& band, Slot* slot) const {
  const Weight& weight = model_.package.weights[band.weight];
  const WeightPlan& plan = model_.plans[band.weight];
  slot->source_bytes = 0;
  slot->flushed = 0;
  if (weight.is_vector) return ProcessVector(weight, plan, slot);
  SAMARA_RETURN_IF_ERROR(ReadRows(weight, plan, band, slot));
  const Layout layout = weight.placements[0].layout;
  uint64_t bytes = 0;
  if (!LayoutBytes(layout, weight.dtype, band.n_rows, weight.cols, &bytes)) {
    return Internal("weight %s: no size of %s %s", weight.name.c_str(), LayoutName(layout),
                    DTypeName(weight.dtype));
  }
  slot->packed.resize(static_cast<size_t>(bytes));
  QuantizeResult result;
  const DType from = plan.pieces[0].tensor->dtype;
  if (!QuantizeAndPack(
          isa_, layout, weight.dtype, from, slot->source.data(), RowBytes(from, weight.cols),
          band.n_rows, weight.cols, slot->packed.data(), &result,
          options_.importance == nullptr ? nullptr
                                         : options_.importance->Of(model_, band.weight))) {
    return Problem(plan, weight, result, band.first_row + result.row);
  }
  slot->flushed = result.flushed;
  return Status();
}

void Streamer::Work() {
  while (true) {
    size_t number = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return stop_ || next_ == bands_.size() || next_ < appended_ + slots_.size();
      });
      if (stop_ || next_ == bands_.size()) return;
      number = next_++;
    }
    Slot& slot = slots_[number % slots_.size()];
    Status status;
    try {
      status = Process(bands_[number], &slot);
    } catch (const std::bad_alloc&) {
      status = OutOfMemory("conversion: no memory for a band of rows");
    }
    {
      const std::lock_guard lock(mutex_);
      slot.status = std::move(status);
      slot.done = true;
    }
    changed_.notify_all();
  }
}

Status Streamer::Append(PackageWriter* writer, StreamResult* result) {
  for (size_t number = 0; number < bands_.size(); ++number) {
    Slot& slot = slots_[number % slots_.size()];
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&slot] { return slot.done; });
    }
    SAMARA_RETURN_IF_ERROR(slot.status);
    const Band& band = bands_[number];
    const WeightPlacement& placement = model_.package.weights[band.weight].placements[0];
    if (band.first_row == 0) SAMARA_RETURN_IF_ERROR(writer->Align(64));
    if (band.first_row == 0 && writer->segment_bytes() != placement.offset) {
      return Internal("weight %s: lies at %llu, was planned at %llu",
                      model_.package.weights[band.weight].name.c_str(),
                      static_cast<Ull>(writer->segment_bytes()),
                      static_cast<Ull>(placement.offset));
    }
    SAMARA_RETURN_IF_ERROR(writer->Append(slot.packed.data(), slot.packed.size()));
    result->source_bytes += slot.source_bytes;
    result->flushed += slot.flushed;
    {
      const std::lock_guard lock(mutex_);
      slot.done = false;
      appended_ = number + 1;
    }
    changed_.notify_all();
    if (options_.progress) options_.progress(result->source_bytes, total_);
  }
  return Status();
}

Status Streamer::Run(PackageWriter* writer, StreamResult* result) {
  MakeBands();
  const unsigned threads = std::clamp(options_.threads, 1u, kMaxThreads);
  slots_.resize(2 * threads + 2);
  // Joined on every way out, a failed allocation included.
  struct Workers {
    Streamer* owner;
    std::vector<std::thread> threads;
    ~Workers() {
      {
        const std::lock_guard lock(owner->mutex_);
        owner->stop_ = true;
      }
      owner->changed_.notify_all();
      for (std::thread& thread : threads) thread.join();
    }
  } workers{this, {}};
  workers.threads.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    try {
      workers.threads.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {
      if (i == 0) return ResourceExhausted("conversion: the system gives no thread");
      break;  // fewer do the work too
    }
  }
  return Append(writer, result);
}

}  // namespace

Status StreamWeights(const Model& model, const Checkpoint& checkpoint, const StreamOptions& options,
                     PackageWriter* writer, StreamResult* result) {
  *result = StreamResult();
  return Streamer(model, checkpoint, options).Run(writer, result);
}

unsigned DefaultThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::clamp(static_cast<unsigned>(std::max(count, 1)), 1u, kMaxThreads);
}

}  // namespace samara
