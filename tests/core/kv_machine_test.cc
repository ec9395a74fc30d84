#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <iterator>
#include <map>
#include <ostream>

#include "core/assert.h"
#include "core/kv/codec.h"
#include "core/kv/digest.h"
#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "tests/core/kv_generators.h"
#include "tests/core/kv_log.h"
#include "tests/core/kv_plain.h"

namespace lockstep::kv {

// One entry, and what a test does after it.
struct Step {
  enum class Kind { kNoOp, kOpen, kTransact, kMangled } kind = Kind::kNoOp;
  std::uint64_t seconds = 0;  // that pass before it
  bool new_term = false;
  std::uint64_t number = 0;  // of an open: its time to live in seconds; of a transaction: which of
                             // the sessions opened so far, 0 for none
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
  Transaction transaction;
  bool special = false;  // the property's own event comes after it
};

void showValue(const Step& step, std::ostream& os) {
  os << "{kind " << static_cast<int>(step.kind) << ", +" << step.seconds << " s, new term "
     << step.new_term << ", number " << step.number << ", sequence " << step.sequence
     << ", acknowledged " << step.acknowledged << ", command "
     << testing::PrintToString(EncodeCommand(Transact{SessionId(), 0, 0, step.transaction}))
     << ", special " << step.special << "}";
}

namespace {

rc::Gen<Step> AnyStep() {
  using Kind = Step::Kind;
  return rc::gen::build<Step>(
      rc::gen::set(
          &Step::kind,
          rc::gen::weightedElement<Kind>(
              {{1, Kind::kNoOp}, {2, Kind::kOpen}, {10, Kind::kTransact}, {1, Kind::kMangled}})),
      rc::gen::set(&Step::seconds,
                   rc::gen::weightedElement<std::uint64_t>({{6, 0}, {3, 1}, {2, 2}, {1, 5}})),
      rc::gen::set(&Step::new_term, rc::gen::weightedElement<bool>({{9, false}, {1, true}})),
      rc::gen::set(&Step::number, rc::gen::inRange<std::uint64_t>(0, 6)),
      rc::gen::set(&Step::sequence, rc::gen::inRange<std::uint64_t>(0, 8)),
      rc::gen::set(&Step::acknowledged, rc::gen::inRange<std::uint64_t>(0, 6)),
      rc::gen::set(&Step::transaction, AnyTransaction()),
      rc::gen::set(&Step::special, rc::gen::weightedElement<bool>({{3, false}, {1, true}})));
}

rc::Gen<std::vector<Step>> AnySteps() { return rc::gen::container<std::vector<Step>>(AnyStep()); }

// Turns steps into entries.
class Story {
 public:
  struct Chapter {
    raft::Entry entry;
    std::optional<Command> command;  // none: a no-op, or bytes that are no command
  };

  Chapter Next(const Step& step) {
    log_.Pass(Seconds(static_cast<std::int64_t>(step.seconds)));
    if (step.new_term) term_ = term_.Next();
    Chapter chapter;
    chapter.command = CommandOf(step);
    if (chapter.command.has_value()) {
      chapter.entry = log_.Next(*chapter.command);
    } else if (step.kind == Step::Kind::kMangled) {
      chapter.entry = log_.Next(raft::EntryKind::kCommand, "not a command");
    } else {
      chapter.entry = log_.NextNoOp();
    }
    chapter.entry.term = term_;
    if (step.kind == Step::Kind::kOpen) sessions_.push_back(SessionId{chapter.entry.index.value});
    return chapter;
  }

 private:
  std::optional<Command> CommandOf(const Step& step) const {
    if (step.kind == Step::Kind::kOpen) {
      return OpenSession{Seconds(static_cast<std::int64_t>(step.number))};
    }
    if (step.kind != Step::Kind::kTransact) return std::nullopt;
    // The last ones: the first have ended in long stories. Beyond them, one that never was.
    const std::size_t skipped = sessions_.size() > 4 ? sessions_.size() - 4 : 0;
    SessionId session;
    if (step.number > 0) {
      const std::size_t position = skipped + step.number - 1;
      session = position < sessions_.size() ? sessions_[position] : SessionId{1'000'000};
    }
    return Transact{session, step.sequence, step.acknowledged, step.transaction};
  }

  Log log_;
  Term term_ = {1};
  std::vector<SessionId> sessions_;
};

// What state.db does with deltas.
struct StoredRows {
  Summary summary;
  std::map<RowId, KeyRow> keys;
  std::map<SessionId, SessionRow> sessions;

  void Add(const Delta& delta) {
    summary = delta.summary;
    RC_ASSERT(std::is_sorted(delta.removed_keys.begin(), delta.removed_keys.end()));
    RC_ASSERT(std::is_sorted(delta.removed_sessions.begin(), delta.removed_sessions.end()));
    RowId last_row;
    for (const RowId id : delta.removed_keys) RC_ASSERT(keys.erase(id) == 1u);
    for (const KeyRow& row : delta.added_keys) {
      RC_ASSERT(last_row < row.id);
      last_row = row.id;
      RC_ASSERT(keys.emplace(row.id, row).second);
    }
    SessionId last_session;
    for (const SessionId id : delta.removed_sessions) RC_ASSERT(sessions.erase(id) == 1u);
    for (const SessionRow& row : delta.changed_sessions) {
      RC_ASSERT(last_session < row.id);
      last_session = row.id;
      sessions[row.id] = row;
    }
  }

  Image ToImage() const {
    Image image;
    image.summary = summary;
    for (const auto& [id, row] : keys) image.keys.push_back(row);
    for (const auto& [id, row] : sessions) image.sessions.push_back(row);
    return image;
  }
};

RC_GTEST_PROP(MachineProperty, DoesWhatPlainMapsDo, ()) {
  const std::vector<Step> steps = *AnySteps();
  Machine machine;
  PlainMachine plain;
  Story story;
  for (const Step& step : steps) {
    const Story::Chapter chapter = story.Next(step);
    const std::optional<CommandResult> result = machine.Apply(chapter.entry);
    std::optional<CommandResult> expected =
        plain.Apply(chapter.entry.term, chapter.entry.time, chapter.command);
    if (step.kind == Step::Kind::kMangled) expected = CommandError::kUndecodable;
    RC_ASSERT(result == expected);
    Image image = plain.ToImage();
    image.summary.digest = DigestOf(image);
    RC_ASSERT(machine.ToImage() == image);
    RC_ASSERT(machine.summary() == image.summary);
    RC_ASSERT(machine.key_count() == image.keys.size());
    RC_ASSERT(machine.session_count() == image.sessions.size());
  }
}

RC_GTEST_PROP(MachineProperty, DeltasAddUpToTheState, ()) {
  const std::vector<Step> steps = *AnySteps();
  Machine machine;
  StoredRows stored;
  Story story;
  for (const Step& step : steps) {
    machine.Apply(story.Next(step).entry);
    if (!step.special) continue;
    stored.Add(machine.TakeDelta());
    RC_ASSERT(stored.ToImage() == machine.ToImage());
  }
  stored.Add(machine.TakeDelta());
  RC_ASSERT(stored.ToImage() == machine.ToImage());
}

// A replica that applied every entry, and one that was restored from a snapshot again and again.
RC_GTEST_PROP(MachineProperty, ASnapshotAndTheRestOfTheLogLeadToTheSameState, ()) {
  const std::vector<Step> steps = *AnySteps();
  Machine applied;
  Machine restored;
  StoredRows stored;
  Story story;
  for (const Step& step : steps) {
    const raft::Entry entry = story.Next(step).entry;
    RC_ASSERT(applied.Apply(entry) == restored.Apply(entry));
    RC_ASSERT(applied.summary() == restored.summary());
    if (!step.special) continue;
    std::optional<Image> image = DecodeImage(EncodeImage(applied.ToImage()));
    RC_ASSERT(image.has_value());
    // The restored machine's deltas build on the image.
    stored = StoredRows();
    stored.Add(Delta{image->summary, image->membership, {}, image->keys, {}, image->sessions});
    std::optional<Machine> machine = Machine::FromImage(*std::move(image));
    RC_ASSERT(machine.has_value());
    restored = *std::move(machine);
    RC_ASSERT(restored.ToImage() == applied.ToImage());
  }
  stored.Add(restored.TakeDelta());
  RC_ASSERT(stored.ToImage() == applied.ToImage());
}

TEST(MachineTest, BeforeTheFirstEntryIsTheEmptyImage) {
  Machine machine;
  EXPECT_EQ(machine.ToImage(), Image{});
  EXPECT_EQ(machine.summary().revision, Revision{1});
  std::optional<Machine> restored = Machine::FromImage(Image{});
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->ToImage(), Image{});
}

TEST(MachineTest, EveryEntryMovesTheSummaryAndTheDigest) {
  LoggedMachine m;
  const Summary empty = m.machine.summary();
  m.log.Pass(Seconds(1));
  EXPECT_EQ(m.machine.Apply(m.log.NextNoOp()), std::nullopt);
  const Summary summary = m.machine.summary();
  EXPECT_EQ(summary.applied_index, Index{1});
  EXPECT_EQ(summary.applied_term, Term{1});
  EXPECT_EQ(summary.time, m.log.now());
  EXPECT_EQ(summary.revision, Revision{1});
  EXPECT_NE(summary.digest, empty.digest);
}

TEST(MachineTest, EqualPutsOfDifferentKeysGiveDifferentDigests) {
  LoggedMachine a;
  LoggedMachine b;
  a.Transact(PutTransaction("k", "1"));
  b.Transact(PutTransaction("l", "1"));
  EXPECT_NE(a.machine.summary().digest, b.machine.summary().digest);
}

TEST(MachineTest, AnUndecodableCommandPassesLikeANoOp) {
  std::string newer = EncodeCommand(OpenSession{Seconds(1)});
  ASSERT_EQ(newer.substr(0, 2), "\x08\x01");  // the version
  newer[1] = 2;
  for (const std::string& payload : {newer, std::string("\x08"), std::string()}) {
    LoggedMachine a;
    LoggedMachine b;
    a.Open(Seconds(1));
    b.Open(Seconds(1));
    a.Transact(PutTransaction("k", "1"));
    b.Transact(PutTransaction("k", "1"));
    a.log.Pass(Seconds(1));
    b.log.Pass(Seconds(1));
    EXPECT_EQ(a.machine.Apply(a.log.Next(raft::EntryKind::kCommand, payload)),
              CommandResult(CommandError::kUndecodable));
    b.NoOp();
    EXPECT_EQ(a.machine.session_count(), 0u) << "its time counts";
    EXPECT_EQ(a.machine.ToImage(), b.machine.ToImage());
  }
}

TEST(MachineTest, StopsOnEntriesThatDoNotFollow) {
  const std::function<void(raft::Entry&)> kChanges[] = {
      [](raft::Entry& e) { e.index = e.index.Next(); },
      [](raft::Entry& e) { e.index = e.index.Previous(); },
      [](raft::Entry& e) { e.term = e.term.Previous(); },
      [](raft::Entry& e) { e.time.value -= 1; },
  };
  for (const auto& change : kChanges) {
    LoggedMachine m;
    m.NoOp();
    raft::Entry entry = m.log.NextNoOp();
    change(entry);
    EXPECT_THROW(m.machine.Apply(entry), AssertionFailure);
  }
}

TEST(MachineTest, CanBeMoved) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(session, 1, PutTransaction("k", "1"));
  const Image image = m.machine.ToImage();
  Machine moved = std::move(m.machine);
  EXPECT_EQ(moved.ToImage(), image);
  m.machine = std::move(moved);
  m.Transact(session, 1, PutTransaction("k", "1"));
  m.Transact(session, 2, PutTransaction("k", "2"));
  EXPECT_EQ(m.machine.Find("k")->version, 2u);
}

// An image that tells everything an image can tell.
Image RichImage() {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Open();
  m.Transact(session, 1, PutTransaction("a", "1"));
  m.Transact(session, 2, PutTransaction("b", "1"), 1);
  m.Transact(session, 3, PutTransaction("a", "2"));
  m.Transact(Transaction{{}, {Put{"c", "1"}, Put{"d", "1"}}, {}});
  return m.machine.ToImage();
}

TEST(FromImageTest, NamesWhatIsWrong) {
  struct Case {
    std::function<void(Image&)> change;
    std::string error;
  };
  const Case kCases[] = {
      {[](Image& i) { i.summary = Summary(); }, "key row 3.0 is newer than the state's revision"},
      {[](Image& i) { i.keys.clear(), i.sessions.clear(), i.summary.applied_index = Index(); },
       "the summary tells of changes before the first entry"},
      {[](Image& i) { i.summary.revision = Revision(); }, "the revision is 0"},
      {[](Image& i) { i.summary.revision = i.summary.revision.Previous(); },
       "key row 5.0 is newer than the state's revision"},
      {[](Image& i) { i.keys[0].id.revision.value -= 1; },
       "key row 2.0 is not named by its mod revision"},
      {[](Image& i) { i.keys[0].key_value.create_revision = Revision{1}; },
       "key row 3.0 was made before the first write"},
      {[](Image& i) { i.keys[0].key_value.create_revision = Revision{4}; },
       "key row 3.0 was changed before it was made"},
      {[](Image& i) { i.keys[0].key_value.version = 0; },
       "key row 3.0 has a version that is too small"},
      {[](Image& i) { i.keys[1].key_value.version = 1; },
       "key row 4.0 has a version that is too small"},
      {[](Image& i) { i.keys.insert(i.keys.begin(), i.keys[0]); },
       "key row 3.0 is out of order or twice there"},
      {[](Image& i) { std::swap(i.keys[0], i.keys[1]); },
       "key row 3.0 is out of order or twice there"},
      {[](Image& i) { i.keys[3].key_value.key = "a"; }, "key row 5.1 has the key of another row"},
      {[](Image& i) { i.keys.pop_back(); },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.keys[0].key_value.value = "2"; },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.summary.time.value += 1; },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.summary.digest += 1; },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.sessions[0].id = SessionId(); }, "session row 0 has no id"},
      {[](Image& i) { i.sessions[1].id = SessionId{100}; },
       "session row 100 was opened after the state"},
      {[](Image& i) { i.sessions[0].last_used.value += 1; },
       "session row 1 was used after the state"},
      {[](Image& i) { i.sessions[0].acknowledged = 2; },
       "session row 1 keeps a reply that was acknowledged"},
      {[](Image& i) { i.sessions[0].replies[3].revision = Revision{6}; },
       "session row 1 keeps a reply that is newer than the state"},
      {[](Image& i) { i.sessions.push_back(i.sessions[1]); },
       "session row 2 is out of order or twice there"},
      {[](Image& i) { i.sessions.pop_back(); },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.sessions[0].replies.erase(2); },
       "the rows do not have the digest that the summary tells"},
      {[](Image& i) { i.sessions[0].last_used.value -= 1; },
       "the rows do not have the digest that the summary tells"},
  };
  ASSERT_TRUE(Machine::FromImage(RichImage()).has_value());
  for (const Case& c : kCases) {
    Image image = RichImage();
    c.change(image);
    std::string error;
    EXPECT_FALSE(Machine::FromImage(image, &error).has_value()) << c.error;
    EXPECT_EQ(error, c.error);
    EXPECT_FALSE(Machine::FromImage(image).has_value()) << c.error;
  }
}

}  // namespace
}  // namespace lockstep::kv
