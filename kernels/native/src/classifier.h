// A softmax classifier: its memory, and the order of its arithmetic.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "arithmetic.h"
#include "pool.h"

namespace millrace {

/** Thrown if memory cannot be allocated. */
struct OutOfMemory {
  double bytes;
};

/** Zeroed memory that begins on a cache line. Throws OutOfMemory. */
template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(size_t length) {
    if (length > PTRDIFF_MAX / sizeof(T)) throw OutOfMemory{double(length) * sizeof(T)};
    memory_.reset(static_cast<T*>(::operator new(length * sizeof(T), kLine, std::nothrow)));
    if (!memory_) throw OutOfMemory{double(length) * sizeof(T)};
    std::memset(memory_.get(), 0, length * sizeof(T));
  }
  T* get() const { return memory_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, kLine); }
  };
  std::unique_ptr<T[], Free> memory_;
};

/** `W` [classes, features] and `b` [classes] in memory of JavaScript, valid during one call. */
struct Parameters {
  float* W;
  float* b;
};

/** A step of an update rule, see `Update`. */
struct Step {
  double eta;
  double lambda;
  Rule rule = Rule::sgd;
  const double* numbers = nullptr;
  float* first = nullptr;
  float* second = nullptr;
  float* db = nullptr;  // rules other than sgd leave b as it is, and write its mean gradient here, [classes]
};

/** Rows with a class each, [rows]. */
struct LabelledBatch : Batch {
  const int32_t* labels;
};

constexpr int kProductRows = 40;  // rows of slopes in one unit of `input_slopes`

/** Values of working memory that a thread needs. */
constexpr Size scratch_length(Size classes, Size stride) {
  const Size outputs = 2 * kGroup * stride, product = kStrip * classes;
  return (outputs > product ? outputs : product) + kPad - (outputs > product ? outputs : product) % kPad;
}

constexpr Size parts(Size n, Size of) { return (n + of - 1) / of; }

/** Returns the number of rows in one unit of forward work. */
inline int group_size(const Batch& rows, Size group) {
  const Size left = rows.rows - group * kGroup;
  return static_cast<int>(left < kGroup ? left : kGroup);
}

/** Thrown if a label is not a class. */
struct BadLabel {
  Size row;
  int32_t label;
};

/** Thrown if a step or a gradient has no rows. */
struct NoRows {};

/** Sums over rows. */
struct Evaluation {
  double loss;
  double correct;  // number of rows whose largest logit is that of the label
};

/**
 * A softmax classifier. JavaScript keeps the parameters and passes them to every call. Throws BadLabel before anything
 * changes.
 */
class Classifier {
 public:
  /** `wide`: for a layer of a network, see `Model`. */
  Classifier(std::shared_ptr<Pool> pool, const Arithmetic& arithmetic, Size features, Size classes, bool wide);

  /** Returns the bytes that the constructor allocates. */
  static double bytes(Size features, Size classes, int threads, bool wide);

  Size features() const { return model_.features; }
  Size classes() const { return model_.classes; }

  /** Sets the affine map of the rows to come, [features] each, or null for none. The arrays are copied. */
  void standardise(const double* mean, const double* scale);
  /** Must be called after JavaScript has written to the parameters. */
  void loaded() { is_folded_ = false; }
  /** Must be called after JavaScript has written to the biases alone, after a step. */
  void loaded_bias(Parameters parameters) { sum_bias(parameters.b); }

  /** Updates the parameters with the gradient of these rows and the accumulated ones; returns the mean loss before. */
  double step(Parameters, const LabelledBatch&, const Step&);
  /** Adds the gradient of these rows to the sums of the step. */
  void accumulate(Parameters, const LabelledBatch&);
  /** Writes the mean gradient of the accumulated rows to `out` and returns their mean loss. Clears the sums. */
  double gradient(Parameters, double lambda, Parameters out);
  /** Returns the loss and the number of correct rows. */
  Evaluation evaluate(Parameters, const LabelledBatch&);
  /** Returns the sum of the squares of W. */
  double penalty(Parameters) const;
  /** Writes the logits of the rows to `out` [rows, classes]. */
  template <class T>
  void logits(Parameters, const Batch&, T* out);

  // The same for a layer inside a network, whose loss is computed elsewhere. `slopes` [rows, classes] has the derivative
  // of the loss by each output.

  /** Adds the gradient of these rows to the sums of the step. */
  void accumulate_slopes(Parameters, const Batch&, const float* slopes);
  /** Updates the parameters with the gradient of these rows and the accumulated ones. */
  void step_slopes(Parameters, const Batch&, const float* slopes, const Step&);
  /** Writes the outputs, or with `is_relu` `max(0, output)`, to `out` [rows, classes]. */
  void outputs(Parameters, const Batch&, bool is_relu, float* out);
  /**
   * Writes the derivative of the loss by each input of the layer, `slopes W`, to `out` [rows, features]; 0 where `relu` of
   * the same shape is 0, unless it is null.
   */
  void input_slopes(Parameters, const float* slopes, Size rows, const float* relu, float* out);

 private:
  struct Lengths;

  // With fewer multiplications, a phase ends before another thread has noticed that it began.
  static constexpr double kMinSharedWork = 100000;

  /** Calls `work(unit, thread)` for every unit, on all threads if there is enough work. The results are the same. */
  template <class Work>
  void share(int64_t units, double multiplications, Work&& work) {
    if (multiplications >= kMinSharedWork) return pool_->run(units, work);
    for (int64_t unit = 0; unit < units; unit++) work(unit, 0);
  }
  void check(const LabelledBatch&);
  void fold(Parameters);
  void sum_bias(const float* b);
  void forward_blocks(const Batch&);
  float* sum_blocks(const Batch&, Size group);
  double softmax(const Batch&, const int32_t* labels);
  float* forward_group(const Batch&, Size group, int thread);
  void take_slopes(const float* slopes, Size rows);
  void multiply_slopes(Parameters, const float* slopes, Size rows, const float* relu, float* out);
  void add_gradient(const LabelledBatch&);
  Batch piece_of(const Batch&, Size from) const;
  void add_piece(const Batch&);
  void update(Parameters, const Batch&, const Step&);
  double descend(Parameters, const Step&);
  double descend_with_state(const Step&);
  void allocate_sums();
  template <class Use>
  void consume_gradient(Use use);
  double clear_sums();

  const std::shared_ptr<Pool> pool_;
  const Arithmetic& arithmetic_;
  Model model_ = {};
  bool is_folded_ = false;      // false if the parameters or the affine map have changed since W' was computed
  Array<float> weights_, bias_, scale32_, shift32_;
  Array<double> fold_, mean_, scale_, sums_;
  Array<float> partial_;        // logits of each block, [blocks, rows, stride]
  Array<float> g_;              // [rows, stride]
  Array<float> scratch_;        // of each thread, [2, kGroup, stride]
  std::vector<int32_t> labels_;  // a copy that has been checked: another thread may write to the original
  std::vector<double> s_;       // sum of g over the rows of a piece, [classes]
  std::vector<double> db_;      // sum of g over all accumulated rows, [classes]
  double losses_[kPiece];       // loss of each row of a piece
  double loss_ = 0;             // sum over the accumulated rows
  double rows_ = 0;             // number of accumulated rows
};

}  // namespace millrace
