// What JavaScript calls. Arrays are read and written in place and no address is kept after a call.
#define NAPI_VERSION 8
#include <node_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "classifier.h"

namespace millrace {
namespace {

struct Refused {
  napi_status (*raise)(napi_env, const char* code, const char* text);
  std::string text;
};

[[noreturn]] void refuse_type(const char* text) { throw Refused{napi_throw_type_error, text}; }
[[noreturn]] void refuse_range(const std::string& text) { throw Refused{napi_throw_range_error, text}; }
[[noreturn]] void refuse(const char* text) { throw Refused{napi_throw_error, text}; }

struct Kernels {
  std::shared_ptr<Pool> pool;
  const Arithmetic* arithmetic;
};

struct Holder {
  std::shared_ptr<Pool> pool;
  std::unique_ptr<Classifier> classifier;
};

struct View {
  napi_typedarray_type type;
  size_t length;
  void* data;
};

/** The arguments of one call. */
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = kMost;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }

  napi_env const env;

  double number(int i) const {
    double value;
    if (napi_get_value_double(env, values_[i], &value) != napi_ok) refuse_type("expected a number");
    return value;
  }
  int size(int i, const char* what) const {
    const double value = number(i);
    if (!(value >= 1 && value <= 1 << 28) || value != static_cast<int>(value))
      refuse_range(std::string(what) + " must be a positive integer");
    return static_cast<int>(value);
  }
  bool given(int i) const {
    napi_valuetype type;
    return napi_typeof(env, values_[i], &type) == napi_ok && type != napi_undefined;
  }
  std::string text(int i) const {
    char buffer[32] = "";
    if (given(i) && napi_get_value_string_utf8(env, values_[i], buffer, sizeof buffer, nullptr) != napi_ok)
      refuse_type("expected a string");
    return buffer;
  }
  View view(int i) const {
    View view;
    if (napi_get_typedarray_info(env, values_[i], &view.type, &view.length, &view.data, nullptr, nullptr) != napi_ok)
      refuse_type("expected a typed array");
    return view;
  }
  template <class T>
  T* array(int i, napi_typedarray_type type, size_t length) const {
    const View array = view(i);
    if (array.length != length) refuse_range("a typed array is of the wrong length");
    return room<T>(i, type, length);
  }
  template <class T>
  T* room(int i, napi_typedarray_type type, size_t length) const {
    const View array = view(i);
    if (array.type != type) refuse_type("a typed array is of the wrong type");
    if (array.length < length) refuse_range("a typed array is too short");
    return static_cast<T*>(array.data);
  }
  float* floats(int i, size_t length) const { return array<float>(i, napi_float32_array, length); }
  double* doubles(int i, size_t length) const { return array<double>(i, napi_float64_array, length); }

  Kernels& kernels() const {
    Kernels* kernels = held<Kernels>();
    if (kernels->pool->closed()) refuse("these kernels are closed");
    return *kernels;
  }
  Classifier& classifier() const {
    Holder* holder = held<Holder>();
    if (!holder->classifier) refuse("this classifier was freed");
    if (holder->pool->closed()) refuse("the kernels of this classifier are closed");
    return *holder->classifier;
  }
  template <class T>
  T* held() const {
    void* data;
    if (napi_get_value_external(env, values_[0], &data) != napi_ok) refuse_type("expected a handle");
    return static_cast<T*>(data);
  }

  Parameters parameters(int i) const {
    const Classifier& c = classifier();
    return {floats(i, size_t(c.features()) * c.classes()), floats(i + 1, c.classes())};
  }
  Labelled rows(int i) const {
    const View values = view(i), labels = view(i + 1);
    if (labels.type != napi_int32_array) refuse_type("labels must be an Int32Array");
    if (values.type != napi_uint8_array && values.type != napi_float32_array)
      refuse_type("values must be a Uint8Array or a Float32Array");
    const size_t features = classifier().features();
    if (values.length < labels.length * features)
      refuse_range("too few values");
    Labelled rows;
    rows.values = values.data;
    rows.bytes = values.type == napi_uint8_array;
    rows.rows = static_cast<ptrdiff_t>(labels.length);
    rows.labels = static_cast<const int32_t*>(labels.data);
    return rows;
  }

  napi_value give(double value) const {
    napi_value result;
    napi_create_double(env, value, &result);
    return result;
  }
  napi_value give(const char* text) const {
    napi_value result;
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
    return result;
  }
  template <class T>
  napi_value hold(std::unique_ptr<T> object, napi_finalize finalize) const {
    napi_value result;
    if (napi_create_external(env, object.get(), finalize, nullptr, &result) != napi_ok) refuse("out of handles");
    object.release();
    return result;
  }

 private:
  static constexpr size_t kMost = 8;
  napi_value values_[kMost];
};

void close_pool(void* kernels) { static_cast<Kernels*>(kernels)->pool->close(); }

/** `open(threads, isa | undefined)`: the best arithmetic this processor has, or the one named. */
napi_value open(const Call& call) {
  const int threads = call.size(0, "threads");
  const std::string isa = call.text(1);
  const Arithmetic* arithmetic = nullptr;
  for (const Arithmetic* candidate : {avx512(), avx2(), portable()}) {
    if (candidate && !arithmetic && (isa.empty() || isa == candidate->name)) arithmetic = candidate;
  }
  if (!arithmetic) refuse(("this processor has no " + isa).c_str());
  auto kernels = std::make_unique<Kernels>(Kernels{std::make_shared<Pool>(threads), arithmetic});
  Kernels* opened = kernels.get();
  const napi_value handle = call.hold(std::move(kernels), [](napi_env env, void* data, void*) {
    // Without closing the pool: classifiers that are still in use share it, and the last of them ends it.
    napi_remove_env_cleanup_hook(env, close_pool, data);
    delete static_cast<Kernels*>(data);
  });
  napi_add_env_cleanup_hook(call.env, close_pool, opened);
  return handle;
}

napi_value close(const Call& call) {
  close_pool(call.held<Kernels>());
  return nullptr;
}

napi_value detail(const Call& call) { return call.give(call.kernels().arithmetic->name); }
napi_value threads(const Call& call) { return call.give(double(call.kernels().pool->size())); }

/** `misalignment(bytes)`: distance of an array from the cache line before it. */
napi_value misalignment(const Call& call) {
  return call.give(double(reinterpret_cast<uintptr_t>(call.view(0).data) % 64));
}

/** `moments(kernels, values, features, sum, squares, min, max)` */
napi_value moments(const Call& call) {
  const Kernels& kernels = call.kernels();
  const View values = call.view(1);
  const int features = call.size(2, "features");
  if (values.type != napi_uint8_array) refuse_type("values must be a Uint8Array");
  if (values.length % features != 0)
    refuse_range("values are not whole rows");
  double* sum = call.doubles(3, features);
  double* squares = call.doubles(4, features);
  uint8_t* min = call.array<uint8_t>(5, napi_uint8_array, features);
  uint8_t* max = call.array<uint8_t>(6, napi_uint8_array, features);
  auto strip = [&](int64_t unit, int) {
    const int from = static_cast<int>(unit) * kStrip, to = std::min(features, from + kStrip);
    kernels.arithmetic->moments(static_cast<const uint8_t*>(values.data), values.length / features, features, from, to,
                                sum + from, squares + from, min + from, max + from);
  };
  kernels.pool->each((features + kStrip - 1) / kStrip, strip);
  return nullptr;
}

/** `create(kernels, features, classes)` */
napi_value create(const Call& call) {
  const Kernels& kernels = call.kernels();
  auto holder = std::make_unique<Holder>();
  holder->pool = kernels.pool;
  holder->classifier = std::make_unique<Classifier>(kernels.pool, *kernels.arithmetic, call.size(1, "features"),
                                                    call.size(2, "classes"));
  return call.hold(std::move(holder), [](napi_env, void* data, void*) { delete static_cast<Holder*>(data); });
}

napi_value release(const Call& call) {
  call.held<Holder>()->classifier.reset();
  return nullptr;
}

/** `loaded(classifier)` */
napi_value loaded(const Call& call) {
  call.classifier().loaded();
  return nullptr;
}

/** `standardise(classifier, mean | undefined, scale | undefined)` */
napi_value standardise(const Call& call) {
  Classifier& classifier = call.classifier();
  if (call.given(1))
    classifier.standardise(call.doubles(1, classifier.features()), call.doubles(2, classifier.features()));
  else
    classifier.standardise(nullptr, nullptr);
  return nullptr;
}

/** `step(classifier, W, b, values, labels, eta, lambda)` */
napi_value step(const Call& call) {
  return call.give(call.classifier().step(call.parameters(1), call.rows(3), call.number(5), call.number(6)));
}

/** `accumulate(classifier, W, b, values, labels)` */
napi_value accumulate(const Call& call) {
  call.classifier().accumulate(call.parameters(1), call.rows(3));
  return nullptr;
}

/** `gradient(classifier, W, b, lambda, dW, db)` */
napi_value gradient(const Call& call) {
  return call.give(call.classifier().gradient(call.parameters(1), call.number(3), call.parameters(4)));
}

/** `evaluate(classifier, W, b, values, labels, out)`: loss and correct into `out` [2]. */
napi_value evaluate(const Call& call) {
  double* out = call.doubles(5, 2);
  const Evaluation evaluation = call.classifier().evaluate(call.parameters(1), call.rows(3));
  out[0] = evaluation.loss;
  out[1] = evaluation.correct;
  return nullptr;
}

/** `penalty(classifier, W, b)` */
napi_value penalty(const Call& call) { return call.give(call.classifier().penalty(call.parameters(1))); }

/** `logits(classifier, W, b, values, labels, out)` */
napi_value logits(const Call& call) {
  Classifier& classifier = call.classifier();
  const Labelled rows = call.rows(3);
  const size_t length = size_t(rows.rows) * classifier.classes();
  if (call.view(5).type == napi_float32_array)
    classifier.logits(call.parameters(1), rows, call.room<float>(5, napi_float32_array, length));
  else
    classifier.logits(call.parameters(1), rows, call.room<double>(5, napi_float64_array, length));
  return nullptr;
}

/** What `memory.ts` calls an `outOfMemory`. */
void throw_out_of_memory(napi_env env, const std::string& what) {
  const std::string text = "cannot allocate " + what +
                           ": the machine does not have that much memory left; use fewer rows, features or classes, "
                           "or a larger machine";
  napi_throw_range_error(env, "OUT_OF_MEMORY", text.c_str());
}

using Function = napi_value (*)(const Call&);

/** Runs `function` and turns what it throws into what JavaScript throws. */
template <Function function>
napi_value guarded(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  try {
    return function(call);
  } catch (const Refused& refused) {
    refused.raise(env, nullptr, refused.text.c_str());
  } catch (const BadLabel& bad) {
    const std::string text = "label " + std::to_string(bad.label) + " of row " + std::to_string(bad.row) +
                             " is not in 0 … " + std::to_string(call.classifier().classes() - 1);
    napi_throw_range_error(env, nullptr, text.c_str());
  } catch (const NoRows&) {
    napi_throw_range_error(env, nullptr, "expected at least one row to take a gradient of");
  } catch (const NoMemory& none) {
    throw_out_of_memory(env, std::to_string(static_cast<uint64_t>(none.bytes)) + " bytes");
  } catch (const std::bad_alloc&) {
    throw_out_of_memory(env, "what this call needs");
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

template <Function function>
void add(napi_env env, napi_value exports, const char* name) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<function>, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

}  // namespace
}  // namespace millrace

NAPI_MODULE_INIT() {
  using namespace millrace;
  add<open>(env, exports, "open");
  add<close>(env, exports, "close");
  add<detail>(env, exports, "detail");
  add<threads>(env, exports, "threads");
  add<misalignment>(env, exports, "misalignment");
  add<moments>(env, exports, "moments");
  add<create>(env, exports, "create");
  add<release>(env, exports, "release");
  add<loaded>(env, exports, "loaded");
  add<standardise>(env, exports, "standardise");
  add<step>(env, exports, "step");
  add<accumulate>(env, exports, "accumulate");
  add<gradient>(env, exports, "gradient");
  add<evaluate>(env, exports, "evaluate");
  add<penalty>(env, exports, "penalty");
  add<logits>(env, exports, "logits");
  return exports;
}
