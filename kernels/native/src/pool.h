// Threads that share numbered units of work with the thread that asks for it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace {

/**
 * `each(count, work)` calls `work(unit, thread)` once for every unit and returns when all are done.
 *
 * Every thread starts on a range of its own, the same from call to call, so that data stays in its cache; then it
 * takes what is left of the others'. The caller waits for units, not for threads: a thread that is asleep, or has lost
 * its core to another program, is done without.
 */
class Pool {
 public:
  explicit Pool(int threads) : ranges_(new Range[threads]), size_(threads) {
    try {
      for (int t = 1; t < threads; t++) threads_.emplace_back([this, t] { live(t); });
    } catch (...) {
      close();
      throw;
    }
  }
  ~Pool() { close(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }
  bool closed() const { return closing_.load(std::memory_order_relaxed); }

  void close() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closing_.store(true);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  template <class Work>
  void each(int64_t count, Work& work) {
    if (threads_.empty() || count < 2) {
      for (int64_t unit = 0; unit < count; unit++) work(unit, 0);
      return;
    }
    start(count, [](void* context, int64_t unit, int thread) { (*static_cast<Work*>(context))(unit, thread); }, &work);
    share(0, job_.load(std::memory_order_relaxed));
    const auto done = [this] { return left_.load(std::memory_order_acquire) == 0; };
    if (awake(kPatience, done)) return;
    // The thread we wait for has lost its core. Asleep, we leave it ours.
    while (!done()) std::this_thread::sleep_for(std::chrono::microseconds(5));
  }

 private:
  using Call = void (*)(void*, int64_t, int);

  /** Units not yet taken. `next` carries the number of its job, so that a late thread cannot take from another. */
  struct alignas(128) Range {
    std::atomic<uint64_t> next{0};  // job << 32 | unit
    std::atomic<uint32_t> end{0};

    /** A late thread that has read the old `next` and sees the new `end` must find `next` changed when it takes. */
    void set(uint32_t job, uint32_t from, uint32_t to) {
      next.store(uint64_t(job) << 32 | UINT32_MAX, std::memory_order_relaxed);
      end.store(to, std::memory_order_release);
      next.store(uint64_t(job) << 32 | from, std::memory_order_release);
    }
  };

  using Microseconds = std::chrono::microseconds;
  static constexpr Microseconds kPatience{50};
  // Longer than the pause between two steps of training. A thread that waits awake is soon made to wait by the system.
  static constexpr Microseconds kLinger{20};

  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  /** Waits for `event` for some time, without sleeping; returns whether it came. */
  template <class Event>
  static bool awake(Microseconds time, Event event) {
    if (event()) return true;
    const auto until = std::chrono::steady_clock::now() + time;
    do {
      for (int i = 0; i < 16; i++) {
        if (event()) return true;
        relax();
      }
    } while (std::chrono::steady_clock::now() < until);
    return false;
  }

  void start(int64_t count, Call call, void* context) {
    const uint32_t job = job_.load(std::memory_order_relaxed) + 1;
    left_.store(count, std::memory_order_relaxed);
    call_.store(call, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    for (int t = 0; t < size_; t++)
      ranges_[t].set(job, static_cast<uint32_t>(count * t / size_), static_cast<uint32_t>(count * (t + 1) / size_));
    job_.store(job);
    // Without the lock, which a thread that has lost its core may hold: one that misses the call is done without.
    if (sleeping_.load() > 0) wake_.notify_all();
  }

  void share(int thread, uint32_t job) {
    for (int i = 0; i < size_; i++) {
      Range& range = ranges_[(thread + i) % size_];
      uint64_t next = range.next.load(std::memory_order_acquire);
      while (next >> 32 == job && static_cast<uint32_t>(next) < range.end.load(std::memory_order_acquire)) {
        const Call call = call_.load(std::memory_order_relaxed);
        void* context = context_.load(std::memory_order_relaxed);
        if (!range.next.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel)) continue;
        // The unit is ours, so its job cannot end before us, and what was read above belongs to it.
        call(context, static_cast<uint32_t>(next), thread);
        left_.fetch_sub(1, std::memory_order_release);
        next = range.next.load(std::memory_order_acquire);
      }
    }
  }

  void live(int thread) {
    uint32_t done = 0;
    while (!closing_.load(std::memory_order_relaxed)) {
      const uint32_t job = job_.load(std::memory_order_acquire);
      if (job == done) {
        linger(done);
        continue;
      }
      share(thread, job);
      done = job;
    }
  }

  /** Waits for a job after `done`: awake for a moment, then asleep. */
  void linger(uint32_t done) {
    if (awake(kLinger, [&] { return job_.load(std::memory_order_acquire) != done || closing_.load(); })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return job_.load() != done || closing_.load(); });
    sleeping_.fetch_sub(1);
  }

  const std::unique_ptr<Range[]> ranges_;
  const int size_;
  std::vector<std::thread> threads_;
  alignas(128) std::atomic<uint32_t> job_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  alignas(128) std::atomic<int64_t> left_{0};
  alignas(128) std::atomic<int> sleeping_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace millrace
