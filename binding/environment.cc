#include "environment.h"

#include <string>

#include "signals.h"

namespace alknet {

namespace {

// What one poll takes, unless a single completion is larger.
constexpr size_t kPollBuffer = 64 * 1024;
// Above this a batch is measured before it is converted, instead of reserving
// three bytes for each UTF-16 unit.
constexpr size_t kMeasureAbove = 1024 * 1024;
constexpr size_t kKeepBuffer = 4 * 1024 * 1024;

void Wake(void* context) { static_cast<Wakeup*>(context)->Notify(); }

Napi::Value Throw(Napi::Env env, const char* message) {
  napi_throw_error(env, nullptr, message);  // fails in a worker that is being terminated, where nobody would catch it
  return Napi::Value();
}

}  // namespace

void Wakeup::Open(napi_threadsafe_function function) {
  std::lock_guard<std::mutex> lock(mutex_);
  function_ = function;
}

void Wakeup::Notify() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_closing) {
    function_ = nullptr;  // Node-API has let go of it: it must not be touched again
  }
}

void Wakeup::Close(napi_threadsafe_function_release_mode mode) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  napi_release_threadsafe_function(function_, mode);
  function_ = nullptr;
}

bool Wakeup::SetReferenced(napi_env env, bool referenced) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return false;
  return (referenced ? napi_ref_threadsafe_function(env, function_)
                     : napi_unref_threadsafe_function(env, function_)) == napi_ok;
}

void Environment::Attach(Napi::Env env) {
  auto* self = new Environment();
  env.SetInstanceData(self);  // deleted with the environment
  napi_add_env_cleanup_hook(env, &Environment::OnTeardown, self);
}

Environment* Environment::Of(const Napi::CallbackInfo& info) { return info.Env().GetInstanceData<Environment>(); }

Environment::~Environment() { Shutdown(napi_tsfn_abort); }

// The environment is about to go: nothing may call into it from here on. Hooks run
// before instance data is deleted.
void Environment::OnTeardown(void* self) { static_cast<Environment*>(self)->Shutdown(napi_tsfn_abort); }

void Environment::Shutdown(napi_threadsafe_function_release_mode mode) {
  if (handle_ == 0) return;
  SignalGuard guard;
  // In this order: once alk_close has returned the engine does not call Wake, and
  // wakeup_ may die.
  alk_close(handle_);
  handle_ = 0;
  wakeup_.Close(mode);
}

// open(onWake): onWake is called when completions wait.
Napi::Value Environment::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ != 0) return Throw(env, "the engine is open already");
  if (alk_abi_version() != ALK_ABI_VERSION) return Throw(env, "the engine and the addon are of different versions");
  if (info.Length() < 1 || !info[0].IsFunction()) return Throw(env, "open wants a function");
  napi_value name;
  napi_threadsafe_function function;
  if (napi_create_string_utf8(env, "alknet", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, info[0], nullptr, name, 0, 1, nullptr, nullptr, nullptr, &Environment::OnWake,
                                      &function) != napi_ok) {
    return Throw(env, "the engine's wake-up could not be made");
  }
  // Referenced only while work is pending, which JavaScript knows.
  napi_unref_threadsafe_function(env, function);
  wakeup_.Open(function);
  int64_t handle = alk_open(&Wake, &wakeup_);
  if (handle <= 0) {
    wakeup_.Close(napi_tsfn_release);
    return Throw(env, "the engine could not be opened");
  }
  handle_ = handle;
  return Napi::Value();
}

void Environment::OnWake(napi_env env, napi_value callback, void*, void*) {
  // Without an environment the queue is only being emptied. A failed call is left
  // alone: the environment is ending, or the exception is already on its way to
  // process.on('uncaughtException').
  if (env == nullptr || callback == nullptr) return;
  napi_value receiver;
  if (napi_get_undefined(env, &receiver) != napi_ok) return;
  napi_call_function(env, receiver, callback, 0, nullptr, nullptr);
}

// submit(text): hands a batch of commands over; false when one was malformed.
Napi::Value Environment::Submit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ == 0) return Throw(env, "the engine is closed");
  size_t units = 0;
  if (info.Length() < 1 || napi_get_value_string_utf16(env, info[0], nullptr, 0, &units) != napi_ok) {
    return Throw(env, "submit wants a string");
  }
  size_t capacity = units * 3 + 1;
  if (units > kMeasureAbove) {
    if (napi_get_value_string_utf8(env, info[0], nullptr, 0, &capacity) != napi_ok) return Throw(env, "submit wants a string");
    capacity += 1;
  }
  if (outgoing_.size() < capacity) outgoing_.resize(capacity);
  size_t length = 0;
  if (napi_get_value_string_utf8(env, info[0], outgoing_.data(), outgoing_.size(), &length) != napi_ok) {
    return Throw(env, "submit wants a string");
  }
  int32_t result = alk_submit(handle_, reinterpret_cast<const uint8_t*>(outgoing_.data()), length);
  if (outgoing_.size() > kKeepBuffer) std::vector<char>().swap(outgoing_);
  return Napi::Boolean::New(env, result == 0);
}

// attach(bytes): copies bytes into the engine and returns their number.
Napi::Value Environment::AttachBytes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ == 0) return Throw(env, "the engine is closed");
  if (info.Length() < 1 || !info[0].IsTypedArray()) return Throw(env, "attach wants a Uint8Array");
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, info[0], &type, &length, &data, nullptr, nullptr) != napi_ok || type != napi_uint8_array) {
    return Throw(env, "attach wants a Uint8Array");
  }
  int64_t id = alk_attach(handle_, static_cast<const uint8_t*>(data), length);
  return Napi::Number::New(env, static_cast<double>(id));
}

namespace {

// The memory of a Uint8Array.
bool BytesOf(napi_env env, napi_value value, uint8_t** data, size_t* length) {
  napi_typedarray_type type;
  void* start = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &start, nullptr, nullptr) != napi_ok || type != napi_uint8_array) {
    return false;
  }
  *data = static_cast<uint8_t*>(start);
  return true;
}

}  // namespace

// secret(name, handle, arguments, input, output): a short operation on secrets.
// Returns how many bytes of output it wrote, or the error object as text. What is
// secret stays in the two arrays.
Napi::Value Environment::Secret(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ == 0) return Throw(env, "the engine is closed");
  char name[32];
  char short_arguments[512];
  std::string long_arguments;
  const char* arguments = short_arguments;
  size_t length = 0;
  int64_t handle = 0;
  uint8_t *input = nullptr, *output = nullptr;
  size_t input_length = 0, capacity = 0;
  if (info.Length() < 5 || napi_get_value_string_utf8(env, info[0], name, sizeof name, nullptr) != napi_ok ||
      napi_get_value_int64(env, info[1], &handle) != napi_ok ||
      napi_get_value_string_utf8(env, info[2], short_arguments, sizeof short_arguments, &length) != napi_ok ||
      !BytesOf(env, info[3], &input, &input_length) || !BytesOf(env, info[4], &output, &capacity)) {
    return Throw(env, "secret wants a name, a number, a text and two Uint8Arrays");
  }
  if (length + 4 >= sizeof short_arguments) {  // it may have been cut
    long_arguments = info[2].As<Napi::String>().Utf8Value();
    arguments = long_arguments.c_str();
  }
  char error[ALK_ERROR_SIZE];
  int64_t result = alk_secret(handle_, name, handle, arguments, input, input_length, output, capacity, error);
  if (result >= 0) return Napi::Number::New(env, static_cast<double>(result));
  if (result != ALK_EFAILED) return Throw(env, result == ALK_ERANGE ? "the result does not fit" : "the engine failed");
  napi_value text;
  if (napi_create_string_utf8(env, error, NAPI_AUTO_LENGTH, &text) != napi_ok) return Napi::Value();
  return Napi::Value(env, text);
}

// take(result, output): moves a result of the engine to output; its length.
Napi::Value Environment::Take(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ == 0) return Throw(env, "the engine is closed");
  int64_t number = 0;
  uint8_t* output = nullptr;
  size_t capacity = 0;
  if (info.Length() < 2 || napi_get_value_int64(env, info[0], &number) != napi_ok || !BytesOf(env, info[1], &output, &capacity)) {
    return Throw(env, "take wants a number and a Uint8Array");
  }
  int64_t length = alk_take(handle_, number, output, capacity);
  if (length < 0) return Throw(env, "there is no such result");
  return Napi::Number::New(env, static_cast<double>(length));
}

// poll(): the next batch of completions as JSON text, or undefined.
Napi::Value Environment::Poll(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (handle_ == 0) return env.Undefined();
  if (incoming_.empty()) incoming_.resize(kPollBuffer);
  size_t needed = 0;
  int32_t ascii = 0, more = 0;
  int64_t length = alk_poll(handle_, incoming_.data(), kPollBuffer, &needed, &ascii, &more);
  if (length == ALK_ERANGE) {
    size_t capacity = needed;
    if (incoming_.size() < capacity) incoming_.resize(capacity);
    length = alk_poll(handle_, incoming_.data(), capacity, &needed, &ascii, &more);
  }
  if (length <= 0) return env.Undefined();
  const char* text = reinterpret_cast<const char*>(incoming_.data());
  napi_value batch;
  napi_status status = ascii != 0 ? napi_create_string_latin1(env, text, static_cast<size_t>(length), &batch)
                                  : napi_create_string_utf8(env, text, static_cast<size_t>(length), &batch);
  if (incoming_.size() > kKeepBuffer) std::vector<uint8_t>().swap(incoming_);
  if (status != napi_ok) return Throw(env, "a batch of completions is too large for a string");
  return Napi::Value(env, batch);
}

// ref(on): whether the engine keeps the process alive.
Napi::Value Environment::SetReferenced(const Napi::CallbackInfo& info) {
  bool on = false;
  if (info.Length() > 0) napi_get_value_bool(info.Env(), info[0], &on);
  wakeup_.SetReferenced(info.Env(), on);
  return info.Env().Undefined();
}

Napi::Value Environment::Close(const Napi::CallbackInfo& info) {
  Shutdown(napi_tsfn_release);
  return info.Env().Undefined();
}

}  // namespace alknet
