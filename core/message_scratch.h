// A protobuf message for a moment, with its parts in one piece of memory, on the stack if they are
// few: most of the time of small messages would go into allocating parts.

#ifndef LOCKSTEP_CORE_MESSAGE_SCRATCH_H_
#define LOCKSTEP_CORE_MESSAGE_SCRATCH_H_

#include <google/protobuf/arena.h>

#include <array>
#include <cstddef>

namespace lockstep {

template <class Message>
class MessageScratch {
 public:
  MessageScratch() : arena_(block_.data(), block_.size()) {}
  MessageScratch(const MessageScratch&) = delete;
  MessageScratch& operator=(const MessageScratch&) = delete;

  Message& operator*() { return *message_; }

 private:
  alignas(std::max_align_t) std::array<char, 2048> block_;
  google::protobuf::Arena arena_;
  Message* message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
};

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_MESSAGE_SCRATCH_H_
