// Folders and small files that survive a power cut.

#ifndef LOCKSTEP_SERVER_FOLDER_H_
#define LOCKSTEP_SERVER_FOLDER_H_

#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep::server {

// Each returns what went wrong, with the path in it; empty if nothing did.

// Makes `folder` and its parents where absent, durably.
std::string MakeFolder(const std::filesystem::path& folder);

// Makes `bytes` all that `path` holds, durably. A crash leaves the old contents or the new ones.
std::string ReplaceFile(const std::filesystem::path& path, std::string_view bytes);

// Renames a file of one folder into another one of the same file system, durably.
std::string MoveFile(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_FOLDER_H_
