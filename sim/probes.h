// Rare states, by name: how often a run reached each of them. A large hunt that never reaches one
// has not tested what it was meant to.

#ifndef LOCKSTEP_SIM_PROBES_H_
#define LOCKSTEP_SIM_PROBES_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace lockstep::sim {

enum class Probe : std::uint8_t {
  kElectionStarted,
  kLeaderElected,
  kPreVoteStarted,
  kPreVoteRefused,
  kVoteRefused,
  kSplitVote,
  kSteppedDownByCheckQuorum,
  kSteppedDownByHigherTerm,
  kLogTruncated,
  kAppendRefused,
  kLogCompacted,
  kSnapshotSent,
  kSnapshotInstalled,
  kCheckpointStored,
  kOlderTermEntryCommitted,
  kMessageLost,
  kMessageDuplicated,
  kMessageCopiedLate,
  kStrayMessageDelivered,
  kMessageOvertaken,
  kMessageCut,
  kMessageFromEarlierTermDelivered,
  kMessageThroughCodec,
  kMangledMessageRefused,
  kNodeCrashed,
  kNodeCrashedBetweenStorageOperations,
  kNodeCrashedWhileWriteInFlight,
  kNodeCrashedWhileCheckpointInFlight,
  kNodeCrashedWhileInstalling,
  kLeaderCrashed,
  kWholeClusterDown,
  kUnacknowledgedWriteSurvived,
  kUnacknowledgedWriteLost,
  kRestartWithinElectionTimeout,
  kRestartAfterElectionTimeout,
  kNodePaused,
  kLeaderPaused,
  kLeaderIsolated,
  kMinorityCutOff,
  kOneWayCut,
  kClockJumped,
  kClockStalled,
  kGroupCommitOfSeveralWrites,
  kReadDuringLeaderChange,
  kReadServed,
  kRetryAnsweredFromSavedReply,
  kRequestRefusedNotLeader,
  kRequestRefusedOverloaded,
  kRequestDropped,
  kRequestUnknown,
  kOperationUnknown,
  kSessionOpened,
  kSessionExpired,
  kTransactionConditionFailed,
  kLateReplyIgnored,
  kHistoryTooHardToCheck,
  kNodeCrashedInStart,
  kSnapshotLost,
  kMessageClogged,
  kLinkFlapped,
  kClockSteppedBack,
  kNodeStoppedByIoError,
  kNodeStoppedByFailedSync,
  kNodeStoppedByFullDisk,
  kNodeStoppedByDamage,
  kFilesRefused,
  kFullDiskRefusedAgain,
  kNodeGivenUp,
  kBitRotted,
  kDiskStalled,
  kClientPaused,
  kClientCutOff,
  kRequestDuplicated,
  kRequestAbandoned,
  kClientRestarted,
  kLeaderCommittedAheadOfItsDisk,
  kMachineJoined,
  kMembershipChanged,
  kMembershipChangeRefused,
  kMembershipChangeInvalid,
  kLearnerPromoted,
  kNodeExpelled,
  kStartedAnew,
  kLeaderRemoved,
  kJointConfigurationOfEarlierTerm,
  kMembershipTruncated,
  kLeadershipTransferred,
  kTransferFailed,
  kSteppedDownByDisk,
  kReadForwarded,
  kReadRefusedAfterWaiting,
  kLeaseReadServed,
  kLeaseReadWithoutLease,
  kLeaseVoidedByTransfer,
  kLeaseReadStaleByClocks,
  kBoundedReadAtOnce,
  kBoundedReadAsked,
  kBoundedReadTooOldByClocks,
  kSerializableReadServed,
  kSerializableReadOfThePast,
  kSerializableReadWithoutLeader,
  kCount,
};

inline constexpr std::size_t kProbeCount = static_cast<std::size_t>(Probe::kCount);

// The probe's name, as reports print it.
const char* Name(Probe probe);

// Whether a large hunt is to reach it. Not so for what is better never seen.
bool MustBeReached(Probe probe);

// A plain value: it can be sent from one process to another.
struct ProbeCounts {
  std::array<std::uint64_t, kProbeCount> counts{};

  void Count(Probe probe) { ++counts[static_cast<std::size_t>(probe)]; }
  std::uint64_t Of(Probe probe) const { return counts[static_cast<std::size_t>(probe)]; }
  void Add(const ProbeCounts& other) {
    for (std::size_t i = 0; i < kProbeCount; ++i) {
      counts[i] += other.counts[i];
    }
  }
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_PROBES_H_
