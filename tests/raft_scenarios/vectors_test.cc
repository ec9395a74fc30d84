// The arithmetic of quorums and of configurations, held to tables that etcd-io/raft is tested with
// (quorum/testdata and confchange/testdata). The most telling cases are here; all of them are read
// if the tables lie beside this project's root, in shared/raft-vectors.

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/assert.h"
#include "core/raft/membership.h"

namespace lockstep::raft {
namespace {

// A case of a table: `command` with `arguments` ("cfg=(1,2)"), `input` lines, then what is
// expected.
struct Case {
  std::string where;
  std::string command;
  std::map<std::string, std::vector<std::string>> arguments;
  std::vector<std::string> input;
  std::vector<std::string> expected;
};

std::vector<std::string> Words(const std::string& text, const std::string& between) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (between.find(c) == std::string::npos) {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) {
    words.pop_back();
  }
  return words;
}

std::vector<Case> ParseCases(std::istream& in, const std::string& name) {
  std::vector<Case> cases;
  bool answers = false;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line == "----") {
      answers = true;
    } else if (line.empty()) {
      if (answers) {
        answers = false;
        cases.emplace_back();
      }
    } else if (answers) {
      cases.back().expected.push_back(line);
    } else if (line[0] != '#') {
      if (cases.empty()) {
        cases.emplace_back();
      }
      Case& current = cases.back();
      if (!current.command.empty()) {
        current.input.push_back(line);
        continue;
      }
      current.where = name + ":" + std::to_string(number);
      current.command = line.substr(0, line.find(' '));
      for (std::size_t at = line.find('='); at != std::string::npos; at = line.find('=', at + 1)) {
        const std::size_t begin = line.rfind(' ', at) + 1;
        const std::size_t end = line.find_first_of(line[at + 1] == '(' ? ")" : " ", at);
        current.arguments[line.substr(begin, at - begin)] =
            Words(line.substr(at + 1, end - at - 1), "(), ");
      }
    }
  }
  std::erase_if(cases, [](const Case& c) { return c.command.empty(); });
  return cases;
}

std::vector<NodeId> Ids(const std::vector<std::string>& words) {
  std::vector<NodeId> ids;
  for (const std::string& word : words) {
    if (word != "zero") {
      ids.push_back({std::stoull(word)});
    }
  }
  return ids;
}

// How many cases there were, and how many of them mean nothing here.
struct Count {
  int compared = 0;
  int left_out = 0;
};

// A configuration of `cfg`, joint with `cfgj` if that is not empty; each voter's value in the order
// in which they are first named, `none` for those without one.
void CompareQuorum(const Case& c, Count& count) {
  const auto argument = [&](const char* name) {
    const auto found = c.arguments.find(name);
    return found == c.arguments.end() ? std::vector<std::string>() : found->second;
  };
  const std::vector<NodeId> entered = Ids(argument("cfg"));
  const std::vector<NodeId> left = Ids(argument("cfgj"));
  if (entered.empty()) {
    ++count.left_out;  // here a quorum of nobody is no quorum, and Validate() refuses it
    return;
  }
  const bool votes = c.command == "vote";
  const std::vector<std::string> values = argument(votes ? "votes" : "idx");
  Membership membership = MembershipOf(entered);
  std::vector<NodeId> order = entered;
  for (const NodeId id : left) {
    if (membership.Find(id) == nullptr) {
      order.push_back(id);
    }
    membership.members[id].outgoing = true;
  }
  std::map<NodeId, std::string> value_of;
  for (std::size_t i = 0; i < order.size(); ++i) {
    value_of[order[i]] = i < values.size() ? values[i] : "_";
  }
  ++count.compared;
  if (!votes) {
    const auto reached = ReachedByQuorum(membership, [&](NodeId id) {
      const std::string& value = value_of.at(id);
      return value == "_" ? std::uint64_t{0} : std::stoull(value);
    });
    EXPECT_EQ(std::to_string(reached), c.expected.back()) << c.where;
    return;
  }
  const auto have = [&](const std::string& which) {
    return ReachedByQuorum(
        membership, [&](NodeId id) { return which.find(value_of.at(id)) != std::string::npos; });
  };
  EXPECT_EQ(have("y")    ? "VoteWon"
            : have("y_") ? "VotePending"
                         : "VoteLost",
            c.expected.back())
      << c.where;
}

// As etcd writes it: voters=(2 3)&&(1) learners=(4) learners_next=(1)
std::string EtcdText(const Membership& membership) {
  std::string text;
  const auto add = [&](const std::string& begin, auto&& belongs) {
    std::string ids;
    for (const auto& [id, member] : membership.members) {
      if (belongs(member)) {
        ids += (ids.empty() ? "" : " ") + std::to_string(id.value);
      }
    }
    text += ids.empty() ? "" : begin + "(" + ids + ")";
  };
  add("voters=", [](const Member& m) { return m.voter; });
  add("&&", [](const Member& m) { return m.outgoing; });
  add(" learners=", [](const Member& m) { return m.learner && !m.outgoing; });
  add(" learners_next=", [](const Member& m) { return m.learner && m.outgoing; });
  return text;
}

// One file of changes, from an empty cluster on. Where the rules differ on purpose:
// - There, ids are given by who asks, changes of what is so already are fine, and the last of
//   several changes of one member counts. Here, members get their ids when they are added, and
//   changing nothing, nobody, or one member twice is refused. So what comes in is translated.
// - There, one voter can be changed without a joint configuration. Here every change of voters goes
//   through one: it is entered and left.
// - An empty change that enters a joint configuration has no meaning here.
class Changes {
 public:
  void Compare(const Case& c, Count& count) {
    const std::string& expected = c.expected.front();
    if (c.command == "leave-joint") {
      if (skipping_) {
        skipping_ = false;
        ++count.left_out;
      } else if (expected.find("voters") != 0) {
        ++count.compared;
        EXPECT_THROW(static_cast<void>(LeaveJoint(now_)), AssertionFailure) << c.where;
      } else {
        ++count.compared;
        now_ = LeaveJoint(now_);
        EXPECT_EQ(EtcdText(now_), expected) << c.where;
      }
      return;
    }
    const std::vector<std::string> words =
        c.input.empty() ? std::vector<std::string>() : Words(c.input.front(), " ");
    const bool enters = c.command == "enter-joint";
    if (skipping_ || (enters && words.empty() && !now_.IsJoint()) ||
        expected.find("more than one voter changed") == 0 ||
        expected.find("zero-voter config") != std::string::npos) {
      skipping_ = skipping_ || (enters && words.empty() && expected.find("voters") == 0);
      ++count.left_out;
      return;
    }
    ++count.compared;
    Membership from = now_;
    auto changed = ChangeStandings(from, Translate(words, from));
    if (auto* next = std::get_if<Membership>(&changed)) {
      now_ = !enters && next->IsJoint() ? LeaveJoint(*next) : *next;
    } else if (expected.find("voters=") == 0 &&
               std::get<std::string>(changed) == "nothing would change") {
      now_ = from;
    } else {
      EXPECT_NE(expected.find("voters="), 0u) << c.where << ": " << std::get<std::string>(changed);
      return;
    }
    const std::string autoleave = " autoleave";
    EXPECT_EQ(EtcdText(now_), expected.substr(0, expected.find(autoleave))) << c.where;
  }

 private:
  // Adds those who are named and are no members as learners, as they come here.
  static std::vector<StandingChange> Translate(const std::vector<std::string>& words,
                                               Membership& from) {
    std::map<NodeId, Standing> last;
    for (const std::string& word : words) {
      const NodeId id = {std::stoull(word.substr(1))};
      if (id != NodeId() && word[0] != 'u') {
        last[id] = word[0] == 'v'   ? Standing::kVoter
                   : word[0] == 'l' ? Standing::kLearner
                                    : Standing::kNone;
      }
    }
    std::vector<StandingChange> changes;
    for (const auto& [id, standing] : last) {
      if (from.Find(id) == nullptr) {
        if (standing == Standing::kNone || from.IsJoint()) {
          continue;
        }
        from.members[id].learner = true;
        from.next_id = std::max(from.next_id, id.Next());
      }
      changes.push_back({id, standing});
    }
    return changes;
  }

  Membership now_;
  bool skipping_ = false;  // between an empty enter-joint and its leave-joint
};

Count CompareAll(std::istream& in, const std::string& name) {
  Count count;
  Changes changes;
  for (const Case& c : ParseCases(in, name)) {
    if (c.command == "committed" || c.command == "vote") {
      CompareQuorum(c, count);
    } else {
      changes.Compare(c, count);
    }
  }
  return count;
}

TEST(VectorsTest, TheMostTellingCasesOfQuorums) {
  std::istringstream cases(R"(committed cfg=(1,2,3) idx=(12,5,_)
----
5

committed cfg=(1,2,3) idx=(5,5,12)
----
5

committed cfg=(1, 2, 3, 4, 5) idx=(101, 104, 103, 103,_)
----
103

committed cfg=(1) cfgj=(2) idx=(100,_)
----
0

committed cfg=(1,2,3) cfgj=(4,5,6) idx=(92,99,90,97,95,77)
----
92

committed cfg=(1,2,3) cfgj=(1,4,5) idx=(1,100,99,99,98)
----
98

vote cfg=(2,4,7) votes=(y,y,_)
----
VoteWon

vote cfg=(4,8) votes=(n,_)
----
VoteLost

vote cfg=(1,2) cfgj=(3,4) votes=(y,y,_,_)
----
VotePending

vote cfg=(1,2) cfgj=(3,4) votes=(y,y,n,_)
----
VoteLost

vote cfg=(1,2,3) cfgj=(2,3,4) votes=(_,y,y,_)
----
VoteWon

vote cfg=(1,2,3) cfgj=(2,3,4) votes=(_,n,n,_)
----
VoteLost
)");
  EXPECT_EQ(CompareAll(cases, "quorum").compared, 12);
}

TEST(VectorsTest, TheMostTellingCasesOfChanges) {
  std::istringstream cases(R"(simple
v1
----
voters=(1)

simple
l1
----
removed all voters

enter-joint
r1 v2 v3 l4
----
voters=(2 3)&&(1) learners=(4)

enter-joint
v12
----
config is already joint

simple
l15
----
can't apply simple config change in joint config

leave-joint
----
voters=(2 3) learners=(4)

leave-joint
----
can't leave a non-joint config

enter-joint
v4 l2
----
voters=(3 4)&&(2 3) learners_next=(2)

leave-joint
----
voters=(3 4) learners=(2)
)");
  EXPECT_EQ(CompareAll(cases, "confchange").compared, 9);
}

class TablesTest : public testing::Test {
 protected:
  // All tables of a folder; nothing if there is none.
  static Count Compare(const char* folder) {
    const char* root = std::getenv("LOCKSTEP_SOURCE_ROOT");
    const std::filesystem::path path = std::filesystem::path(root == nullptr ? "." : root) / ".." /
                                       "shared" / "raft-vectors" / folder;
    Count all;
    if (!std::filesystem::is_directory(path)) {
      return all;
    }
    std::set<std::filesystem::path> files;
    for (const auto& file : std::filesystem::directory_iterator(path)) {
      files.insert(file.path());
    }
    for (const std::filesystem::path& file : files) {
      std::ifstream in(file);
      const Count count = CompareAll(in, file.filename().string());
      all.compared += count.compared;
      all.left_out += count.left_out;
    }
    return all;
  }
};

TEST_F(TablesTest, QuorumsAgree) {
  const Count count = Compare("quorum");
  if (count.compared == 0) {
    GTEST_SKIP() << "the tables are not here";
  }
  EXPECT_GE(count.compared, 124);
  EXPECT_EQ(count.left_out, 3);
}

TEST_F(TablesTest, ChangesAgree) {
  const Count count = Compare("confchange");
  if (count.compared == 0) {
    GTEST_SKIP() << "the tables are not here";
  }
  EXPECT_GE(count.compared, 50);
  EXPECT_EQ(count.left_out, 8);
}

}  // namespace
}  // namespace lockstep::raft
