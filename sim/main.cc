// lockstep-sim: runs, hunts and checks. All that concerns the command line is here.

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sim/check_command.h"
#include "sim/disk/vfs.h"
#include "sim/explore/explore_command.h"
#include "sim/hunt.h"
#include "sim/run_command.h"
#include "sim/shrink_command.h"

namespace {

using lockstep::sim::kExitClean;
using lockstep::sim::kExitUsage;

constexpr char kFooter[] =
    "Exit codes: 0 clean; 1 a guarantee was found broken; 2 bad usage or input; 3 a history was "
    "too\n"
    "hard to check; 130 interrupted. docs/simulator.md tells how to read the output.";

// "90", "90s", "10m" or "2h".
std::optional<lockstep::Duration> ParseTime(const std::string& text) {
  std::int64_t unit = 1;
  std::string digits = text;
  if (!digits.empty() && digits.find_last_of("smh") == digits.size() - 1) {
    unit = digits.back() == 's' ? 1 : digits.back() == 'm' ? 60 : 3600;
    digits.pop_back();
  }
  if (digits.empty() || digits.size() > 7 ||
      digits.find_first_not_of("0123456789") != std::string::npos || std::stoll(digits) == 0) {
    return std::nullopt;
  }
  return lockstep::Seconds(std::stoll(digits) * unit);
}

// Memory that a run gives back is kept for the next: else a third of the time goes to the operating
// system, which takes back and clears the pages of every database that is closed and opened again.
void KeepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 25);
  mallopt(M_TOP_PAD, 1 << 24);
}

unsigned ProcessorCount() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Runs Lockstep clusters in a simulated world that fails, and checks every guarantee.",
      "lockstep-sim");
  app.set_version_flag("--version", "lockstep-sim " LOCKSTEP_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);

  lockstep::sim::RunCommand run;
  CLI::App* run_app = app.add_subcommand("run", "One run, told in detail");
  auto* seed = run_app->add_option("--seed", run.seed, "Draws the plan from this seed");
  auto* plan = run_app->add_option("--plan", run.plan_file, "Runs the plan in this file");
  seed->excludes(plan);
  run_app->add_flag("--trace", run.trace, "Prints everything that happens, a line each");
  run_app->add_option("--trace-json", run.trace_json,
                      "Writes the same as JSON lines to this file; - is standard output");
  run_app->add_option("--html", run.html,
                      "Writes the story of the run to this file, a page for a browser");
  run_app->add_flag("--show-plan", run.show_plan, "Prints the plan, and does not run it");
  run_app->add_flag("--double-check", run.double_check, "Runs twice and compares the traces");
  run_app->add_option("--history", run.history_file,
                      "Writes what clients did and saw to this file (docs/histories.md)");

  const auto add_beyond = [](CLI::App* command, lockstep::sim::Budget* budget) {
    command->add_flag_callback(
        "--beyond", [budget] { *budget = lockstep::sim::Budget::kBeyond; },
        "Draws plans beyond the fault model: only safety must hold (docs/fault-model.md)");
  };
  add_beyond(run_app, &run.budget);

  lockstep::sim::HuntOptions hunt;
  std::string hunt_time;
  std::string hunt_shrink_time;
  bool hunt_dry_run = false;
  hunt.jobs = ProcessorCount();
  CLI::App* hunt_app = app.add_subcommand("hunt", "Many seeds, until one fails");
  hunt_app->add_option("--seeds", hunt.seeds, "How many seeds")->check(CLI::PositiveNumber);
  hunt_app->add_option("--time", hunt_time, "For how long: 90s, 10m, 2h");
  hunt_app->add_option("--start-seed", hunt.first_seed, "The first seed")->capture_default_str();
  hunt_app->add_option("--jobs", hunt.jobs, "Processes at a time; default: one for each processor")
      ->check(CLI::Range(1, 256));
  hunt_app->add_flag("--double-check", hunt.double_check,
                     "Runs each seed twice and compares the traces");
  add_beyond(hunt_app, &hunt.budget);
  hunt_app->add_flag("--keep-going", hunt.keep_going, "Goes on after a failure");
  hunt_app->add_flag("--require-probes", hunt.require_probes,
                     "A rare state that no seed reaches is a failure too");
  hunt_app->add_flag("--shrink,!--no-shrink", hunt.shrink,
                     "Shrinks the quickest failure of each cause; the default");
  hunt_app->add_option("--shrink-time", hunt_shrink_time,
                       "How long to shrink at most, for each cause; default: 1m");
  auto* hunt_out = hunt_app->add_option(
      "--out", hunt.folder,
      "Folder for the summary and, for each cause, plans, output and page of its failure");
  hunt_app
      ->add_flag("--resume", hunt.resume, "Goes on with the hunt in the folder, if there is one")
      ->needs(hunt_out);
  hunt_app->add_flag("--json", hunt.json,
                     "Prints the summary as JSON, and all else to the standard error");
  hunt_app->add_flag("--dry-run", hunt_dry_run, "Checks these options, and does nothing");

  lockstep::sim::ShrinkCommand shrink;
  std::string shrink_time;
  shrink.jobs = ProcessorCount();
  CLI::App* shrink_app =
      app.add_subcommand("shrink", "The smallest plan that fails as a failing one does");
  auto* shrink_seed = shrink_app->add_option("--seed", shrink.seed, "The seed that fails");
  auto* shrink_plan =
      shrink_app->add_option("--plan", shrink.plan_file, "A file with the plan that fails");
  shrink_seed->excludes(shrink_plan);
  shrink_app->add_option("--out", shrink.out_file,
                         "Writes the plan to this file; default: prints it");
  shrink_app->add_option("--time", shrink_time, "For how long at most; default: 2m");
  shrink_app
      ->add_option("--jobs", shrink.jobs, "Processes at a time; default: one for each processor")
      ->check(CLI::Range(1, 256));
  shrink_app->add_flag("--double-check", shrink.double_check,
                       "Looks for a difference between two runs of the same plan");
  add_beyond(shrink_app, &shrink.budget);
  shrink_app->add_flag("--json", shrink.json, "Prints sizes, time and plan as JSON");

  std::vector<std::string> check_files;
  std::string check_model;
  CLI::App* check_app = app.add_subcommand("check", "Are these recorded histories linearizable?");
  check_app->add_option("FILES", check_files, "Histories (docs/histories.md)")->required();
  check_app->add_option("--model", check_model,
                        "register, kv, txn, mutex or store; default: what each file says");

  lockstep::sim::BenchmarkCommand benchmark;
  CLI::App* benchmark_app =
      app.add_subcommand("benchmark", "How fast are five-node clusters with faults simulated?");
  benchmark_app->footer(
      "Runs plan after plan, each with five nodes and with the settings and faults that `hunt`\n"
      "would draw from the same seed, checks them as `hunt` does, and tells the ratio of "
      "simulated\n"
      "time to processor time of one thread, final checks included.\n\n" +
      std::string(kFooter));
  benchmark_app->add_option("--seed", benchmark.seed, "The first seed")->capture_default_str();
  benchmark_app
      ->add_option("--operations-per-second", benchmark.operations_per_second,
                   "Client operations per simulated second")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  benchmark_app->add_option("--seconds", benchmark.seconds, "Simulated seconds, at least")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();

  lockstep::sim::explore::ExploreCommand explore;
  std::string explore_time;
  CLI::App* explore_app = app.add_subcommand(
      "explore", "Every history of a small cluster, up to a bound (docs/exploration.md)");
  explore_app->add_option("--scope", explore.scopes, "Only these; see --list; default: all")
      ->delimiter(',');
  explore_app->add_flag("--list", explore.list, "Prints the scopes and their bounds");
  explore_app->add_option("--nodes", explore.nodes, "Nodes")->check(CLI::Range(1, 5));
  const auto budget = [&](const char* name, std::optional<std::uint64_t>& value, const char* what) {
    explore_app->add_option(name, value, what)->check(CLI::Range(0, 200));
  };
  budget("--terms", explore.terms, "States in which a node is in a later term are not entered");
  budget("--timeouts", explore.timeouts, "Election timeouts that fire");
  budget("--silences", explore.silences,
         "How often a node does not hear of a leader, or a leader of anybody, for long");
  budget("--ticks", explore.ticks, "Heartbeats and retransmissions of leaders that are due");
  budget("--crashes", explore.crashes, "Crashes, each with a restart");
  budget("--writes", explore.writes, "Clients' writes");
  budget("--reads", explore.reads, "Clients' linearizable reads");
  budget("--checkpoints", explore.checkpoints, "Checkpoints, each with a compaction of the log");
  budget("--duplicates", explore.duplicates,
         "Messages that arrive twice; default: each as often as it likes");
  explore_app->add_option("--depth", explore.depth, "Steps of a history")
      ->check(CLI::PositiveNumber);
  explore_app->add_option("--states", explore.states, "Distinct states of a scope")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  explore_app->add_option("--memory", explore.memory_megabytes, "Megabytes of the process")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  explore_app->add_option("--time", explore_time,
                          "Processor time for each scope: 90s, 10m, 2h; default: no bound");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitClean : kExitUsage;
  }
  const auto usage_error = [](const std::string& what) {
    std::fprintf(stderr, "lockstep-sim: %s\n", what.c_str());
    return kExitUsage;
  };
  const auto time_error = [&](const std::string& text) {
    return usage_error("a time is like 90s, 10m or 2h, not '" + text + "'");
  };

  KeepFreedMemory();
  lockstep::sim::UseSqliteInOneThread();
  if (run_app->parsed()) {
    if (!run.seed.has_value() && !run.plan_file.has_value()) {
      return usage_error("run needs --seed N or --plan FILE");
    }
    return lockstep::sim::Run(run, argv[0]);
  }
  if (benchmark_app->parsed()) {
    return lockstep::sim::Benchmark(benchmark);
  }
  if (hunt_app->parsed()) {
    if (!hunt_time.empty()) {
      hunt.time = ParseTime(hunt_time);
      if (!hunt.time.has_value()) {
        return time_error(hunt_time);
      }
    }
    if (!hunt_shrink_time.empty()) {
      const std::optional<lockstep::Duration> time = ParseTime(hunt_shrink_time);
      if (!time.has_value()) {
        return time_error(hunt_shrink_time);
      }
      hunt.shrink_time = *time;
    }
    if (!hunt.seeds.has_value() && !hunt.time.has_value()) {
      return usage_error("hunt needs --seeds N, --time T or both");
    }
    if (hunt_dry_run) {
      std::printf("these options are fine\n");
      return kExitClean;
    }
    if (hunt.double_check) {
      hunt.run = lockstep::sim::RunPlanTwice;
    }
    return lockstep::sim::Hunt(hunt, argv[0]);
  }
  if (shrink_app->parsed()) {
    if (!shrink.seed.has_value() && !shrink.plan_file.has_value()) {
      return usage_error("shrink needs --seed N or --plan FILE");
    }
    if (!shrink_time.empty()) {
      const std::optional<lockstep::Duration> time = ParseTime(shrink_time);
      if (!time.has_value()) {
        return time_error(shrink_time);
      }
      shrink.time = *time;
    }
    return lockstep::sim::ShrinkAndTell(shrink, argv[0]);
  }
  if (explore_app->parsed()) {
    if (!explore_time.empty()) {
      explore.time = ParseTime(explore_time);
      if (!explore.time.has_value()) {
        return usage_error("--time is like 90s, 10m or 2h, not '" + explore_time + "'");
      }
    }
    return lockstep::sim::explore::Explore(explore, argv[0]);
  }
  std::optional<lockstep::sim::history::Model> model;
  if (!check_model.empty()) {
    model = lockstep::sim::history::ModelNamed(check_model);
    if (!model.has_value()) {
      return usage_error("--model is register, kv, txn, mutex or store, not '" + check_model + "'");
    }
  }
  return lockstep::sim::CheckFiles(check_files, model, std::cout, std::cerr);
}
