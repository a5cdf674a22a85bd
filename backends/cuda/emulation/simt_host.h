// simt.h under emulation: the threads of a block are fibers of one host thread. A fiber runs until it needs others (a
// barrier, a warp operation) or ends; blocks run one after the other.
#ifndef SAMARA_BACKENDS_CUDA_EMULATION_SIMT_HOST_H_
#define SAMARA_BACKENDS_CUDA_EMULATION_SIMT_HOST_H_

#include <cmath>
#include <cstring>

#include "backends/cuda/emulation/mma.h"
#include "formats/quant/blocks.h"

namespace samara::cuda {

namespace emulation {

inline constexpr uint32_t kLaneBytes = 48;  // what a lane gives to, or gets from, a warp operation
using LaneData = uint8_t[kLaneBytes];
using Collective = void (*)(const LaneData* in, LaneData* out);

struct Place {
  uint32_t thread, threads, block_x, block_y, grid_x, grid_y;
  uint8_t* shared;
};
// Found by an offset instead of a call, though the library is opened at run time: it is a few words.
#define SAMARA_STATIC_TLS __attribute__((tls_model("initial-exec")))
// The thread that runs at the moment.
extern thread_local Place place SAMARA_STATIC_TLS;

// All lanes of the warp put something into their slots and meet with the same collective; it runs once, on what all of
// them gave, and each gets what it made for the lane.
uint8_t* LaneSlot();
const uint8_t* Meet(Collective collective);
template <typename In, typename Out>
void Exchange(Collective collective, const In& in, Out* out) {
  static_assert(sizeof(In) <= kLaneBytes && sizeof(Out) <= kLaneBytes);
  std::memcpy(LaneSlot(), &in, sizeof in);
  std::memcpy(out, Meet(collective), sizeof *out);
}
void BlockBarrier();
// What the device would stop at; the grid ends with this error.
void ReportFault(const char* error);
inline const void* Aligned(const void* p, uintptr_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) ReportFault("a misaligned address");
  return p;
}

// Runs a grid; nullptr, or what went wrong (a barrier that some threads never reach, ...).
using KernelFunction = void (*)(const void* args);
const char* RunGrid(KernelFunction kernel, const void* args, uint32_t grid_x, uint32_t grid_y,
                    uint32_t threads, uint32_t shared_bytes);

// Sums and maxima over groups of `kLanes` neighbouring lanes.
template <typename T, int kLanes>
void SumLanes(const LaneData* in, LaneData* out) {
  T v[32], w[32];
  for (int i = 0; i < 32; ++i) std::memcpy(&v[i], in[i], sizeof(T));
  // The butterfly of the device, so that the bits are the same.
  for (int mask = kLanes / 2; mask > 0; mask /= 2) {
    for (int i = 0; i < 32; ++i) w[i] = v[i] + v[i ^ mask];
    std::memcpy(v, w, sizeof v);
  }
  for (int i = 0; i < 32; ++i) std::memcpy(out[i], &v[i], sizeof(T));
}
template <typename T, int kLanes>
void MaxLanes(const LaneData* in, LaneData* out) {
  T v[32], w[32];
  for (int i = 0; i < 32; ++i) std::memcpy(&v[i], in[i], sizeof(T));
  for (int mask = kLanes / 2; mask > 0; mask /= 2) {
    for (int i = 0; i < 32; ++i) w[i] = v[i ^ mask] > v[i] ? v[i ^ mask] : v[i];
    std::memcpy(v, w, sizeof v);
  }
  for (int i = 0; i < 32; ++i) std::memcpy(out[i], &v[i], sizeof(T));
}

// A value and the lane that it is wanted from.
template <typename T>
struct Wanted {
  T value;
  uint32_t lane;
};
template <typename T>
void ShuffleLanes(const LaneData* in, LaneData* out) {
  for (int i = 0; i < 32; ++i) {
    Wanted<T> own, other;
    std::memcpy(&own, in[i], sizeof own);
    std::memcpy(&other, in[own.lane % 32], sizeof other);
    std::memcpy(out[i], &other.value, sizeof(T));
  }
}
inline void NoData(const LaneData*, LaneData*) {}

}  // namespace emulation

inline uint32_t Tid() { return emulation::place.thread; }
inline uint32_t BlockThreads() { return emulation::place.threads; }
inline uint32_t BlockX() { return emulation::place.block_x; }
inline uint32_t BlockY() { return emulation::place.block_y; }
inline uint32_t GridX() { return emulation::place.grid_x; }
inline uint32_t GridY() { return emulation::place.grid_y; }
inline uint8_t* Shared() { return emulation::place.shared; }

inline void SyncBlock() { emulation::BlockBarrier(); }
inline void SyncWarp() { emulation::Meet(emulation::NoData); }
template <typename T>
T ShuffleFrom(T value, uint32_t lane) {
  const emulation::Wanted<T> wanted = {value, lane};
  T result;
  emulation::Exchange(emulation::ShuffleLanes<T>, wanted, &result);
  return result;
}
template <typename T>
T ShuffleXor(T value, uint32_t mask) {
  return ShuffleFrom(value, Tid() % 32 ^ mask);
}
template <uint32_t kLanes, typename T>
T GroupSum(T value) {
  T result;
  emulation::Exchange(emulation::SumLanes<T, kLanes>, value, &result);
  return result;
}
template <uint32_t kLanes, typename T>
T GroupMax(T value) {
  T result;
  emulation::Exchange(emulation::MaxLanes<T, kLanes>, value, &result);
  return result;
}

// Kernels of the emulation end before the next one begins.
inline void GridTrigger() {}
inline void GridWait() {}

template <typename T>
T LoadAligned(const void* p) {
  T value;
  std::memcpy(&value, emulation::Aligned(p, sizeof value), sizeof value);
  return value;
}
inline Word4 LoadWeight(const void* p) { return LoadAligned<Word4>(p); }
inline void LoadWeight64(const void* p, uint32_t* v) {
  std::memcpy(v, emulation::Aligned(p, 8), 8);
}
inline uint32_t LoadWeight32(const void* p) { return LoadAligned<uint32_t>(p); }
inline uint32_t LoadWeight16(const void* p) { return LoadAligned<uint16_t>(p); }

inline float LoadFresh(const float* p) { return *p; }

// What is copied arrives when it is waited for: whoever reads earlier gets what was there before.
void CopyAsyncBytes(void* shared, const void* global, uint32_t bytes);
template <int kBytes>
void CopyAsync(void* shared, const void* global) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  emulation::Aligned(shared, kBytes);
  CopyAsyncBytes(shared, emulation::Aligned(global, kBytes), kBytes);
}
void CommitCopies();
void WaitCopiesDown(int pending);
template <int kPending>
void WaitCopies() {
  WaitCopiesDown(kPending);
}

inline int32_t Dp4a(uint32_t a, uint32_t b, int32_t c) {
  for (int i = 0; i < 4; ++i) {
    c += static_cast<int8_t>(a >> (8 * i)) * static_cast<int8_t>(b >> (8 * i));
  }
  return c;
}

inline uint32_t PickBytes(uint32_t low, uint32_t high, uint32_t places) {
  const uint64_t bytes = low | uint64_t{high} << 32;
  uint32_t picked = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t place = places >> 4 * i & 15;
    // With bit 3 the device repeats the sign of a byte.
    const uint32_t byte = bytes >> 8 * (place & 7) & 255;
    picked |= (place < 8 ? byte : byte >= 128 ? 255 : 0) << 8 * i;
  }
  return picked;
}

template <typename C>
void Mma(emulation::Collective collective, C (&c)[4], const uint32_t (&a)[4],
         const uint32_t (&b)[2]) {
  emulation::MmaLane<C> lane;
  std::memcpy(lane.a, a, sizeof a);
  std::memcpy(lane.b, b, sizeof b);
  std::memcpy(lane.c, c, sizeof c);
  emulation::Exchange(collective, lane, &c);
}
inline void MmaInt8(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Mma(emulation::MmaInt8Lanes, c, a, b);
}
inline void MmaInt8Half(int32_t (&c)[4], uint32_t a0, uint32_t a1, uint32_t b) {
  MmaInt8(c, {a0, a1, 0, 0}, {b, 0});
}
inline void MmaHalf(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Mma(emulation::MmaHalfLanes, c, a, b);
}
inline void MmaBf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Mma(emulation::MmaBf16Lanes, c, a, b);
}

inline uint32_t AtomicAdd(uint32_t* p, uint32_t v) {
  const uint32_t before = *p;
  *p = before + v;
  return before;
}
inline uint64_t AtomicAdd(uint64_t* p, uint64_t v) {
  const uint64_t before = *p;
  *p = before + v;
  return before;
}
inline void Fence() {}
inline void FenceSystem() {}

inline float FloatOfHalf(uint16_t bits) { return FloatFromHalf(bits); }
inline uint16_t HalfOfFloat(float x) { return HalfFromFloat(x); }
inline float FloatOfBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t BitsOfFloat(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline uint16_t Bf16OfFloat(float x) { return Bf16FromFloat(x); }

inline float Fma(float a, float b, float c) { return std::fma(a, b, c); }
inline float SquareRoot(float x) { return std::sqrt(x); }
inline float Round(float x) { return std::rint(x); }
inline float Floor(float x) { return std::floor(x); }
inline float Absolute(float x) { return std::fabs(x); }
inline float CopySign(float x, float sign) { return std::copysign(x, sign); }

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_EMULATION_SIMT_HOST_H_
