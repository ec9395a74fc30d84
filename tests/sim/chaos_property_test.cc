// Property-based chaos: plans that RapidCheck makes up, with another distribution than plan_draw.cc
// has: short, few operations, every kind of fault as likely as any other, and amounts and times
// over their whole range. A plan that fails goes to our shrinker, which knows what a plan is.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "sim/plan.h"
#include "sim/plan_text.h"
#include "sim/run_report.h"
#include "sim/shrink.h"
#include "sim/shrink_report.h"

namespace lockstep::sim {
namespace {

using rc::gen::element;
using rc::gen::inRange;
using rc::gen::weightedElement;

constexpr std::int64_t kAmountMax = 2'000'000;

Settings AnySettings() {
  Settings settings;
  settings.nodes = *weightedElement<std::int64_t>({{1, 1}, {1, 2}, {4, 3}, {1, 4}, {3, 5}});
  settings.clients = *inRange<std::int64_t>(1, 5);
  settings.keys = *inRange<std::int64_t>(1, 5);
  settings.fault_phase_us = *inRange<std::int64_t>(0, 6'000'000);
  settings.election_timeout_us = *element<std::int64_t>(100'000, 200'000, 400'000);
  settings.heartbeat_interval_us = settings.election_timeout_us / *inRange<std::int64_t>(3, 11);
  settings.retransmit_timeout_us = settings.election_timeout_us / *inRange<std::int64_t>(1, 5);
  settings.append_entries_max = *element<std::int64_t>(1, 3, 256);
  settings.appends_in_flight_max = *element<std::int64_t>(1, 2, 64);
  settings.entries_retained = *element<std::int64_t>(0, 1, 10, 10'000);
  settings.checkpoint_entries = *element<std::int64_t>(1, 3, 10, 10'000);
  settings.lease_reads = *inRange<std::int64_t>(0, 2);
  settings.clock_drift_ppm = *element<std::int64_t>(100, 100'000, 300'000);
  settings.delay_min_us = *inRange<std::int64_t>(0, 1'000);
  settings.delay_spread_us = *inRange<std::int64_t>(0, 20'000);
  settings.loss_permille = *element<std::int64_t>(0, 10, 100, 300);
  settings.duplicate_permille = *element<std::int64_t>(0, 10, 300);
  settings.in_order = *inRange<std::int64_t>(0, 2);
  settings.cut_loses_in_flight = *inRange<std::int64_t>(0, 2);
  settings.disk_spread_us = *inRange<std::int64_t>(0, 10'000);
  settings.page_bytes = *element<std::int64_t>(512, 1024, 2048, 4096);
  settings.attempt_timeout_us = *element<std::int64_t>(100'000, 300'000, 1'000'000);
  settings.session_permille = *element<std::int64_t>(0, 500, 1000);
  settings.value_bytes = *inRange<std::int64_t>(0, 40);
  return settings;
}

Duration AnyTimeBelow(std::int64_t end_us) {
  return Microseconds(*inRange<std::int64_t>(0, end_us + 1));
}

Fault AnyFault(const Settings& settings) {
  std::vector<FaultShape> shapes;
  for (const FaultShape& shape : FaultShapes()) {
    const bool alone = !shape.peer && !shape.group && shape.kind != FaultKind::kIsolate;
    if (settings.nodes > 1 || alone) {
      shapes.push_back(shape);
    }
  }
  const FaultShape shape = *rc::gen::elementOf(shapes);
  const auto nodes = static_cast<std::uint64_t>(settings.nodes);
  Fault fault{.at = SimTime{} + AnyTimeBelow(settings.fault_phase_us), .kind = shape.kind};
  if (shape.node) {
    fault.node = *inRange<std::uint64_t>(shape.peer ? 1 : kWhoeverLeads, nodes + 1);
  }
  if (shape.peer) {
    fault.peer = 1 + (fault.node - 1 + *inRange<std::uint64_t>(1, nodes)) % nodes;
  }
  if (shape.group) {
    fault.group = *inRange<std::uint64_t>(1, (std::uint64_t{1} << nodes) - 1);
  }
  if (shape.lasts) {
    fault.lasts = AnyTimeBelow(*element<std::int64_t>(1'000, 100'000, 3'000'000));
  }
  if (shape.client) {
    fault.client = *inRange<std::uint64_t>(0, static_cast<std::uint64_t>(settings.clients));
  }
  if (shape.amount != nullptr) {
    fault.amount =
        *inRange<std::int64_t>(shape.amount_min, std::min(shape.amount_max, kAmountMax) + 1);
  }
  return fault;
}

PlannedOperation AnyOperation(const Settings& settings) {
  PlannedOperation operation{.at = SimTime{} + AnyTimeBelow(settings.fault_phase_us + 1'000'000)};
  operation.client = *inRange<std::uint64_t>(0, static_cast<std::uint64_t>(settings.clients));
  operation.action = static_cast<ClientAction>(*inRange(
      static_cast<int>(ClientAction::kGet), static_cast<int>(ClientAction::kTransfer) + 1));
  const auto chosen = *inRange<std::uint64_t>(1, std::uint64_t{1} << settings.keys);
  for (std::uint64_t key = 0; key < static_cast<std::uint64_t>(settings.keys); ++key) {
    if ((chosen >> key & 1) != 0) {
      operation.keys.push_back(key);
    }
  }
  const bool several =
      operation.action == ClientAction::kTransaction || operation.action == ClientAction::kTransfer;
  if (several && operation.keys.size() < 2) {
    operation.action = ClientAction::kCompareAndSet;
  }
  if (operation.action != ClientAction::kGet && operation.action != ClientAction::kTransaction &&
      operation.action != ClientAction::kTransfer) {
    operation.keys.resize(1);
  }
  if (operation.action == ClientAction::kGet) {
    operation.consistency =
        *rc::gen::element(Consistency::kLinearizable, Consistency::kLease,
                          Consistency::kSerializable, Consistency::kBoundedStaleness);
  }
  if (operation.consistency == Consistency::kBoundedStaleness) {
    operation.max_age = Microseconds(*inRange<std::int64_t>(1, 5'000'000));
  }
  return operation;
}

rc::Gen<Plan> AnyPlan() {
  // RapidCheck's own shrinking knows nothing of plans; ours does.
  // All at full size: RapidCheck would begin with small numbers.
  return rc::gen::noShrink(rc::gen::resize(
      rc::kNominalSize, rc::gen::exec([] {
        Plan plan;
        plan.seed = *rc::gen::arbitrary<std::uint64_t>();
        plan.settings = AnySettings();
        for (std::int64_t i = 0; i < plan.settings.nodes; ++i) {
          plan.clocks.push_back({.offset = AnyTimeBelow(3'000'000),
                                 .drift_ppm = *inRange<std::int64_t>(-100'000, 100'001)});
        }
        const int faults = *inRange(0, 25);
        for (int i = 0; i < faults; ++i) {
          plan.faults.push_back(AnyFault(plan.settings));
        }
        const int operations = *inRange(0, 60);
        for (int i = 0; i < operations; ++i) {
          plan.operations.push_back(AnyOperation(plan.settings));
        }
        const auto earlier = [](const auto& a, const auto& b) { return a.at < b.at; };
        std::stable_sort(plan.faults.begin(), plan.faults.end(), earlier);
        std::stable_sort(plan.operations.begin(), plan.operations.end(), earlier);
        return plan;
      })));
}

// Empty if `plan` runs clean, else the smallest plan that fails the same way as text, which is also
// left in a file for CI to keep.
std::string Complaint(const Plan& plan, const RunFunction& run) {
  if (!RunGuarded(run, plan, {}).failure.has_value()) {
    return "";
  }
  const ShrinkOptions options{.jobs = 1, .time = Seconds(20), .run = run};
  const std::optional<ShrinkResult> shrunk = Shrink(plan, options);
  if (!shrunk.has_value()) {
    return "fails only after other plans ran in the same process:\n" + WritePlan(plan);
  }
  const std::string text = DescribeShrunkPlan(*shrunk, "a plan of RapidCheck's");
  const char* folder = std::getenv("LOCKSTEP_ARTIFACTS");
  const std::string path =
      (folder != nullptr ? std::string(folder) + "/" : testing::TempDir()) + "chaos.plan";
  std::ofstream(path) << text;
  return text + "# in " + path + "\n";
}

RC_GTEST_PROP(ChaosTest, PlansAreValidAndSurviveTheirText, ()) {
  const Plan plan = *AnyPlan();
  RC_ASSERT(Validate(plan) == "");
  std::string error;
  const std::optional<Plan> read = ReadPlan(WritePlan(plan), &error);
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == plan);
}

RC_GTEST_PROP(ChaosTest, EveryGuaranteeHoldsUnderAnyPlan, ()) {
  const Plan plan = *AnyPlan();
  const std::string complaint = Complaint(plan, RunPlan);
  if (!complaint.empty()) {
    RC_FAIL(complaint);
  }
}

// The same with a bug: a plan with a one-way cut and a transaction is said to fail.
TEST(ChaosTest, APlanThatFailsComesOutSmall) {
  const RunFunction run = [](const Plan& plan, const RunOptions&) {
    RunResult result;
    const bool cut = std::any_of(plan.faults.begin(), plan.faults.end(), [](const Fault& fault) {
      return fault.kind == FaultKind::kOneWay;
    });
    const bool transaction = std::any_of(
        plan.operations.begin(), plan.operations.end(),
        [](const auto& operation) { return operation.action == ClientAction::kTransaction; });
    if (cut && transaction) {
      result.failure = Failure{"the planted one", "planted"};
    }
    return result;
  };
  std::string complaint;
  const rc::detail::TestResult outcome = rc::detail::checkTestable([&] {
    const Plan plan = *AnyPlan();
    if (complaint.empty()) {
      complaint = Complaint(plan, run);
    }
    RC_ASSERT(complaint.empty());
  });
  EXPECT_TRUE(outcome.template is<rc::detail::FailureResult>()) << "no such plan in all samples";
  std::string error;
  const std::optional<Plan> shrunk = ReadPlan(complaint, &error);
  ASSERT_TRUE(shrunk.has_value()) << error << "\n" << complaint;
  EXPECT_EQ(SizeOf(*shrunk),
            (PlanSize{.faults = 1, .operations = 1, .nodes = 2, .clients = 1, .keys = 2}))
      << complaint;
}

}  // namespace
}  // namespace lockstep::sim
