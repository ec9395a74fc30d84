#include "sim/oracles/majorities.h"

namespace lockstep::sim {
namespace {

struct Count {
  std::size_t voters = 0;
  std::size_t having = 0;

  void Add(bool has) {
    ++voters;
    having += has ? 1 : 0;
  }
  std::string Lacks(const char* who) const {
    return 2 * having > voters
               ? std::string()
               : std::to_string(having) + " of " + std::to_string(voters) + " " + who;
  }
};

}  // namespace

std::string LacksMajority(const raft::Membership& membership,
                          const std::function<bool(NodeId)>& has) {
  Count voters;
  Count leaving;
  for (const auto& [id, member] : membership.members) {
    if (member.voter) {
      voters.Add(has(id));
    }
    if (member.outgoing) {
      leaving.Add(has(id));
    }
  }
  if (std::string lacks = voters.Lacks("voters"); !lacks.empty()) {
    return lacks;
  }
  return leaving.voters == 0 ? std::string() : leaving.Lacks("voters that are leaving");
}

}  // namespace lockstep::sim
