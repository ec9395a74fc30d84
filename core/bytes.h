// An immutable string that is shared rather than copied: a command's payload is held by the log,
// by messages to several peers and by a write at the same time.

#ifndef LOCKSTEP_CORE_BYTES_H_
#define LOCKSTEP_CORE_BYTES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace lockstep {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string bytes)
      : bytes_(bytes.empty() ? nullptr : std::make_shared<const std::string>(std::move(bytes))) {}

  std::string_view view() const { return bytes_ ? std::string_view(*bytes_) : std::string_view(); }
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool empty() const { return bytes_ == nullptr; }

  friend bool operator==(const Bytes& a, const Bytes& b) {
    return a.bytes_ == b.bytes_ || a.view() == b.view();
  }

 private:
  std::shared_ptr<const std::string> bytes_;  // null when empty
};

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_BYTES_H_
