#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include <idem/core/verdict.hpp>

// The dumb oracle: what the components should answer, written with the standard containers and
// nothing of idem but its vocabulary. Slow and plain on purpose, so that it can be checked by
// reading.

namespace idem_test {

// What an exact memory answers, apart from `full`, which depends on room and is judged by the test.
template <class Key>
class SetOracle {
 public:
  idem::Verdict insert(const Key& key) {
    return keys_.insert(key).second ? idem::Verdict::fresh : idem::Verdict::duplicate;
  }
  [[nodiscard]] idem::Verdict check(const Key& key) const {
    return keys_.count(key) == 0 ? idem::Verdict::fresh : idem::Verdict::duplicate;
  }
  bool forget(const Key& key) { return keys_.erase(key) == 1; }
  void clear() { keys_.clear(); }
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  std::set<Key> keys_;
};

// The same for keys that are known by an index: one flag each, so that millions of operations cost
// little.
class BitmapOracle {
 public:
  explicit BitmapOracle(std::size_t universe) : remembered_(universe, 0) {}

  idem::Verdict insert(std::size_t index) {
    if (remembered_[index] != 0) return idem::Verdict::duplicate;
    remembered_[index] = 1;
    ++size_;
    return idem::Verdict::fresh;
  }
  [[nodiscard]] idem::Verdict check(std::size_t index) const {
    return remembered_[index] != 0 ? idem::Verdict::duplicate : idem::Verdict::fresh;
  }
  bool forget(std::size_t index) {
    if (remembered_[index] == 0) return false;
    remembered_[index] = 0;
    --size_;
    return true;
  }
  void clear() {
    remembered_.assign(remembered_.size(), 0);
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t universe() const { return remembered_.size(); }

 private:
  std::vector<unsigned char> remembered_;
  std::size_t size_ = 0;
};

}  // namespace idem_test
