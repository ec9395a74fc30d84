// How long the checker takes for each of the given histories, beside what Porcupine took.
//
//   LOCKSTEP_HISTORIES=folder linearizability_benchmark
//
// Prints a line for each history, best of three runs: milliseconds of CPU here, milliseconds of
// Porcupine as verdicts.tsv has them, steps, verdict; a star where it is slower than twice
// Porcupine's time (and than 1 ms). Reading the file is not measured. Exits with 1 if a verdict is
// wrong.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>

#include "sim/history_file.h"
#include "sim/oracles/linearizability.h"
#include "tests/sim/given_histories.h"

namespace lockstep::sim::history {
namespace {

constexpr int kRuns = 3;

struct Timed {
  double milliseconds = std::numeric_limits<double>::max();
  CheckReport report;
};

Timed TimeCheck(const History& history) {
  Timed timed;
  for (int run = 0; run < kRuns; ++run) {
    const std::clock_t begin = std::clock();
    timed.report = CheckLinearizability(history, {.explain = false}).value();
    const auto taken = static_cast<double>(std::clock() - begin);
    timed.milliseconds = std::min(timed.milliseconds, taken * 1000 / CLOCKS_PER_SEC);
  }
  return timed;
}

int Main() {
  const std::vector<GivenHistory> given = GivenHistories();
  if (given.empty()) {
    std::fprintf(stderr, "no histories: set LOCKSTEP_HISTORIES to the folder of verdicts.tsv\n");
    return 2;
  }
  int wrong = 0;
  int slow = 0;
  double total = 0;
  double porcupine_total = 0;
  std::printf("%10s %10s %10s  verdict\n", "ms", "porcupine", "steps");
  for (const GivenHistory& one : given) {
    const auto history = ReadHistoryFile(one.path);
    if (!history.ok()) {
      std::printf("%s\n", std::string(history.status().message()).c_str());
      ++wrong;
      continue;
    }
    const Timed timed = TimeCheck(*history);
    const Verdict expected = one.linearizable ? Verdict::kLinearizable : Verdict::kIllegal;
    const bool right = timed.report.verdict == expected;
    const double porcupine = one.porcupine_seconds * 1000;
    const bool is_slow = timed.milliseconds > std::max(2 * porcupine, 1.0);
    wrong += right ? 0 : 1;
    slow += is_slow ? 1 : 0;
    total += timed.milliseconds;
    porcupine_total += porcupine;
    std::printf("%10.3f %10.3f %10llu  %s%s  %s%s\n", timed.milliseconds, porcupine,
                static_cast<unsigned long long>(timed.report.steps), Name(timed.report.verdict),
                right ? "" : " (WRONG)", one.file.c_str(), is_slow ? "  *" : "");
  }
  std::printf("%zu histories, %.1f ms here, %.1f ms in Porcupine, %d wrong, %d slow\n",
              given.size(), total, porcupine_total, wrong, slow);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lockstep::sim::history

int main() { return lockstep::sim::history::Main(); }
