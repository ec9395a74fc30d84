// Runs server/forming.h on real machines: looks at the others over the network, keeps its state in
// the file `forming` of the data folder, and shows itself to the others.

#ifndef LOCKSTEP_SERVER_FORM_H_
#define LOCKSTEP_SERVER_FORM_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <variant>

#include "core/types.h"
#include "server/config.h"
#include "server/forming.h"
#include "server/log.h"
#include "server/node.h"

namespace lockstep::server {

// Looks at the other machines until the cluster is decided, for as long as it takes, or until
// `give_up()`: about a second after that is true, nothing (monostate) is returned. Until then it
// listens at the node's addresses: for the other machines, and for who asks of its health.
// REQUIRES: Check(settings) is OK; settings.forms(); settings.data_dir is there, and nobody else
// uses it.
std::variant<std::monostate, Proposal, StartFailure> Form(const Settings& settings,
                                                          Incarnation incarnation, NodeLog* log,
                                                          const std::function<bool()>& give_up);

// What the folder of a node knows of how its cluster was formed: nullopt if nothing; an error is
// one line. Never of a machine that is still at it, but while nobody else uses the folder.
std::variant<std::monostate, FormingState, StartFailure> ReadForming(
    const std::filesystem::path& folder);

// Marks a new folder as one of a machine that is to form a cluster, durably. Returns what went
// wrong; empty if nothing did.
std::string BeginForming(const std::filesystem::path& folder);

// What a node that runs shows to machines that are still at it.
FormingView ViewOfMember(const Settings& settings);

// Where the others, and clients, reach the node of this folder, unless its settings say so: as the
// folder's list of members has it or, of `node`, as was decided (0: not known yet).
void SetAdvertised(NodeId node, Settings* settings, NodeLog* log);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_FORM_H_
