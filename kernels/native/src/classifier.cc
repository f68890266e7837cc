#include "classifier.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace millrace {

namespace {

// With fewer multiplications, a phase ends before another thread has noticed that it began.
constexpr double kMinSharedWork = 100000;

constexpr int padded(int n) { return (n + kPad - 1) / kPad * kPad; }
constexpr int64_t parts(int64_t n, int64_t of) { return (n + of - 1) / of; }

int group_size(const Batch& rows, int64_t group) {
  return static_cast<int>(std::min<ptrdiff_t>(kGroup, rows.rows - group * kGroup));
}

}  // namespace

Classifier::Classifier(std::shared_ptr<Pool> pool, const Arithmetic& arithmetic, int features, int classes)
    : pool_(std::move(pool)), arithmetic_(arithmetic), s_(classes), db_(classes) {
  Model& m = model_;
  m.features = features;
  m.classes = classes;
  m.width = padded(features);
  m.stride = padded(classes);
  const size_t blocks = parts(features, kBlock);
  weights_ = Array<float>(size_t(m.width) * classes);
  bias_ = Array<float>(m.stride);
  fold_ = Array<double>(parts(features, kStrip) * classes);
  mean_ = Array<double>(m.width);
  scale_ = Array<double>(m.width);
  scale32_ = Array<float>(m.width);
  shift32_ = Array<float>(m.width);
  partial_ = Array<float>(blocks * kPiece * m.stride);
  g_ = Array<float>(size_t(kPiece) * m.stride);
  scratch_ = Array<float>(size_t(pool_->size()) * 2 * kGroup * m.stride);
  m.folded = weights_.get();
  m.bias = bias_.get();
  m.fold = fold_.get();
  m.mean = mean_.get();
  m.scale = scale_.get();
  m.scale32 = scale32_.get();
  m.shift32 = shift32_.get();
  std::fill(m.bias + classes, m.bias + m.stride, -std::numeric_limits<float>::infinity());
  standardise(nullptr, nullptr);
}

void Classifier::standardise(const double* mean, const double* scale) {
  const size_t size = model_.features * sizeof(double);
  const bool is_same = mean ? model_.affine && !std::memcmp(mean_.get(), mean, size) &&
                                  !std::memcmp(scale_.get(), scale, size)
                            : !model_.affine && scale_.get()[0] == 1;
  if (is_same) return;
  for (int j = 0; j < model_.features; j++) {
    mean_.get()[j] = mean ? mean[j] : 0;
    scale_.get()[j] = scale ? scale[j] : 1;
    scale32_.get()[j] = static_cast<float>(scale_.get()[j]);
    shift32_.get()[j] = static_cast<float>(-mean_.get()[j] * scale_.get()[j]);
  }
  model_.affine = mean != nullptr;
  is_folded_ = false;
}

/** Calls `work(unit, thread)` for every unit, on all threads if there is enough work. The results are the same. */
template <class Work>
void Classifier::share(int64_t units, double multiplications, Work&& work) {
  if (multiplications >= kMinSharedWork) return pool_->run(units, work);
  for (int64_t unit = 0; unit < units; unit++) work(unit, 0);
}

/** Checks the labels and copies them to `labels_`. Throws BadLabel. */
void Classifier::check(const LabelledBatch& rows) {
  if (labels_.size() < size_t(rows.rows)) labels_.resize(rows.rows);
  const int32_t* from = rows.labels;
  int32_t* to = labels_.data();
  const uint32_t classes = model_.classes;
  for (ptrdiff_t i = 0; i < rows.rows; i++) {
    const int32_t label = static_cast<const volatile int32_t*>(from)[i];
    if (static_cast<uint32_t>(label) >= classes) throw BadLabel{i, label};
    to[i] = label;
  }
}

/** Computes W' and b' unless they are those of these parameters already. */
void Classifier::fold(Parameters parameters) {
  model_.W = parameters.W;
  if (is_folded_) return;
  share(parts(model_.features, kStrip), double(model_.features) * model_.classes,
        [&](int64_t strip, int) { arithmetic_.fold(model_, static_cast<int>(strip)); });
  sum_bias(parameters.b);
  is_folded_ = true;
}

/** Computes `b' = b - sum of W' * mean`. */
void Classifier::sum_bias(const float* b) {
  const int64_t strips = parts(model_.features, kStrip);
  for (int k = 0; k < model_.classes; k++) {
    double sum = 0;
    for (int64_t strip = 0; strip < strips; strip++) sum += model_.fold[strip * model_.classes + k];
    model_.bias[k] = static_cast<float>(b[k] - sum);
  }
}

/** Computes `g_` = softmax - onehot of at most kPiece rows, and `s_`, its sum over rows. Returns the sum of losses. */
double Classifier::softmax(const Batch& rows, const int32_t* labels) {
  const Model& m = model_;
  const int64_t groups = parts(rows.rows, kGroup);
  const ptrdiff_t block_length = rows.rows * m.stride;
  const int64_t blocks = parts(m.features, kBlock);
  const auto size = [&](int64_t group) { return group_size(rows, group); };

  share(blocks * groups, double(rows.rows) * m.features * m.classes, [&](int64_t unit, int) {
    const int64_t block = unit / groups, group = unit % groups;
    float* out = partial_.get() + block * block_length + group * kGroup * m.stride;
    arithmetic_.forward(m, rows, group * kGroup, size(group), static_cast<int>(block), true, out);
  });

  share(groups, double(rows.rows) * m.stride * 20, [&](int64_t group, int) {
    const ptrdiff_t from = group * kGroup;
    float* s = partial_.get() + from * m.stride;
    for (int64_t block = 1; block < blocks; block++)
      arithmetic_.add(s, s + block * block_length, ptrdiff_t(size(group)) * m.stride);
    for (int i = 0; i < size(group); i++) {
      arithmetic_.add(s + i * m.stride, m.bias, m.stride);
      float* g = g_.get() + (from + i) * m.stride;
      losses_[from + i] = arithmetic_.softmax(m, s + i * m.stride, labels[from + i], g).loss;
    }
  });

  double loss = 0;
  std::fill(s_.begin(), s_.end(), 0.0);
  for (ptrdiff_t i = 0; i < rows.rows; i++) {
    loss += losses_[i];
    const float* g = g_.get() + i * m.stride;
    for (int k = 0; k < m.classes; k++) s_[k] += g[k];
  }
  return loss;
}

double Classifier::step(Parameters parameters, const LabelledBatch& rows, double eta, double lambda) {
  check(rows);
  if (rows_ == 0 && rows.rows == 0) throw NoRows{};
  fold(parameters);
  const Model& m = model_;
  const int64_t strips = parts(m.features, kStrip);
  if (rows_ == 0 && rows.rows <= kPiece) {
    const double loss = softmax(rows, labels_.data());
    const Update update = {eta, lambda, double(rows.rows)};
    share(strips, double(rows.rows + 1) * m.features * m.classes, [&](int64_t strip, int) {
      arithmetic_.update(m, rows, g_.get(), s_.data(), update, static_cast<int>(strip));
    });
    for (int k = 0; k < m.classes; k++)
      parameters.b[k] = static_cast<float>(parameters.b[k] - eta * s_[k] / update.rows);
    sum_bias(parameters.b);
    return loss / update.rows;
  }
  add_gradient(rows);
  consume_gradient([&](int k, int j, double mean) {
    float& w = m.W[ptrdiff_t(k) * m.features + j];
    w = static_cast<float>(w - eta * (mean + 2 * lambda * w));
  });
  for (int k = 0; k < m.classes; k++) parameters.b[k] = static_cast<float>(parameters.b[k] - eta * db_[k] / rows_);
  is_folded_ = false;
  return clear_sums();
}

void Classifier::accumulate(Parameters parameters, const LabelledBatch& rows) {
  check(rows);
  fold(parameters);
  add_gradient(rows);
}

/** Adds the gradient of rows whose labels have been checked to the sums of the step. */
void Classifier::add_gradient(const LabelledBatch& rows) {
  const Model& m = model_;
  if (!m.sums) allocate_sums();
  const ptrdiff_t row_size = ptrdiff_t(m.features) * (rows.bytes ? 1 : sizeof(float));
  for (ptrdiff_t from = 0; from < rows.rows; from += kPiece) {
    const Batch piece = {static_cast<const char*>(rows.values) + from * row_size, rows.bytes,
                         std::min<ptrdiff_t>(kPiece, rows.rows - from)};
    loss_ += softmax(piece, labels_.data() + from);
    share(parts(m.features, kStrip), double(piece.rows) * m.features * m.classes, [&](int64_t strip, int) {
      arithmetic_.accumulate(m, piece, g_.get(), s_.data(), static_cast<int>(strip));
    });
    for (int k = 0; k < m.classes; k++) db_[k] += s_[k];
  }
  rows_ += double(rows.rows);
}

double Classifier::gradient(Parameters parameters, double lambda, Parameters out) {
  if (rows_ == 0) throw NoRows{};
  consume_gradient([&](int k, int j, double mean) {
    const ptrdiff_t at = ptrdiff_t(k) * model_.features + j;
    out.W[at] = static_cast<float>(mean + 2 * lambda * parameters.W[at]);
  });
  for (int k = 0; k < model_.classes; k++) out.b[k] = static_cast<float>(db_[k] / rows_);
  return clear_sums();
}

void Classifier::allocate_sums() {
  sums_ = Array<double>(size_t(model_.width) * model_.classes);
  model_.sums = sums_.get();
}

/** Calls `use(k, j, mean)` with the mean gradient of every weight, and sets the sums of the gradient to 0. */
template <class Use>
void Classifier::consume_gradient(Use use) {
  const Model& m = model_;
  share(parts(m.features, kStrip), double(m.features) * m.classes, [&](int64_t strip, int) {
    const int from = static_cast<int>(strip) * kStrip, to = std::min(m.features, from + kStrip);
    for (int k = 0; k < m.classes; k++) {
      double* sums = m.sums + ptrdiff_t(k) * m.width;
      for (int j = from; j < to; j++) use(k, j, sums[j] / rows_);
      std::fill(sums + from, sums + to, 0.0);
    }
  });
}

/** Sets the other sums of the step to 0. Returns the mean loss. */
double Classifier::clear_sums() {
  const double mean = loss_ / rows_;
  std::fill(db_.begin(), db_.end(), 0.0);
  loss_ = rows_ = 0;
  return mean;
}

/** Computes the outputs of one group of rows, without the biases, in the scratch memory of a thread. */
float* Classifier::forward_group(const Batch& rows, int64_t group, int thread) {
  const Model& m = model_;
  const int blocks = static_cast<int>(parts(m.features, kBlock));
  const int size = group_size(rows, group);
  float* logits = scratch_.get() + ptrdiff_t(thread) * 2 * kGroup * m.stride;
  for (int block = 0; block < blocks; block++)
    arithmetic_.forward(m, rows, group * kGroup, size, block, block == 0, logits);
  return logits;
}

Evaluation Classifier::evaluate(Parameters parameters, const LabelledBatch& rows) {
  check(rows);
  fold(parameters);
  const Model& m = model_;
  const int64_t groups = parts(rows.rows, kGroup);
  std::vector<Evaluation> parts_of(groups);
  share(groups, double(rows.rows) * m.features * m.classes, [&](int64_t group, int thread) {
    const ptrdiff_t from = group * kGroup;
    float* logits = forward_group(rows, group, thread);
    float* g = logits + kGroup * m.stride;
    Evaluation sum = {0, 0};
    const int size = group_size(rows, group);
    for (int i = 0; i < size; i++) {
      float* s = logits + i * m.stride;
      arithmetic_.add(s, m.bias, m.stride);
      const RowResult result = arithmetic_.softmax(m, s, labels_[from + i], g);
      sum.loss += result.loss;
      sum.correct += result.correct;
    }
    parts_of[group] = sum;
  });
  Evaluation total = {0, 0};
  for (const Evaluation& part : parts_of) {
    total.loss += part.loss;
    total.correct += part.correct;
  }
  return total;
}

double Classifier::penalty(Parameters parameters) const {
  constexpr ptrdiff_t kLanes = 8;  // independent sums, the same number for every instruction set
  double lanes[kLanes] = {};
  const float* w = parameters.W;
  const ptrdiff_t count = ptrdiff_t(model_.features) * model_.classes;
  ptrdiff_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (ptrdiff_t l = 0; l < kLanes; l++) lanes[l] += double(w[i + l]) * w[i + l];
  for (; i < count; i++) lanes[i % kLanes] += double(w[i]) * w[i];
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <class T>
void Classifier::logits(Parameters parameters, const Batch& rows, T* out) {
  fold(parameters);
  const Model& m = model_;
  share(parts(rows.rows, kGroup), double(rows.rows) * m.features * m.classes, [&](int64_t group, int thread) {
    const ptrdiff_t from = group * kGroup;
    const float* logits = forward_group(rows, group, thread);
    const int size = group_size(rows, group);
    for (int i = 0; i < size; i++)
      for (int k = 0; k < m.classes; k++) out[(from + i) * m.classes + k] = logits[i * m.stride + k] + m.bias[k];
  });
}

template void Classifier::logits(Parameters, const Batch&, float*);
template void Classifier::logits(Parameters, const Batch&, double*);

}  // namespace millrace
