// Reads the one spelling of a protobuf message that our writers use, and refuses all others that
// protobuf takes for the same: fields in another order than that of their numbers, fields that come
// twice, unknown fields, padded numbers, defaults spelled out.
//
// A field is asked for in its turn, and is read if it is the next one. What is left over in the end
// was none of the message's fields, or not in its turn.

#ifndef LOCKSTEP_CORE_KV_CANONICAL_READER_H_
#define LOCKSTEP_CORE_KV_CANONICAL_READER_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace lockstep::kv {

class CanonicalReader {
 public:
  // `bytes` are a message's; they must outlive what is read.
  explicit CanonicalReader(std::string_view bytes) : rest_(bytes) {}

  // Fields are 1 to 15, whose tags are one byte.

  // A number without presence: 0 if it is not there.
  std::uint64_t Number(unsigned field);
  // A string without presence: empty if it is not there.
  std::string_view Bytes(unsigned field);
  // A string or message with presence, or the next of a repeated field.
  std::optional<std::string_view> Present(unsigned field);

  // Whether the message is read to its end and was in order. After something that was not, nothing
  // more is there.
  bool Done() const { return rest_.empty() && !failed_; }

 private:
  bool TakeTag(unsigned field, unsigned wire_type);
  std::uint64_t TakeVarint();
  void Fail();

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_CANONICAL_READER_H_
