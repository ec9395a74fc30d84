// The histories with known verdicts that are test data beside the repository.

#ifndef LOCKSTEP_TESTS_SIM_GIVEN_HISTORIES_H_
#define LOCKSTEP_TESTS_SIM_GIVEN_HISTORIES_H_

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace lockstep::sim::history {

struct GivenHistory {
  std::string path;
  std::string file;   // its name in verdicts.tsv
  std::string model;  // as verdicts.tsv has it
  bool linearizable = false;
  double porcupine_seconds = 0;  // how long Porcupine took for it
};

// The folder that holds verdicts.tsv: environment variable LOCKSTEP_HISTORIES, by default
// ../shared/histories/given as seen from LOCKSTEP_SOURCE_ROOT. Empty if neither is set.
inline std::string GivenHistoriesFolder() {
  if (const char* folder = std::getenv("LOCKSTEP_HISTORIES"); folder != nullptr) return folder;
  const char* root = std::getenv("LOCKSTEP_SOURCE_ROOT");
  return root != nullptr ? std::string(root) + "/../shared/histories/given" : "";
}

// The lines of verdicts.tsv, whose columns are named by its first line; none if there is no such
// file.
inline std::vector<GivenHistory> GivenHistories() {
  std::ifstream in(GivenHistoriesFolder() + "/verdicts.tsv");
  std::vector<GivenHistory> histories;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    std::vector<std::string> columns;
    for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
    if (columns.size() < 9) continue;
    GivenHistory history;
    history.file = columns[0];
    history.path = GivenHistoriesFolder() + "/" + columns[0];
    history.model = columns[1];
    history.linearizable = columns[2] == "ok";
    history.porcupine_seconds = std::stod(columns[8]);
    histories.push_back(history);
  }
  return histories;
}

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_TESTS_SIM_GIVEN_HISTORIES_H_
