#include "sim/check_command.h"

#include <algorithm>
#include <ostream>

#include "sim/history_file.h"
#include "sim/oracles/linearizability.h"

namespace lockstep::sim {
namespace {

// Worse ones are higher.
int Severity(CheckExit exit) {
  switch (exit) {
    case kCheckLinearizable:
      return 0;
    case kCheckGaveUp:
      return 1;
    case kCheckIllegal:
      return 2;
    case kCheckBadInput:
      return 3;
  }
  return 3;
}

CheckExit CheckFile(const std::string& file, std::optional<history::Model> model, std::ostream& out,
                    std::ostream& err) {
  const absl::StatusOr<history::History> read = history::ReadHistoryFile(file, model);
  if (!read.ok()) {
    err << std::string(read.status().message()) << '\n';
    return kCheckBadInput;
  }
  const absl::StatusOr<history::CheckReport> report = history::CheckLinearizability(*read);
  if (!report.ok()) {
    err << file << ": " << std::string(report.status().message()) << '\n';
    return kCheckBadInput;
  }
  out << file << ": " << history::Name(report->verdict) << " (" << history::Name(read->model)
      << ", " << read->operations.size() << " operations, " << report->groups << " key groups, "
      << report->steps << " steps)\n";
  for (const history::Violation& violation : report->violations) out << violation.text;
  switch (report->verdict) {
    case history::Verdict::kLinearizable:
      return kCheckLinearizable;
    case history::Verdict::kIllegal:
      return kCheckIllegal;
    case history::Verdict::kGaveUp:
      return kCheckGaveUp;
  }
  return kCheckBadInput;
}

}  // namespace

int CheckFiles(const std::vector<std::string>& files, std::optional<history::Model> model,
               std::ostream& out, std::ostream& err) {
  CheckExit worst = kCheckLinearizable;
  for (const std::string& file : files) {
    const CheckExit exit = CheckFile(file, model, out, err);
    if (Severity(exit) > Severity(worst)) worst = exit;
  }
  return worst;
}

}  // namespace lockstep::sim
