// The addon translates between JavaScript values and the C ABI of the engine: no
// protocol, no JSON, no policy. Exceptions of C++ are off and every Node-API status
// is checked, because a worker may be terminated in the middle of any call.
#include <napi.h>

#include <string>
#include <vector>

#include "environment.h"
#include "pin.h"
#include "signals.h"

namespace {

using alknet::Environment;
using alknet::SignalGuard;

template <Napi::Value (Environment::*Method)(const Napi::CallbackInfo&)>
Napi::Value Call(const Napi::CallbackInfo& info) {
  Environment* self = Environment::Of(info);
  if (self == nullptr) return info.Env().Undefined();
  SignalGuard guard;
  return (self->*Method)(info);
}

// invoke(name, bytes): a short operation, done at once. Returns [ok, answer].
Napi::Value Invoke(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsTypedArray()) {
    napi_throw_type_error(env, nullptr, "invoke wants a name and a Uint8Array");
    return Napi::Value();
  }
  std::string name = info[0].As<Napi::String>().Utf8Value();
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(env, info[1], nullptr, &length, &data, nullptr, nullptr) != napi_ok) return Napi::Value();
  std::vector<uint8_t> answer(4096);
  SignalGuard guard;
  size_t needed = 0;
  int64_t result =
      alk_invoke(name.c_str(), static_cast<const uint8_t*>(data), length, answer.data(), answer.size(), &needed);
  if (result == ALK_ERANGE) {
    answer.resize(needed);
    result = alk_invoke(name.c_str(), static_cast<const uint8_t*>(data), length, answer.data(), answer.size(), &needed);
  }
  bool ok = result >= 0;
  napi_value text, array;
  if ((result < 0 && result != ALK_EFAILED) ||
      napi_create_string_utf8(env, reinterpret_cast<const char*>(answer.data()), needed, &text) != napi_ok) {
    napi_throw_error(env, nullptr, "the engine failed");
    return Napi::Value();
  }
  volatile uint8_t* wipe = answer.data();  // answers may hold a private key
  for (size_t i = 0; i < answer.size(); i++) wipe[i] = 0;
  if (napi_create_array_with_length(env, 2, &array) != napi_ok ||
      napi_set_element(env, array, 0, Napi::Boolean::New(env, ok)) != napi_ok ||
      napi_set_element(env, array, 1, text) != napi_ok) {
    return Napi::Value();
  }
  return Napi::Value(env, array);
}

template <typename Function>
void Export(Napi::Env env, Napi::Object exports, const char* name, Function function) {
  napi_set_named_property(env, exports, name, Napi::Function::New(env, function, name));
}

// Bun has libuv's names, but ends the process where most of them are called.
bool IsBun(Napi::Env env) {
  napi_value global, bun;
  napi_valuetype type;
  return napi_get_global(env, &global) == napi_ok && napi_get_named_property(env, global, "Bun", &bun) == napi_ok &&
         napi_typeof(env, bun, &type) == napi_ok && type != napi_undefined;
}

// Node.js has a listener of its own, which was there before and installs the handler.
napi_value OnNewListener(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value name;
  char start[4] = {};
  size_t length;
  if (napi_get_cb_info(env, info, &count, &name, nullptr, nullptr) == napi_ok && count > 0 &&
      napi_get_value_string_latin1(env, name, start, sizeof(start), &length) == napi_ok && std::string(start) == "SIG") {
    alknet::MarkHandlers();
  }
  return nullptr;
}

void ClearException(napi_env env) {
  napi_value exception;
  bool pending;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) napi_get_and_clear_last_exception(env, &exception);
}

// Calls process.on('newListener', …), once a thread. It is the process of Node.js itself,
// not one that a test runner shows to its tests.
void WatchListeners(Napi::Env env) {
  static thread_local bool done;
  napi_value global, process, on, event, listener;
  if (done || napi_get_global(env, &global) != napi_ok ||
      napi_get_named_property(env, global, "process", &process) != napi_ok ||
      napi_get_named_property(env, process, "on", &on) != napi_ok ||
      napi_create_string_latin1(env, "newListener", NAPI_AUTO_LENGTH, &event) != napi_ok ||
      napi_create_function(env, nullptr, 0, OnNewListener, nullptr, &listener) != napi_ok) {
    return ClearException(env);
  }
  napi_value arguments[] = {event, listener};
  done = napi_call_function(env, process, on, 2, arguments, nullptr) == napi_ok;
  if (!done) ClearException(env);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  // Nothing of Go is called here: its runtime starts on a thread of its own meanwhile, and
  // the first call waits for that.
  alknet::RestoreSignals();
  alknet::PinThisObject();
  alknet::ProtectHandlers(!IsBun(env));
  WatchListeners(env);
  Environment::Attach(env);
  Export(env, exports, "open", Call<&Environment::Open>);
  Export(env, exports, "submit", Call<&Environment::Submit>);
  Export(env, exports, "attach", Call<&Environment::AttachBytes>);
  Export(env, exports, "secret", Call<&Environment::Secret>);
  Export(env, exports, "take", Call<&Environment::Take>);
  Export(env, exports, "poll", Call<&Environment::Poll>);
  Export(env, exports, "ref", Call<&Environment::SetReferenced>);
  Export(env, exports, "close", Call<&Environment::Close>);
  Export(env, exports, "invoke", Invoke);
  return exports;
}

NODE_API_MODULE(alknet, Init)

}  // namespace
