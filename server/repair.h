// What a node does about damaged files of its own: it puts them aside and joins its cluster anew,
// as somebody who has everything to learn and has promised nothing, in the place of the member that
// it was. Nobody has to be asked, and nothing is guessed from what is left.

#ifndef LOCKSTEP_SERVER_REPAIR_H_
#define LOCKSTEP_SERVER_REPAIR_H_

#include <cstddef>
#include <optional>
#include <string>

#include "server/config.h"
#include "server/log.h"
#include "server/node.h"

namespace lockstep::server {

// So many folders of damaged files may lie in a data folder. A disk that damages more is to be
// looked at by somebody, who also decides what of it may be deleted.
inline constexpr std::size_t kDamagedFoldersMax = 3;

// Decides that the node `settings.node_id`, whose files were found to have `damage`, is made anew,
// and writes that into its folder (server/join.h): Join() then does it, now or after a crash. If
// its files are whole when they are read again, nothing is written. Otherwise returns why the node
// stays as it is: it is the only member, too many folders are there, or too little space.
std::optional<StartFailure> BeginRepair(const Settings& settings, const std::string& damage,
                                        NodeLog* log);

// A node's data is not that of the others, though its files are whole: they count as damaged from
// now on. Returns what went wrong with writing that down; then it will be found again.
std::string MarkDiverged(const std::string& data_dir, const std::string& why);
// Why, if that was done to the files in this folder.
std::optional<std::string> ReadDivergence(const std::string& data_dir);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_REPAIR_H_
