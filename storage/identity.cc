#include "storage/identity.h"

namespace lockstep::storage {

std::string ToText(const Identity& identity) {
  return "node " + std::to_string(identity.node.value) + " of cluster " +
         std::to_string(identity.cluster.value);
}

}  // namespace lockstep::storage
