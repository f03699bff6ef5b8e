#include "pin.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace alknet {

void PinThisObject() {
#ifdef _WIN32
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<LPCWSTR>(&PinThisObject), &module);
#else
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&PinThisObject), &info) != 0 && info.dli_fname != nullptr) {
    // The handle is kept on purpose: it is the reference that never goes away.
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
  }
#endif
}

}  // namespace alknet
