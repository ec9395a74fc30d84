// The models as plain sequential machines, written to be obviously right and not to be fast. The
// checker searches with compiled operations (linearizability_problem.h) and uses this one to tell
// people what the state was; tests hold the two against each other.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_MODEL_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_MODEL_H_

#include <map>
#include <string>
#include <vector>

#include "sim/history.h"

namespace lockstep::sim::history {

class PlainModel {
 public:
  explicit PlainModel(const History& history) : model_(history.model), initial_(history.initial) {}

  // Executes the operation if what it returned is what it returns now (an unknown operation may
  // return anything); else changes nothing and returns false. A lock that is not free cannot be
  // acquired, even with an unknown result, nor can a free one be released.
  // REQUIRES: the operation belongs to a valid history of the model; its outcome is not kFail.
  bool Execute(const Operation& operation);

  // What is stored now: `k1 = "a", k2 = absent` for these keys, or the register or the lock.
  std::string Describe(const std::vector<std::string>& keys) const;

 private:
  // Absent, a value or a list. A list is never empty: the empty list is absent.
  struct Datum {
    Value value;
    std::vector<std::string> list;
    friend bool operator==(const Datum&, const Datum&) = default;
  };
  using Data = std::map<std::string, Datum>;

  Datum Read(const Data& data, const std::string& key) const;
  bool Holds(const Condition& condition) const;
  // Executes the steps on `data`. False if a read does not return its result, where given.
  bool Execute(const std::vector<Step>& steps, const std::vector<StepResult>* results,
               Data& data) const;
  bool ExecuteTransaction(const Operation& operation);

  Model model_;
  Value initial_;
  Data data_;  // what was written; other keys are as in the beginning
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_MODEL_H_
