// The functions that JavaScript calls. They read and write arrays in place, and keep no address after a call.
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

/** An error that becomes a JavaScript error of the class that `raise` throws. */
struct ArgumentError {
  napi_status (*raise)(napi_env, const char* code, const char* text);
  std::string text;
};

[[noreturn]] void throw_type_error(const char* text) { throw ArgumentError{napi_throw_type_error, text}; }
[[noreturn]] void throw_range_error(const std::string& text) { throw ArgumentError{napi_throw_range_error, text}; }
[[noreturn]] void throw_error(const char* text) { throw ArgumentError{napi_throw_error, text}; }

/** What a handle of kernels refers to. */
struct Kernels {
  std::shared_ptr<Pool> pool;
  const Arithmetic* arithmetic;
};

/** What a handle of a classifier refers to. `classifier` is null once it has been freed. */
struct ClassifierHandle {
  std::shared_ptr<Pool> pool;
  std::unique_ptr<Classifier> classifier;
};

/** A typed array. */
struct View {
  napi_typedarray_type type;
  size_t length;
  void* data;
};

/** The arguments of one call. */
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = kMaxArguments;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }

  napi_env const env;

  /** Argument `i` as a number. */
  double number(int i) const {
    double value;
    if (napi_get_value_double(env, values_[i], &value) != napi_ok) throw_type_error("expected a number");
    return value;
  }
  /** Argument `i` as a truth value. */
  bool boolean(int i) const {
    bool value;
    if (napi_get_value_bool(env, values_[i], &value) != napi_ok) throw_type_error("expected a boolean");
    return value;
  }
  /** Argument `i` as an integer from 1 to 2^31 - 1. Products of two such numbers and of constants fit into 64 bits. */
  Size size(int i, const char* what) const {
    const double value = number(i);
    if (!(value >= 1 && value <= INT32_MAX) || value != static_cast<double>(static_cast<int32_t>(value)))
      throw_range_error(std::string(what) + " must be an integer from 1 to 2147483647");
    return static_cast<Size>(value);
  }
  /** Returns false if argument `i` is undefined. */
  bool has(int i) const {
    napi_valuetype type;
    return napi_typeof(env, values_[i], &type) == napi_ok && type != napi_undefined;
  }
  /** Argument `i` as a text; empty if it is undefined. */
  std::string text(int i) const {
    char buffer[32] = "";
    if (has(i) && napi_get_value_string_utf8(env, values_[i], buffer, sizeof buffer, nullptr) != napi_ok)
      throw_type_error("expected a string");
    return buffer;
  }
  /** Argument `i` as a typed array. */
  View view(int i) const {
    View view;
    if (napi_get_typedarray_info(env, values_[i], &view.type, &view.length, &view.data, nullptr, nullptr) != napi_ok)
      throw_type_error("expected a typed array");
    return view;
  }
  /** Argument `i` as a typed array of this type and length. */
  template <class T>
  T* array(int i, napi_typedarray_type type, size_t length) const {
    const View array = view(i);
    if (array.length != length) throw_range_error("a typed array is of the wrong length");
    return array_of_at_least<T>(i, type, length);
  }
  /** Argument `i` as a typed array of this type and at least this length. */
  template <class T>
  T* array_of_at_least(int i, napi_typedarray_type type, size_t length) const {
    const View array = view(i);
    if (array.type != type) throw_type_error("a typed array is of the wrong type");
    if (array.length < length) throw_range_error("a typed array is too short");
    return static_cast<T*>(array.data);
  }
  float* floats(int i, size_t length) const { return array<float>(i, napi_float32_array, length); }
  double* doubles(int i, size_t length) const { return array<double>(i, napi_float64_array, length); }

  /** The kernels of argument 0. Throws if they are closed. */
  Kernels& kernels() const {
    Kernels* kernels = handle<Kernels>();
    if (kernels->pool->is_closed()) throw_error("these kernels are closed");
    return *kernels;
  }
  /** The classifier of argument 0. Throws if it was freed, or if its kernels are closed. */
  Classifier& classifier() const {
    ClassifierHandle* owner = handle<ClassifierHandle>();
    if (!owner->classifier) throw_error("this classifier was freed");
    if (owner->pool->is_closed()) throw_error("the kernels of this classifier are closed");
    return *owner->classifier;
  }
  /** The object that the handle in argument 0 refers to. */
  template <class T>
  T* handle() const {
    void* data;
    if (napi_get_value_external(env, values_[0], &data) != napi_ok) throw_type_error("expected a handle");
    return static_cast<T*>(data);
  }

  /** Arguments `i` and `i + 1` as W and b. */
  Parameters parameters(int i) const {
    const Classifier& c = classifier();
    return {floats(i, c.features() * c.classes()), floats(i + 1, c.classes())};
  }
  /** Arguments from `i` on as eta and lambda, and for a rule other than sgd its numbers, the state of W, and db. */
  Step step(int i) const {
    Step step;
    step.eta = number(i);
    step.lambda = number(i + 1);
    if (!has(i + 2)) return step;
    const Classifier& c = classifier();
    step.numbers = array_of_at_least<double>(i + 2, napi_float64_array, 2);
    if (!(step.numbers[0] >= 1 && step.numbers[0] <= 3)) throw_range_error("the rule must be 1, 2 or 3");
    step.rule = static_cast<Rule>(static_cast<int>(step.numbers[0]));
    if (step.rule == Rule::adam) array_of_at_least<double>(i + 2, napi_float64_array, 7);
    step.first = floats(i + 3, c.features() * c.classes());
    step.second = floats(i + 4, c.features() * c.classes());
    step.db = floats(i + 5, c.classes());
    return step;
  }
  /** Arguments `i` and `i + 1` as values and labels. */
  LabelledBatch rows(int i) const {
    const View values = view(i), labels = view(i + 1);
    if (labels.type != napi_int32_array) throw_type_error("labels must be an Int32Array");
    if (values.type != napi_uint8_array && values.type != napi_float32_array)
      throw_type_error("values must be a Uint8Array or a Float32Array");
    const size_t features = classifier().features();
    if (values.length < labels.length * features) throw_range_error("too few values");
    LabelledBatch rows;
    rows.values = values.data;
    rows.bytes = values.type == napi_uint8_array;
    rows.rows = static_cast<Size>(labels.length);
    rows.labels = static_cast<const int32_t*>(labels.data);
    return rows;
  }

  napi_value to_js(double value) const {
    napi_value result;
    napi_create_double(env, value, &result);
    return result;
  }
  napi_value to_js(const char* text) const {
    napi_value result;
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
    return result;
  }
  /** Makes a handle that owns `object`. */
  template <class T>
  napi_value new_handle(std::unique_ptr<T> object, napi_finalize finalize) const {
    napi_value result;
    if (napi_create_external(env, object.get(), finalize, nullptr, &result) != napi_ok) throw_error("out of handles");
    object.release();
    return result;
  }

 private:
  static constexpr size_t kMaxArguments = 12;
  napi_value values_[kMaxArguments];
};

void close_pool(void* kernels) { static_cast<Kernels*>(kernels)->pool->close(); }

/** `open(threads, isa | undefined)`: kernels with the named instructions, or with the best that this processor has. */
napi_value open(const Call& call) {
  const int threads = static_cast<int>(call.size(0, "threads"));
  const std::string isa = call.text(1);
  const Arithmetic* arithmetic = nullptr;
  for (const Arithmetic* candidate : {avx512(), avx2(), portable()}) {
    if (candidate && !arithmetic && (isa.empty() || isa == candidate->name)) arithmetic = candidate;
  }
  if (!arithmetic) throw_error(("this processor has no " + isa).c_str());
  auto kernels = std::make_unique<Kernels>(Kernels{std::make_shared<Pool>(threads), arithmetic});
  Kernels* opened = kernels.get();
  const napi_value handle = call.new_handle(std::move(kernels), [](napi_env env, void* data, void*) {
    // Does not close the pool: classifiers that are still in use share it, and the last of them destroys it.
    napi_remove_env_cleanup_hook(env, close_pool, data);
    delete static_cast<Kernels*>(data);
  });
  napi_add_env_cleanup_hook(call.env, close_pool, opened);
  return handle;
}

/** `close(kernels)` */
napi_value close(const Call& call) {
  close_pool(call.handle<Kernels>());
  return nullptr;
}

/** `detail(kernels)`: name of the instructions. */
napi_value detail(const Call& call) { return call.to_js(call.kernels().arithmetic->name); }
/** `threads(kernels)`: number of threads. */
napi_value threads(const Call& call) { return call.to_js(double(call.kernels().pool->size())); }

/** `misalignment(array)`: bytes from the start of a cache line to the array. */
napi_value misalignment(const Call& call) {
  return call.to_js(double(reinterpret_cast<uintptr_t>(call.view(0).data) % 64));
}

/** `moments(kernels, values, features, sum, squares, min, max)` */
napi_value moments(const Call& call) {
  const Kernels& kernels = call.kernels();
  const View values = call.view(1);
  const Size features = call.size(2, "features");
  if (values.type != napi_uint8_array) throw_type_error("values must be a Uint8Array");
  if (values.length % features != 0) throw_range_error("values are not whole rows");
  double* sum = call.doubles(3, features);
  double* squares = call.doubles(4, features);
  uint8_t* min = call.array<uint8_t>(5, napi_uint8_array, features);
  uint8_t* max = call.array<uint8_t>(6, napi_uint8_array, features);
  auto strip = [&](int64_t unit, int) {
    const Size from = unit * kStrip, to = std::min(features, from + kStrip);
    kernels.arithmetic->moments(static_cast<const uint8_t*>(values.data), values.length / features, features, from, to,
                                sum + from, squares + from, min + from, max + from);
  };
  kernels.pool->run((features + kStrip - 1) / kStrip, strip);
  return nullptr;
}

/** `create(kernels, features, classes, isInNetwork)` */
napi_value create(const Call& call) {
  const Kernels& kernels = call.kernels();
  auto handle = std::make_unique<ClassifierHandle>();
  handle->pool = kernels.pool;
  handle->classifier = std::make_unique<Classifier>(kernels.pool, *kernels.arithmetic, call.size(1, "features"),
                                                    call.size(2, "classes"), call.boolean(3));
  const napi_finalize destroy = [](napi_env, void* data, void*) { delete static_cast<ClassifierHandle*>(data); };
  return call.new_handle(std::move(handle), destroy);
}

/** `memory(kernels, features, classes, isInNetwork)`: the bytes that `create` allocates. */
napi_value memory(const Call& call) {
  return call.to_js(Classifier::bytes(call.size(1, "features"), call.size(2, "classes"), call.kernels().pool->size(),
                                      call.boolean(3)));
}

/** `release(classifier)`: frees the memory of the classifier. */
napi_value release(const Call& call) {
  call.handle<ClassifierHandle>()->classifier.reset();
  return nullptr;
}

/** `loaded(classifier)`: must be called after W or b were written in JavaScript. */
napi_value loaded(const Call& call) {
  call.classifier().loaded();
  return nullptr;
}

/** `loadedBias(classifier, W, b)`: must be called after b alone was written in JavaScript, after a step. */
napi_value loaded_bias(const Call& call) {
  call.classifier().loaded_bias(call.parameters(1));
  return nullptr;
}

/** `standardise(classifier, mean | undefined, scale | undefined)` */
napi_value standardise(const Call& call) {
  Classifier& classifier = call.classifier();
  if (call.has(1))
    classifier.standardise(call.doubles(1, classifier.features()), call.doubles(2, classifier.features()));
  else
    classifier.standardise(nullptr, nullptr);
  return nullptr;
}

/** `step(classifier, W, b, values, labels, eta, lambda, ...rule)`: returns the mean loss. */
napi_value step(const Call& call) {
  return call.to_js(call.classifier().step(call.parameters(1), call.rows(3), call.step(5)));
}

/** `accumulate(classifier, W, b, values, labels)` */
napi_value accumulate(const Call& call) {
  call.classifier().accumulate(call.parameters(1), call.rows(3));
  return nullptr;
}

/** `gradient(classifier, W, b, lambda, dW, db)`: writes to dW and db, and returns the mean loss. */
napi_value gradient(const Call& call) {
  return call.to_js(call.classifier().gradient(call.parameters(1), call.number(3), call.parameters(4)));
}

/** `evaluate(classifier, W, b, values, labels, out)`: writes the loss and the number of correct rows to `out` [2]. */
napi_value evaluate(const Call& call) {
  double* out = call.doubles(5, 2);
  const Evaluation evaluation = call.classifier().evaluate(call.parameters(1), call.rows(3));
  out[0] = evaluation.loss;
  out[1] = evaluation.correct;
  return nullptr;
}

/** `penalty(classifier, W, b)` */
napi_value penalty(const Call& call) { return call.to_js(call.classifier().penalty(call.parameters(1))); }

/** `logits(classifier, W, b, values, labels, out)` */
napi_value logits(const Call& call) {
  Classifier& classifier = call.classifier();
  const LabelledBatch rows = call.rows(3);
  const size_t length = rows.rows * classifier.classes();
  if (call.view(5).type == napi_float32_array)
    classifier.logits(call.parameters(1), rows, call.array_of_at_least<float>(5, napi_float32_array, length));
  else
    classifier.logits(call.parameters(1), rows, call.array_of_at_least<double>(5, napi_float64_array, length));
  return nullptr;
}

/** `accumulateSlopes(classifier, W, b, values, labels, slopes)`: `slopes` [rows, classes]. */
napi_value accumulate_slopes(const Call& call) {
  Classifier& classifier = call.classifier();
  const LabelledBatch rows = call.rows(3);
  const float* slopes = call.array_of_at_least<float>(5, napi_float32_array, rows.rows * classifier.classes());
  classifier.accumulate_slopes(call.parameters(1), rows, slopes);
  return nullptr;
}

/** `stepSlopes(classifier, W, b, values, labels, slopes, eta, lambda, ...rule)` */
napi_value step_slopes(const Call& call) {
  Classifier& classifier = call.classifier();
  const LabelledBatch rows = call.rows(3);
  const float* slopes = call.array_of_at_least<float>(5, napi_float32_array, rows.rows * classifier.classes());
  classifier.step_slopes(call.parameters(1), rows, slopes, call.step(6));
  return nullptr;
}

/** `outputs(classifier, W, b, values, labels, out, isRelu)`: writes to `out` [rows, classes]. */
napi_value outputs(const Call& call) {
  Classifier& classifier = call.classifier();
  const LabelledBatch rows = call.rows(3);
  float* out = call.array_of_at_least<float>(5, napi_float32_array, rows.rows * classifier.classes());
  classifier.outputs(call.parameters(1), rows, call.boolean(6), out);
  return nullptr;
}

/** `inputSlopes(classifier, W, b, slopes, rows, out, relu | undefined)`: writes to `out` [rows, features]. */
napi_value input_slopes(const Call& call) {
  Classifier& classifier = call.classifier();
  const Size rows = call.size(4, "rows");
  const float* slopes = call.array_of_at_least<float>(3, napi_float32_array, rows * classifier.classes());
  float* out = call.array_of_at_least<float>(5, napi_float32_array, rows * classifier.features());
  const size_t length = rows * classifier.features();
  const float* relu = call.has(6) ? call.array_of_at_least<float>(6, napi_float32_array, length) : nullptr;
  classifier.input_slopes(call.parameters(1), slopes, rows, relu, out);
  return nullptr;
}

/** Throws the same error as `outOfMemory` in `memory.ts`. */
void throw_out_of_memory(napi_env env, const std::string& what) {
  const std::string text = "cannot allocate " + what +
                           ": the machine does not have that much memory left; use fewer rows, features or classes, "
                           "or a larger machine";
  napi_throw_range_error(env, "OUT_OF_MEMORY", text.c_str());
}

using Function = napi_value (*)(const Call&);

/** Calls `function`, and turns the errors it throws into JavaScript errors. */
template <Function function>
napi_value guarded(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  try {
    return function(call);
  } catch (const ArgumentError& error) {
    error.raise(env, nullptr, error.text.c_str());
  } catch (const BadLabel& bad) {
    const std::string text = "label " + std::to_string(bad.label) + " of row " + std::to_string(bad.row) +
                             " is not in 0 … " + std::to_string(call.classifier().classes() - 1);
    napi_throw_range_error(env, nullptr, text.c_str());
  } catch (const NoRows&) {
    napi_throw_range_error(env, nullptr, "expected at least one row to take a gradient of");
  } catch (const OutOfMemory& error) {
    throw_out_of_memory(env, std::to_string(static_cast<uint64_t>(error.bytes)) + " bytes");
  } catch (const std::bad_alloc&) {
    throw_out_of_memory(env, "what this call needs");
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

/** Adds a function to the exports of the addon. */
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
  add<memory>(env, exports, "memory");
  add<release>(env, exports, "release");
  add<loaded>(env, exports, "loaded");
  add<loaded_bias>(env, exports, "loadedBias");
  add<standardise>(env, exports, "standardise");
  add<step>(env, exports, "step");
  add<accumulate>(env, exports, "accumulate");
  add<gradient>(env, exports, "gradient");
  add<evaluate>(env, exports, "evaluate");
  add<penalty>(env, exports, "penalty");
  add<logits>(env, exports, "logits");
  add<accumulate_slopes>(env, exports, "accumulateSlopes");
  add<step_slopes>(env, exports, "stepSlopes");
  add<outputs>(env, exports, "outputs");
  add<input_slopes>(env, exports, "inputSlopes");
  return exports;
}
