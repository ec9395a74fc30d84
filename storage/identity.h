// Whose files these are.

#ifndef LOCKSTEP_STORAGE_IDENTITY_H_
#define LOCKSTEP_STORAGE_IDENTITY_H_

#include <string>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::storage {

// Kept in both files of a node: opening them as another node's is an error that names both.
struct Identity {
  ClusterId cluster;
  NodeId node;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// "node 2 of cluster 7"
std::string ToText(const Identity& identity);

// What a node's files are made with at its first start.
struct FirstStart {
  Incarnation incarnation;      // drawn at random; 0 where nobody else ever asks for it
  raft::Membership membership;  // of the cluster as it begins; Membership() to be told it

  friend bool operator==(const FirstStart&, const FirstStart&) = default;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_IDENTITY_H_
