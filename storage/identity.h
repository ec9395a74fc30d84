// Whose files these are.

#ifndef LOCKSTEP_STORAGE_IDENTITY_H_
#define LOCKSTEP_STORAGE_IDENTITY_H_

#include <string>

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

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_IDENTITY_H_
