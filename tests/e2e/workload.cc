#include "tests/e2e/workload.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/kv/types.h"

namespace lockstep::e2e {
namespace {

namespace history = sim::history;

history::Value ValueOf(const std::optional<kv::KeyValue>& key_value) {
  return key_value ? history::Value(key_value->value) : std::nullopt;
}

// Fills in how `operation` ended; `take` reads the result of one that is done.
template <class T, class Take>
void Finish(const net::Outcome<T>& outcome, history::Operation& operation, Take take) {
  if (outcome.done()) {
    operation.outcome = history::Outcome::kOk;
    take(outcome.value());
  } else if (outcome.not_done() != nullptr) {
    operation.outcome = history::Outcome::kFail;
  }
}

// Moves a value from one key to another if it is what the client saw there last: a transaction that
// connects two keys, so that a torn one cannot hide behind checking keys apart.
kv::Transaction Move(const std::string& from, const std::string& to, const std::string& seen,
                     const std::string& value, history::Operation& operation) {
  operation.conditions = {{.kind = history::Condition::Kind::kEqual, .key = from, .value = seen}};
  operation.steps = {{.kind = history::Step::Kind::kWrite, .key = from, .value = std::nullopt},
                     {.kind = history::Step::Kind::kWrite, .key = to, .value = value}};
  operation.else_steps = {{.kind = history::Step::Kind::kRead, .key = from, .value = {}},
                          {.kind = history::Step::Kind::kRead, .key = to, .value = {}}};
  return {.conditions = {{.key = from,
                          .target = kv::Target::kValue,
                          .comparison = kv::Comparison::kEqual,
                          .value = seen,
                          .number = 0}},
          .then = {kv::Delete{from}, kv::Put{to, value}},
          .otherwise = {kv::Get{from}, kv::Get{to}}};
}

}  // namespace

Workload::Workload(Options options, std::function<std::unique_ptr<net::Client>()> new_client)
    : options_(options), new_client_(std::move(new_client)) {
  history_.model = history::Model::kStore;
  history_.name = "real processes";
  history_.source = "lockstepd on loopback, times in nanoseconds";
  next_client_ = options_.clients;
  for (int client = 0; client < options_.clients; ++client) {
    threads_.emplace_back([this, client] { Run(client); });
  }
}

Workload::~Workload() { Stop(); }

void Workload::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

std::int64_t Workload::Now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

std::optional<std::chrono::nanoseconds> Workload::FirstWriteAfter(std::int64_t since) const {
  const std::lock_guard lock(mutex_);
  std::optional<std::chrono::nanoseconds> first;
  for (auto write = written_.rbegin(); write != written_.rend() && write->second > since; ++write) {
    if (write->first >= since) {
      first = std::chrono::nanoseconds(write->second - since);
    }
  }
  return first;
}

std::chrono::nanoseconds Workload::LongestWithoutWrite(std::int64_t from, std::int64_t to) const {
  const std::lock_guard lock(mutex_);
  std::int64_t last = from;
  std::int64_t longest = 0;
  for (const auto& [called, returned] : written_) {  // in the order of returning
    if (returned >= from && returned <= to) {
      longest = std::max(longest, returned - last);
      last = returned;
    }
  }
  return std::chrono::nanoseconds(std::max(longest, to - last));
}

history::History Workload::TakeHistory() {
  const std::lock_guard lock(mutex_);
  return std::exchange(history_, {});
}

void Workload::Run(int thread) {
  const std::unique_ptr<net::Client> client = new_client_();
  Random random = Random(options_.seed).Child(static_cast<std::uint64_t>(thread));
  std::int64_t number = thread;
  std::vector<history::Value> last_seen(static_cast<std::size_t>(options_.keys));
  for (std::uint64_t count = 0; !stopping_; ++count) {
    const std::size_t at = random.Below(last_seen.size());
    const std::size_t other = at ^ 1;
    const std::string key = "k" + std::to_string(at);
    const std::string value = std::to_string(thread) + "." + std::to_string(count);
    history::Operation operation;
    operation.client = number;
    operation.key = key;
    const std::uint64_t kind = random.Below(100);
    kv::Transaction transaction;
    if (kind < 40) {
      operation.action = history::Action::kGet;
    } else if (kind < 70) {
      operation.action = history::Action::kPut;
      operation.value = value;
    } else if (kind < 90) {
      operation.action = history::Action::kCas;
      operation.expected = last_seen[at];
      operation.value = value;
    } else if (kind < 95 || !last_seen[at] || other >= last_seen.size()) {
      operation.action = history::Action::kDelete;
    } else {
      operation.action = history::Action::kCondTxn;
      operation.key.clear();
      transaction = Move(key, "k" + std::to_string(other), *last_seen[at], value, operation);
    }

    std::size_t position = 0;
    {
      const std::lock_guard lock(mutex_);
      operation.called_at = Now();
      position = history_.operations.size();
      history_.operations.push_back(operation);
    }
    switch (operation.action) {
      case history::Action::kGet:
        Finish(client->Get(key), operation, [&](const net::GetReply& reply) {
          operation.seen = last_seen[at] = ValueOf(reply.keys.at(0));
        });
        break;
      case history::Action::kPut:
        Finish(client->Put(key, value), operation,
               [&](const net::PutReply&) { last_seen[at] = value; });
        break;
      case history::Action::kCas:
        Finish(client->CompareAndSet(key, operation.expected, value), operation,
               [&](const net::ConditionalReply& reply) {
                 operation.succeeded = reply.succeeded;
                 last_seen[at] = reply.succeeded ? history::Value(value) : ValueOf(reply.current);
               });
        break;
      case history::Action::kDelete:
        Finish(client->Delete(key), operation, [&](const net::DeleteReply& reply) {
          operation.succeeded = reply.previous.has_value();
          last_seen[at] = std::nullopt;
        });
        break;
      default:
        Finish(client->Transact(transaction), operation, [&](const kv::TransactionResult& reply) {
          operation.succeeded = reply.succeeded;
          last_seen[at] = std::nullopt;
          for (const kv::OperationResult& result : reply.results) {
            history::StepResult step;
            if (const auto* get = std::get_if<kv::GetResult>(&result)) {
              step.value = ValueOf(get->found);
            }
            operation.results.push_back(std::move(step));
          }
        });
        break;
    }

    const std::lock_guard lock(mutex_);
    if (operation.outcome != history::Outcome::kUnknown) {
      operation.returned_at = Now();
      if (operation.outcome == history::Outcome::kOk && operation.action != history::Action::kGet) {
        written_.emplace_back(operation.called_at, operation.returned_at);
      }
    } else {
      number = next_client_++;
    }
    history_.operations[position] = std::move(operation);
    std::this_thread::sleep_for(options_.pause);
  }
}

}  // namespace lockstep::e2e
