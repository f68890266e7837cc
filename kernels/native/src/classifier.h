// A softmax classifier: its memory, and the order in which the arithmetic is done.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "arithmetic.h"
#include "pool.h"

namespace millrace {

/** Memory that could not be had: how much. */
struct NoMemory {
  double bytes;
};

/** Zeroed memory on a cache line of its own. Throws NoMemory. */
template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(size_t length) : length_(length) {
    if (length > PTRDIFF_MAX / sizeof(T)) throw NoMemory{double(length) * sizeof(T)};
    memory_.reset(static_cast<T*>(::operator new(length * sizeof(T), kLine, std::nothrow)));
    if (!memory_) throw NoMemory{double(length) * sizeof(T)};
    std::memset(memory_.get(), 0, length * sizeof(T));
  }
  T* get() const { return memory_.get(); }
  size_t length() const { return length_; }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, kLine); }
  };
  std::unique_ptr<T[], Free> memory_;
  size_t length_ = 0;
};

/** The parameters of one call, `W` [classes, features] and `b` [classes], in memory that JavaScript owns. */
struct Parameters {
  float* W;
  float* b;
};

struct Labelled : Batch {
  const int32_t* labels;
};

/** A label that is not a class. */
struct BadLabel {
  ptrdiff_t row;
  int32_t label;
};

/** A step or a gradient without any row. */
struct NoRows {};

struct Evaluation {
  double loss;
  double correct;
};

class Classifier {
 public:
  Classifier(std::shared_ptr<Pool> pool, const Arithmetic& arithmetic, int features, int classes);

  int features() const { return model_.features; }
  int classes() const { return model_.classes; }

  /** The affine map of the rows to come, [features] each; null for none. Copied. */
  void standardise(const double* mean, const double* scale);
  /** Parameters were written from outside. */
  void loaded() { folded_ = false; }

  double step(Parameters, const Labelled&, double eta, double lambda);
  void accumulate(Parameters, const Labelled&);
  /** Writes the gradient to `W` and `b` of `out`; returns the mean loss. */
  double gradient(Parameters, double lambda, Parameters out);
  Evaluation evaluate(Parameters, const Labelled&);
  /** Sum of the squares of W. */
  double penalty(Parameters) const;
  template <class T>
  void logits(Parameters, const Batch&, T* out);

 private:
  template <class Work>
  void share(int64_t units, double multiplications, Work&& work);
  void check(const Labelled&);
  void fold(Parameters);
  void sum_bias(const float* b);
  double softmax(const Batch&, const int32_t* labels);
  void collect(const Labelled&);
  void hold_sums();
  template <class Use>
  void spend(Use use);
  double forget();

  const std::shared_ptr<Pool> pool_;
  const Arithmetic& arithmetic_;
  Model model_ = {};
  bool folded_ = false;
  Array<float> weights_, bias_, scale32_, shift32_;
  Array<double> fold_, mean_, scale_, sums_;
  Array<float> partial_;        // logits of each block, [blocks, rows, stride]
  Array<float> g_;              // [rows, stride]
  Array<float> scratch_;        // of each thread, [2, kGroup, stride]
  std::vector<int32_t> labels_;  // copied as they are checked: their memory may be shared
  std::vector<double> s_;       // sum of g over the rows of a piece, [classes]
  std::vector<double> db_;      // and over all accumulated rows
  double losses_[kPiece];
  double loss_ = 0;
  double rows_ = 0;
};

}  // namespace millrace
