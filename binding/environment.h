#ifndef ALKNET_ENVIRONMENT_H
#define ALKNET_ENVIRONMENT_H

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "alknet.h"

namespace alknet {

// What the engine's threads may touch of an environment: the way to wake it up.
class Wakeup {
 public:
  // Called on threads of the engine. Never blocks.
  void Notify();
  void Open(napi_threadsafe_function function);
  // After it has returned, Notify does nothing.
  void Close(napi_threadsafe_function_release_mode mode);
  bool SetReferenced(napi_env env, bool referenced);

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
};

// One JavaScript environment's end of the message pipe. All methods run on its
// thread; it dies with the environment.
class Environment {
 public:
  static void Attach(Napi::Env env);
  static Environment* Of(const Napi::CallbackInfo& info);
  ~Environment();

  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Submit(const Napi::CallbackInfo& info);
  Napi::Value AttachBytes(const Napi::CallbackInfo& info);
  Napi::Value Secret(const Napi::CallbackInfo& info);
  Napi::Value Take(const Napi::CallbackInfo& info);
  Napi::Value Poll(const Napi::CallbackInfo& info);
  Napi::Value SetReferenced(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

 private:
  void Shutdown(napi_threadsafe_function_release_mode mode);
  static void OnTeardown(void* self);
  static void OnWake(napi_env env, napi_value callback, void* context, void* data);

  Wakeup wakeup_;
  int64_t handle_ = 0;  // of the engine; 0 while there is none
  std::vector<uint8_t> incoming_;
  std::vector<char> outgoing_;
};

}  // namespace alknet

#endif
