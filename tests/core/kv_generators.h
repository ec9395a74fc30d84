// RapidCheck's generators of what core/kv takes and makes. Keys and numbers are drawn from few, so
// that draws meet.

#ifndef LOCKSTEP_TESTS_CORE_KV_GENERATORS_H_
#define LOCKSTEP_TESTS_CORE_KV_GENERATORS_H_

#include <rapidcheck.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/types.h"

namespace lockstep::kv {

// Containers in containers grow fast.
template <class T>
rc::Gen<T> Short(rc::Gen<T> container) {
  return rc::gen::resize(8, std::move(container));
}

inline rc::Gen<std::string> AnyBytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

inline rc::Gen<std::string> AnyKey() {
  return rc::gen::weightedOneOf<std::string>(
      {{12, rc::gen::element<std::string>("a", "b", "c", "ab", "b\xff", std::string("a\0", 2),
                                          "a key that is longer than a short string may be")},
       {1, AnyBytes()}});
}

inline rc::Gen<std::string> AnyValue() {
  return rc::gen::weightedOneOf<std::string>(
      {{6, rc::gen::element<std::string>("", "1", "2", "10", std::string("\0", 1))},
       {1, rc::gen::just(std::string(300, 'v'))},
       {1, AnyBytes()}});
}

inline rc::Gen<std::uint64_t> AnyNumber() {
  return rc::gen::weightedOneOf<std::uint64_t>(
      {{8, rc::gen::inRange<std::uint64_t>(0, 8)}, {1, rc::gen::arbitrary<std::uint64_t>()}});
}

inline rc::Gen<Condition> AnyCondition() {
  return rc::gen::build<Condition>(
      rc::gen::set(&Condition::key, AnyKey()),
      rc::gen::set(&Condition::target,
                   rc::gen::element(Target::kValue, Target::kVersion, Target::kCreateRevision,
                                    Target::kModRevision)),
      rc::gen::set(&Condition::comparison,
                   rc::gen::element(Comparison::kEqual, Comparison::kNotEqual, Comparison::kLess,
                                    Comparison::kGreater)),
      rc::gen::set(&Condition::value, AnyValue()), rc::gen::set(&Condition::number, AnyNumber()));
}

inline rc::Gen<Operation> AnyOperation() {
  return rc::gen::oneOf(
      rc::gen::map(AnyKey(), [](std::string key) { return Operation(Get{std::move(key)}); }),
      rc::gen::map(rc::gen::pair(AnyKey(), AnyValue()),
                   [](std::pair<std::string, std::string> put) {
                     return Operation(Put{std::move(put.first), std::move(put.second)});
                   }),
      rc::gen::map(AnyKey(), [](std::string key) { return Operation(Delete{std::move(key)}); }));
}

// Few conditions: most of them fail.
inline rc::Gen<Transaction> AnyTransaction() {
  return rc::gen::build<Transaction>(
      rc::gen::set(&Transaction::conditions,
                   rc::gen::mapcat(rc::gen::inRange<std::size_t>(0, 3),
                                   [](std::size_t count) {
                                     return rc::gen::container<std::vector<Condition>>(
                                         count, AnyCondition());
                                   })),
      rc::gen::set(&Transaction::then, rc::gen::container<std::vector<Operation>>(AnyOperation())),
      rc::gen::set(&Transaction::otherwise,
                   rc::gen::container<std::vector<Operation>>(AnyOperation())));
}

inline rc::Gen<Command> AnyCommand() {
  return rc::gen::weightedOneOf<Command>(
      {{1, rc::gen::map(rc::gen::arbitrary<std::int64_t>(),
                        [](std::int64_t ns) { return Command(OpenSession{Duration{ns}}); })},
       {4,
        rc::gen::map(
            rc::gen::tuple(AnyNumber(), AnyNumber(), AnyNumber(), AnyTransaction()),
            [](const std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, Transaction>& parts) {
              return Command(Transact{SessionId{std::get<0>(parts)}, std::get<1>(parts),
                                      std::get<2>(parts), std::get<3>(parts)});
            })}});
}

inline rc::Gen<Revision> AnyRevision() {
  return rc::gen::map(AnyNumber(), [](std::uint64_t value) { return Revision{value}; });
}

inline rc::Gen<KeyValue> AnyKeyValue() {
  return rc::gen::build<KeyValue>(rc::gen::set(&KeyValue::key, AnyKey()),
                                  rc::gen::set(&KeyValue::value, AnyValue()),
                                  rc::gen::set(&KeyValue::create_revision, AnyRevision()),
                                  rc::gen::set(&KeyValue::mod_revision, AnyRevision()),
                                  rc::gen::set(&KeyValue::version, AnyNumber()));
}

inline rc::Gen<OperationResult> AnyOperationResult() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::arbitrary<bool>(), AnyKeyValue()),
      [](const std::tuple<int, bool, KeyValue>& parts) -> OperationResult {
        std::optional<KeyValue> key_value;
        if (std::get<1>(parts)) key_value = std::get<2>(parts);
        if (std::get<0>(parts) == 0) return GetResult{key_value};
        if (std::get<0>(parts) == 1) return PutResult{key_value};
        return DeleteResult{key_value};
      });
}

inline rc::Gen<TransactionResult> AnyTransactionResult() {
  return rc::gen::build<TransactionResult>(
      rc::gen::set(&TransactionResult::succeeded),
      rc::gen::set(&TransactionResult::revision, AnyRevision()),
      rc::gen::set(&TransactionResult::results,
                   rc::gen::container<std::vector<OperationResult>>(AnyOperationResult())));
}

// Rows of any content, fitting together or not.
inline rc::Gen<SessionRow> AnySessionRow() {
  return rc::gen::build<SessionRow>(
      rc::gen::set(&SessionRow::id,
                   rc::gen::map(AnyNumber(), [](std::uint64_t id) { return SessionId{id}; })),
      rc::gen::set(&SessionRow::time_to_live,
                   rc::gen::map(rc::gen::arbitrary<std::int64_t>(),
                                [](std::int64_t ns) { return Duration{ns}; })),
      rc::gen::set(&SessionRow::last_used,
                   rc::gen::map(AnyNumber(), [](std::uint64_t ns) { return ClusterTime{ns}; })),
      rc::gen::set(&SessionRow::acknowledged, AnyNumber()),
      rc::gen::set(&SessionRow::replies,
                   Short(rc::gen::container<std::map<std::uint64_t, TransactionResult>>(
                       AnyNumber(), AnyTransactionResult()))));
}

inline rc::Gen<KeyRow> AnyKeyRow() {
  return rc::gen::map(
      rc::gen::tuple(AnyRevision(), rc::gen::arbitrary<std::uint32_t>(), AnyKeyValue()),
      [](const std::tuple<Revision, std::uint32_t, KeyValue>& parts) {
        return KeyRow{RowId{std::get<0>(parts), std::get<1>(parts)}, std::get<2>(parts)};
      });
}

// Of one voter and a learner, with any numbers in it.
inline raft::MembershipAt MembershipWith(std::uint64_t number) {
  raft::Membership membership = raft::MembershipOf({{1 + number % 5}});
  membership.members.begin()->second.incarnation = {number};
  membership.members[membership.next_id] = {.learner = true, .promote = number % 2 == 0};
  membership.next_id = membership.next_id.Next();
  return {{number}, membership};
}

inline rc::Gen<Image> AnyImage() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::container<std::vector<std::uint64_t>>(6, AnyNumber()),
                     Short(rc::gen::container<std::vector<KeyRow>>(AnyKeyRow())),
                     Short(rc::gen::container<std::vector<SessionRow>>(AnySessionRow()))),
      [](const std::tuple<std::vector<std::uint64_t>, std::vector<KeyRow>, std::vector<SessionRow>>&
             parts) {
        const std::vector<std::uint64_t>& numbers = std::get<0>(parts);
        return Image{Summary{Index{numbers[0]}, Term{numbers[1]}, ClusterTime{numbers[2]},
                             Revision{numbers[3]}, numbers[4]},
                     MembershipWith(numbers[5]), std::get<1>(parts), std::get<2>(parts)};
      });
}

}  // namespace lockstep::kv

#endif  // LOCKSTEP_TESTS_CORE_KV_GENERATORS_H_
