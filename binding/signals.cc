#include "signals.h"

#ifdef _WIN32

namespace alknet {

void RestoreSignals() {}
void ProtectHandlers(bool) {}
void MarkHandlers() {}
SignalGuard::SignalGuard() {}
SignalGuard::~SignalGuard() {}

}  // namespace alknet

#else

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>
#include <uv.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <mutex>

namespace alknet {

namespace {

// Everything but what a thread does to itself, and SIGURG, by which Go interrupts its
// goroutines: Go's own handler, on a stack of its own. pthread_sigmask leaves out the
// signals that glibc needs for itself (32 and 33).
sigset_t HostSignals() {
  sigset_t set;
  sigfillset(&set);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGURG}) sigdelset(&set, signal);
  return set;
}

const sigset_t kHostSignals = HostSignals();

// Of the thread that loads the addon. Zero-initialised before any constructor runs.
thread_local bool blocked;
thread_local sigset_t before;

// Go's runtime starts by a constructor without a priority, thus after this one, and its
// threads inherit the mask. SIGPROF stays: Go would unblock it anyway.
__attribute__((constructor(101))) void BlockSignals() {
  sigset_t set = HostSignals();
  sigdelset(&set, SIGPROF);
  blocked = pthread_sigmask(SIG_BLOCK, &set, &before) == 0;
}

// libuv removes its handler of SIGCHLD with the last child and installs it with the next
// one, each time without SA_ONSTACK. It does neither while a handle listens. The loop never
// runs: what libuv writes into its pipe is dropped when that is full. libuv is looked up at
// run time, since other runtimes than Node.js and Electron lack it.
template <typename Function>
bool Find(const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

void KeepChildHandler() {
  decltype(uv_loop_init)* loop_init;
  decltype(uv_loop_size)* loop_size;
  decltype(uv_handle_size)* handle_size;
  decltype(uv_signal_init)* signal_init;
  decltype(uv_signal_start)* signal_start;
  if (!Find("uv_loop_init", &loop_init) || !Find("uv_loop_size", &loop_size) || !Find("uv_handle_size", &handle_size) ||
      !Find("uv_signal_init", &signal_init) || !Find("uv_signal_start", &signal_start)) {
    return;
  }
  // Never freed: the handler is needed for as long as Go's threads live.
  auto* loop = static_cast<uv_loop_t*>(std::calloc(1, loop_size()));
  auto* handle = static_cast<uv_signal_t*>(std::calloc(1, handle_size(UV_SIGNAL)));
  if (loop == nullptr || handle == nullptr || loop_init(loop) != 0 || signal_init(loop, handle) != 0) return;
  signal_start(handle, [](uv_signal_t*, int) {}, SIGCHLD);
}

// Adds SA_ONSTACK to the handler of a signal if it lacks it.
void Mark(int signal) {
  struct sigaction action;
  if (sigaction(signal, nullptr, &action) != 0 || (action.sa_flags & SA_ONSTACK) != 0) return;
  if ((action.sa_flags & SA_SIGINFO) == 0 && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) return;
  action.sa_flags |= SA_ONSTACK;
  sigaction(signal, &action, nullptr);
}

// Signals that a thread of Go may take whatever this file does: those that Go unblocks and
// those that no thread can do without.
constexpr int kOpenSignals[] = {SIGCHLD, SIGURG, SIGPROF, SIGTRAP, SIGABRT, SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
#ifdef SIGSTKFLT
                                SIGSTKFLT,
#endif
#ifdef __linux__
                                34,  // SIGRTMIN of glibc, which musl keeps for itself, and so does Go
#endif
};

// How often handlers are looked at that came by another way than process.on().
constexpr int64_t kLookEvery = 10'000'000;  // ns

std::atomic<int64_t> next_look{0};

void LookAtHandlers() {
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) return;
  int64_t now = static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  int64_t due = next_look.load(std::memory_order_relaxed);
  if (now < due || !next_look.compare_exchange_strong(due, now + kLookEvery, std::memory_order_relaxed)) return;
  for (int signal : kOpenSignals) Mark(signal);
}

}  // namespace

void MarkHandlers() {
  for (int signal = 1; signal < NSIG; signal++) Mark(signal);
}

void RestoreSignals() {
  if (!blocked) return;
  blocked = false;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ProtectHandlers(bool keep_child_handler) {
  static std::mutex mutex;  // std::call_once asks for a newer glibc
  static bool done;
  std::lock_guard<std::mutex> lock(mutex);
  if (done) return;
  done = true;
  if (keep_child_handler) KeepChildHandler();
  MarkHandlers();
}

SignalGuard::SignalGuard() {
  LookAtHandlers();
  pthread_sigmask(SIG_BLOCK, &kHostSignals, &before_);
}

SignalGuard::~SignalGuard() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace alknet

#endif
