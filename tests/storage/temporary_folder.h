// A folder of a test's own that goes with it, and what its files hold.

#ifndef LOCKSTEP_TESTS_STORAGE_TEMPORARY_FOLDER_H_
#define LOCKSTEP_TESTS_STORAGE_TEMPORARY_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace lockstep::storage {

class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  // The bytes of every file, by name.
  std::map<std::string, std::string> Contents() const;

  // Of one file; 0 if there is none.
  std::uintmax_t SizeOf(const std::string& name) const;

  // Removes all files.
  void Clear() const;
  // Clears, then writes these files.
  void Restore(const std::map<std::string, std::string>& contents) const;

 private:
  std::filesystem::path path_;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_TESTS_STORAGE_TEMPORARY_FOLDER_H_
