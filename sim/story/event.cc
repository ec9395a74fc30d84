#include "sim/story/event.h"

namespace lockstep::sim::story {

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kStart:
      return "start";
    case Kind::kCrash:
      return "crash";
    case Kind::kPause:
      return "pause";
    case Kind::kResume:
      return "resume";
    case Kind::kState:
      return "state";
    case Kind::kNotice:
      return "notice";
    case Kind::kVote:
      return "vote";
    case Kind::kReset:
      return "reset";
    case Kind::kAppend:
      return "append";
    case Kind::kCompact:
      return "compact";
    case Kind::kLogBegin:
      return "log-begin";
    case Kind::kLogEnd:
      return "log-end";
    case Kind::kStateBegin:
      return "state-begin";
    case Kind::kStateEnd:
      return "state-end";
    case Kind::kSend:
      return "send";
    case Kind::kReceive:
      return "receive";
    case Kind::kDuplicate:
      return "duplicate";
    case Kind::kLost:
      return "lost";
    case Kind::kInvoke:
      return "invoke";
    case Kind::kReturn:
      return "return";
    case Kind::kRequest:
      return "request";
    case Kind::kArrive:
      return "arrive";
    case Kind::kAnswer:
      return "answer";
    case Kind::kReply:
      return "reply";
    case Kind::kFault:
      return "fault";
    case Kind::kFaultEnd:
      return "fault-end";
    case Kind::kHeal:
      return "heal";
    case Kind::kVerdict:
      return "verdict";
  }
  return "?";
}

const char* NumberName(Kind kind) {
  switch (kind) {
    case Kind::kVote:
    case Kind::kReset:
    case Kind::kAppend:
    case Kind::kCompact:
    case Kind::kLogBegin:
    case Kind::kLogEnd:
      return "write";
    case Kind::kStateBegin:
    case Kind::kStateEnd:
      return "checkpoint";
    case Kind::kSend:
    case Kind::kReceive:
    case Kind::kDuplicate:
    case Kind::kLost:
      return "message";
    case Kind::kInvoke:
    case Kind::kReturn:
      return "operation";
    case Kind::kRequest:
    case Kind::kArrive:
    case Kind::kAnswer:
    case Kind::kReply:
      return "request";
    case Kind::kFault:
    case Kind::kFaultEnd:
      return "fault";
    case Kind::kStart:
    case Kind::kCrash:
    case Kind::kPause:
    case Kind::kResume:
    case Kind::kState:
    case Kind::kNotice:
    case Kind::kHeal:
    case Kind::kVerdict:
      return nullptr;
  }
  return nullptr;
}

std::string Who(const Event& event) {
  switch (event.kind) {
    case Kind::kInvoke:
    case Kind::kReturn:
    case Kind::kRequest:
    case Kind::kReply:
      return "c" + std::to_string(event.client.value_or(0));
    case Kind::kFault:
    case Kind::kFaultEnd:
    case Kind::kHeal:
      return "FAULT";
    case Kind::kVerdict:
      return "END";
    default:
      return "n" + std::to_string(event.node.value);
  }
}

}  // namespace lockstep::sim::story
