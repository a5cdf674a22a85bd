#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "backends/cuda/simt.h"

#if defined(__SANITIZE_ADDRESS__)
#define SAMARA_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SAMARA_FIBER_ASAN 1
#endif
#endif
#ifdef SAMARA_FIBER_ASAN
// Of the sanitizer's run-time library (sanitizer/common_interface_defs.h). It wants to be told of every switch, and gets
// ucontext.
extern "C" void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t bytes);
extern "C" void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom,
                                                size_t* old_bytes);
#endif
#if defined(SAMARA_FIBER_ASAN) || !(defined(__x86_64__) || defined(__aarch64__))
#define SAMARA_FIBER_UCONTEXT 1
#include <ucontext.h>
#else
// Keeps the registers that a call must keep on the stack, and the stack's pointer in *from; goes on at `to`. A switch is
// most of what an emulated warp operation costs, so no system call, no signal mask and nothing else is done in it.
extern "C" void SamaraFiberSwitch(void** from, void* to);
#ifdef __x86_64__
asm(".text\n"
    ".hidden SamaraFiberSwitch\n"
    ".globl SamaraFiberSwitch\n"
    ".type SamaraFiberSwitch,@function\n"
    "SamaraFiberSwitch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\n"
    "movq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\n"
    "ret\n"
    ".size SamaraFiberSwitch,.-SamaraFiberSwitch\n");
constexpr size_t kFiberRegisters = 6,
                 kFiberEntry = 6;  // words on the stack; which of them is where it goes on
#else
asm(".text\n"
    ".hidden SamaraFiberSwitch\n"
    ".globl SamaraFiberSwitch\n"
    ".type SamaraFiberSwitch,%function\n"
    "SamaraFiberSwitch:\n"
    "sub sp, sp, #160\n"
    "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
    "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"
    "stp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
    "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"
    "ldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\n"
    "ret\n"
    ".size SamaraFiberSwitch,.-SamaraFiberSwitch\n");
constexpr size_t kFiberRegisters = 20, kFiberEntry = 11;
#endif
#endif

namespace samara::cuda::emulation {

SAMARA_STATIC_TLS thread_local Place place;

namespace {

constexpr uint32_t kMaxThreads = 1024;
constexpr size_t kStackBytes = size_t{64} << 10;

// Stacks begin at different lines of the caches, or the same few lines of all of them would drive each other out.
constexpr size_t kStackColours = 32, kColourBytes = 640;

struct Fiber {
#ifdef SAMARA_FIBER_UCONTEXT
  ucontext_t context;
#else
  void* pointer = nullptr;         // of its stack, while it does not run
#endif
  bool started = false;
  void* fake_stack = nullptr;  // the sanitizer's
  std::unique_ptr<uint8_t[]> stack;
  const void* stack_bottom = nullptr;
  size_t stack_bytes = 0;
};

struct PendingCopy {
  void* to;
  uint64_t group;
  uint32_t bytes;
  uint8_t data[16];
};

struct WarpState {
  uint32_t runnable = 0, live = 0, waiting = 0;  // lanes
  uint32_t in_barrier = 0;
  uint32_t parity = 0;
  Collective collective = nullptr;
  alignas(64) LaneData in[2][32], out[2][32];
};

class Machine {
 public:
  Machine() : fibers_(kMaxThreads), warps_(kMaxThreads / 32), copies_(kMaxThreads) {}

  const char* Run(KernelFunction kernel, const void* args, uint32_t grid_x, uint32_t grid_y,
                  uint32_t threads, uint32_t shared_bytes);
  uint8_t* LaneSlot() {
    WarpState& warp = warps_[place.thread / 32];
    return warp.in[warp.parity][place.thread % 32];
  }
  const uint8_t* Meet(Collective collective);
  void BlockBarrier();
  void ReportFault(const char* error) {
    if (error_ == nullptr) error_ = error;
  }
  std::vector<PendingCopy>& copies() { return copies_[place.thread]; }
  uint64_t& copy_group() { return copy_group_[place.thread]; }

 private:
  static void Entry();
  __attribute__((noinline)) static void Start(Fiber* fiber, size_t colour);
  bool RunBlock();
  void SwitchTo(uint32_t thread);  // from the scheduler
  void Leave();                    // the current thread cannot go on: to the next one that can
  // Not inlined: a caller's variables must not live in registers across it.
  __attribute__((noinline)) static void Jump(Fiber* from, Fiber* to);
  void Resume(uint32_t thread);
  void Reset();

  std::vector<Fiber> fibers_;
  Fiber main_;
  std::vector<WarpState> warps_;
  std::vector<std::vector<PendingCopy>> copies_;
  uint64_t copy_group_[kMaxThreads] = {};
  KernelFunction kernel_ = nullptr;
  const void* args_ = nullptr;
  uint32_t threads_ = 0, live_ = 0, in_barrier_ = 0;
  const char* error_ = nullptr;
  std::vector<uint8_t> shared_;
};

SAMARA_STATIC_TLS thread_local Machine* current = nullptr;

Machine& TheMachine() { return *current; }

// One a host thread, made when it first runs a kernel.
void MakeMachine() {
  if (current != nullptr) return;
  static thread_local std::unique_ptr<Machine> machine = std::make_unique<Machine>();
  current = machine.get();
}

void Machine::Jump(Fiber* from, Fiber* to) {
#ifdef SAMARA_FIBER_ASAN
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_bottom, to->stack_bytes);
  swapcontext(&from->context, &to->context);
  __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#elif defined(SAMARA_FIBER_UCONTEXT)
  swapcontext(&from->context, &to->context);
#else
  SamaraFiberSwitch(&from->pointer, to->pointer);
#endif
}

void Machine::Entry() {
  Machine& m = TheMachine();
#ifdef SAMARA_FIBER_ASAN
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (m.main_.stack_bottom == nullptr) {
    m.main_.stack_bottom = bottom;
    m.main_.stack_bytes = bytes;
  }
#endif
  for (;;) {
    m.kernel_(m.args_);
    WarpState& warp = m.warps_[place.thread / 32];
    const uint32_t bit = 1u << place.thread % 32;
    warp.live &= ~bit;
    warp.runnable &= ~bit;
    --m.live_;
    m.Leave();
  }
}

void Machine::Resume(uint32_t thread) { place.thread = thread; }

void Machine::SwitchTo(uint32_t thread) {
  Resume(thread);
  Jump(&main_, &fibers_[thread]);
}

void Machine::Leave() {
  const uint32_t self = place.thread;
  WarpState& warp = warps_[self / 32];
  if (warp.runnable == 0) {
    Jump(&fibers_[self], &main_);
    return;
  }
  // The next lane that can go on, after this one and around.
  const uint32_t lane = self % 32;
  const uint32_t above = lane == 31 ? 0 : warp.runnable & ~0u << (lane + 1);
  const uint32_t next = static_cast<uint32_t>(__builtin_ctz(above != 0 ? above : warp.runnable));
  Resume(self / 32 * 32 + next);
  Jump(&fibers_[self], &fibers_[self / 32 * 32 + next]);
}

const uint8_t* Machine::Meet(Collective collective) {
  const uint32_t self = place.thread, lane = self % 32;
  WarpState& warp = warps_[self / 32];
  if (warp.waiting != 0 && warp.collective != collective) {
    error_ = "lanes of a warp are at different warp operations";
  }
  warp.collective = collective;
  // Results of an operation stay until all lanes are at the next but one.
  const uint32_t parity = warp.parity;
  warp.waiting |= 1u << lane;
  if (warp.waiting == ~0u) {
    collective(warp.in[parity], warp.out[parity]);
    warp.waiting = 0;
    warp.parity ^= 1;
    warp.runnable = warp.live;
  } else {
    warp.runnable &= ~(1u << lane);
    Leave();
  }
  return warp.out[parity][lane];
}

void Machine::BlockBarrier() {
  const uint32_t self = place.thread;
  WarpState& warp = warps_[self / 32];
  warp.in_barrier |= 1u << self % 32;
  if (++in_barrier_ == threads_) {
    in_barrier_ = 0;
    for (uint32_t w = 0; w < (threads_ + 31) / 32; ++w) {
      warps_[w].in_barrier = 0;
      warps_[w].runnable = warps_[w].live;
    }
    return;
  }
  warp.runnable &= ~(1u << self % 32);
  Leave();
}

// False: some thread waits for one that never comes.
bool Machine::RunBlock() {
  live_ = threads_;
  in_barrier_ = 0;
  const uint32_t n_warps = (threads_ + 31) / 32;
  for (uint32_t w = 0; w < n_warps; ++w) {
    const uint32_t lanes = std::min(32u, threads_ - 32 * w);
    warps_[w].live = warps_[w].runnable = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warps_[w].waiting = warps_[w].in_barrier = warps_[w].parity = 0;
  }
  for (uint32_t t = 0; t < threads_; ++t) {
    copies_[t].clear();
    copy_group_[t] = 0;
  }
  while (live_ > 0) {
    bool moved = false;
    for (uint32_t w = 0; w < n_warps; ++w) {
      if (warps_[w].runnable == 0) continue;
      moved = true;
      SwitchTo(32 * w + static_cast<uint32_t>(__builtin_ctz(warps_[w].runnable)));
      if (error_ != nullptr) return false;
    }
    if (moved) continue;
    bool barrier = false;
    for (uint32_t w = 0; w < n_warps; ++w) barrier = barrier || warps_[w].in_barrier != 0;
    error_ = barrier ? "a barrier that some threads of the block never reach"
                     : "a warp operation that some lanes never reach";
    return false;
  }
  return true;
}

// A stack, and Entry to be called on it.
void Machine::Start(Fiber* fiber, size_t colour) {
  if (fiber->stack == nullptr) {
    fiber->stack.reset(new uint8_t[kStackBytes + kStackColours * kColourBytes]);
  }
  uint8_t* bottom = fiber->stack.get() + colour % kStackColours * kColourBytes;
  fiber->stack_bottom = bottom;
  fiber->stack_bytes = kStackBytes;
#ifdef SAMARA_FIBER_UCONTEXT
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = bottom;
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, &Machine::Entry, 0);
#else
  // As if Entry had been called from nowhere and had switched away at its first instruction.
  const uintptr_t top = reinterpret_cast<uintptr_t>(bottom + kStackBytes) / 16 * 16;
#ifdef __x86_64__
  void** words = reinterpret_cast<void**>(top) - 2 - kFiberRegisters;
  std::fill(words, words + kFiberRegisters + 2, nullptr);
#else
  void** words = reinterpret_cast<void**>(top) - kFiberRegisters;
  std::fill(words, words + kFiberRegisters, nullptr);
#endif
  words[kFiberEntry] = reinterpret_cast<void*>(&Machine::Entry);
  fiber->pointer = words;
#endif
  fiber->started = true;
}

void Machine::Reset() {
  for (Fiber& fiber : fibers_) fiber.started = false;
}

const char* Machine::Run(KernelFunction kernel, const void* args, uint32_t grid_x, uint32_t grid_y,
                         uint32_t threads, uint32_t shared_bytes) {
  if (threads == 0 || threads > kMaxThreads || threads % 32 != 0) return "threads of a block";
  if (grid_x == 0 || grid_y == 0 || grid_y > 65535) return "blocks of a grid";
  if (shared_bytes > 232448) return "shared memory of a block";
  kernel_ = kernel;
  args_ = args;
  threads_ = threads;
  error_ = nullptr;
  for (uint32_t t = 0; t < threads; ++t) {
    Fiber& fiber = fibers_[t];
    if (!fiber.started) Start(&fiber, t);
  }
  // A block of its own for each launch: the sanitizer sees what lies outside of it.
  std::unique_ptr<uint8_t, void (*)(uint8_t*)> shared(
      static_cast<uint8_t*>(::operator new (std::max(shared_bytes, 1u), std::align_val_t{128})),
      [](uint8_t* p) { ::operator delete (p, std::align_val_t{128}); });
  for (uint32_t y = 0; y < grid_y; ++y) {
    for (uint32_t x = 0; x < grid_x; ++x) {
      std::memset(shared.get(), 0xff, shared_bytes);  // NaN: nobody may count on zeros
      place = {0, threads, x, y, grid_x, grid_y, shared.get()};
      if (!RunBlock()) {
        Reset();
        return error_;
      }
    }
  }
  return nullptr;
}

}  // namespace

uint8_t* LaneSlot() { return TheMachine().LaneSlot(); }
const uint8_t* Meet(Collective collective) { return TheMachine().Meet(collective); }
void BlockBarrier() { TheMachine().BlockBarrier(); }
void ReportFault(const char* error) { TheMachine().ReportFault(error); }

const char* RunGrid(KernelFunction kernel, const void* args, uint32_t grid_x, uint32_t grid_y,
                    uint32_t threads, uint32_t shared_bytes) {
  MakeMachine();
  return TheMachine().Run(kernel, args, grid_x, grid_y, threads, shared_bytes);
}

}  // namespace samara::cuda::emulation

namespace samara::cuda {

void CopyAsyncBytes(void* shared, const void* global, uint32_t bytes) {
  emulation::PendingCopy copy = {shared, emulation::TheMachine().copy_group(), bytes, {}};
  std::memcpy(copy.data, global, bytes);
  emulation::TheMachine().copies().push_back(copy);
}
void CommitCopies() { ++emulation::TheMachine().copy_group(); }

void WaitCopiesDown(int pending) {
  auto& copies = emulation::TheMachine().copies();
  const uint64_t group = emulation::TheMachine().copy_group();
  size_t kept = 0;
  for (emulation::PendingCopy& copy : copies) {
    if (copy.group + static_cast<uint64_t>(pending) < group) {
      std::memcpy(copy.to, copy.data, copy.bytes);
    } else {
      copies[kept++] = copy;
    }
  }
  copies.resize(kept);
}

}  // namespace samara::cuda
