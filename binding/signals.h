#ifndef ALKNET_SIGNALS_H
#define ALKNET_SIGNALS_H

#ifndef _WIN32
#include <signal.h>
#endif

namespace alknet {

// The host's signal handlers must never run on a goroutine's stack. Such a stack has 2 KiB
// and no guard page, the kernel's frame alone has up to 2.8 KiB (AVX-512), and libuv
// installs its handlers without SA_ONSTACK, after Go has started and marked those that were
// there. Four measures together, see "Signals of the host" in docs/ARCHITECTURE.md:
//
// 1. Go's threads are born with the host's signals blocked (signals.cc, a constructor).
// 2. A JavaScript thread blocks them while it runs Go (SignalGuard).
// 3. Go unblocks SIGCHLD on its threads whatever it inherits. So the handler that is there
//    gets SA_ONSTACK, and is kept from being removed and installed again
//    (ProtectHandlers).
// 4. Some other signals stay open on Go's threads too: SIGPROF, SIGSTKFLT, SIGURG and those
//    that report faults. Their handlers are marked as soon as process.on() has installed
//    them (MarkHandlers), and looked at every 10 ms in which a JavaScript thread runs Go.

// Undoes what the constructor did to the thread that loads the addon.
void RestoreSignals();

// Marks the handlers that are there with SA_ONSTACK, once a process. keep_child_handler:
// the runtime has a whole libuv, whose handler of SIGCHLD is held until the process ends.
void ProtectHandlers(bool keep_child_handler);

// Marks the handlers that are there now.
void MarkHandlers();

// Blocks the host's signals on this thread during its life. They are delivered after it.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

#ifndef _WIN32
 private:
  sigset_t before_;
#endif
};

}  // namespace alknet

#endif
