#include "sim/probes.h"

namespace lockstep::sim {

const char* Name(Probe probe) {
  switch (probe) {
    case Probe::kElectionStarted:
      return "election started";
    case Probe::kLeaderElected:
      return "leader elected";
    case Probe::kPreVoteStarted:
      return "pre vote started";
    case Probe::kPreVoteRefused:
      return "pre vote refused";
    case Probe::kVoteRefused:
      return "vote refused";
    case Probe::kSplitVote:
      return "split vote";
    case Probe::kSteppedDownByCheckQuorum:
      return "stepped down by check quorum";
    case Probe::kSteppedDownByHigherTerm:
      return "stepped down by higher term";
    case Probe::kLogTruncated:
      return "log truncated";
    case Probe::kAppendRefused:
      return "append refused";
    case Probe::kLogCompacted:
      return "log compacted";
    case Probe::kSnapshotSent:
      return "snapshot sent";
    case Probe::kSnapshotInstalled:
      return "snapshot installed";
    case Probe::kCheckpointStored:
      return "checkpoint stored";
    case Probe::kOlderTermEntryCommitted:
      return "older term entry committed";
    case Probe::kMessageLost:
      return "message lost";
    case Probe::kStrayMessageDelivered:
      return "message of another node or cluster delivered";
    case Probe::kMessageDuplicated:
      return "message duplicated";
    case Probe::kMessageCopiedLate:
      return "message copied late";
    case Probe::kMessageOvertaken:
      return "message overtaken";
    case Probe::kMessageCut:
      return "message cut";
    case Probe::kMessageFromEarlierTermDelivered:
      return "message from earlier term delivered";
    case Probe::kMessageThroughCodec:
      return "message through codec";
    case Probe::kMangledMessageRefused:
      return "mangled message refused";
    case Probe::kNodeCrashed:
      return "node crashed";
    case Probe::kNodeCrashedBetweenStorageOperations:
      return "node crashed between storage operations";
    case Probe::kNodeCrashedWhileWriteInFlight:
      return "node crashed while write in flight";
    case Probe::kNodeCrashedWhileCheckpointInFlight:
      return "node crashed while checkpoint in flight";
    case Probe::kNodeCrashedWhileInstalling:
      return "node crashed while installing";
    case Probe::kLeaderCrashed:
      return "leader crashed";
    case Probe::kWholeClusterDown:
      return "whole cluster down";
    case Probe::kUnacknowledgedWriteSurvived:
      return "unacknowledged write survived";
    case Probe::kUnacknowledgedWriteLost:
      return "unacknowledged write lost";
    case Probe::kRestartWithinElectionTimeout:
      return "restart within election timeout";
    case Probe::kRestartAfterElectionTimeout:
      return "restart after election timeout";
    case Probe::kNodePaused:
      return "node paused";
    case Probe::kLeaderPaused:
      return "leader paused";
    case Probe::kLeaderIsolated:
      return "leader isolated";
    case Probe::kMinorityCutOff:
      return "minority cut off";
    case Probe::kOneWayCut:
      return "one way cut";
    case Probe::kClockJumped:
      return "clock jumped";
    case Probe::kClockStalled:
      return "clock stalled";
    case Probe::kGroupCommitOfSeveralWrites:
      return "group commit of several writes";
    case Probe::kReadDuringLeaderChange:
      return "read during leader change";
    case Probe::kReadServed:
      return "read served";
    case Probe::kRetryAnsweredFromSavedReply:
      return "retry answered from saved reply";
    case Probe::kRequestRefusedNotLeader:
      return "request refused not leader";
    case Probe::kRequestRefusedOverloaded:
      return "request refused overloaded";
    case Probe::kRequestDropped:
      return "request dropped";
    case Probe::kRequestUnknown:
      return "request unknown";
    case Probe::kOperationUnknown:
      return "operation unknown";
    case Probe::kSessionOpened:
      return "session opened";
    case Probe::kSessionExpired:
      return "session expired";
    case Probe::kTransactionConditionFailed:
      return "transaction condition failed";
    case Probe::kLateReplyIgnored:
      return "late reply ignored";
    case Probe::kHistoryTooHardToCheck:
      return "history too hard to check";
    case Probe::kNodeCrashedInStart:
      return "node crashed in start";
    case Probe::kSnapshotLost:
      return "snapshot lost with its connection";
    case Probe::kMessageClogged:
      return "message clogged";
    case Probe::kLinkFlapped:
      return "link flapped";
    case Probe::kClockSteppedBack:
      return "clock stepped back";
    case Probe::kNodeStoppedByIoError:
      return "node stopped by io error";
    case Probe::kNodeStoppedByFailedSync:
      return "node stopped by failed sync";
    case Probe::kNodeStoppedByFullDisk:
      return "node stopped by full disk";
    case Probe::kNodeStoppedByDamage:
      return "node stopped by damage";
    case Probe::kFilesRefused:
      return "damaged or missing files refused";
    case Probe::kFullDiskRefusedAgain:
      return "start on a full disk failed";
    case Probe::kNodeGivenUp:
      return "node given up";
    case Probe::kBitRotted:
      return "bit rotted";
    case Probe::kDiskStalled:
      return "disk stalled";
    case Probe::kClientPaused:
      return "client paused";
    case Probe::kClientCutOff:
      return "client cut off";
    case Probe::kRequestDuplicated:
      return "request duplicated";
    case Probe::kRequestAbandoned:
      return "request abandoned";
    case Probe::kClientRestarted:
      return "client restarted";
    case Probe::kLeaderCommittedAheadOfItsDisk:
      return "leader committed ahead of its disk";
    case Probe::kMachineJoined:
      return "machine joined";
    case Probe::kMembershipChanged:
      return "membership changed";
    case Probe::kMembershipChangeRefused:
      return "membership change refused for now";
    case Probe::kMembershipChangeInvalid:
      return "membership change refused as invalid";
    case Probe::kLearnerPromoted:
      return "learner promoted";
    case Probe::kStartedAnew:
      return "disk lost, and the node started anew";
    case Probe::kNodeExpelled:
      return "node expelled";
    case Probe::kLeaderRemoved:
      return "leader removed";
    case Probe::kJointConfigurationOfEarlierTerm:
      return "joint configuration of an earlier term left";
    case Probe::kMembershipTruncated:
      return "membership truncated";
    case Probe::kLeadershipTransferred:
      return "leadership transferred";
    case Probe::kTransferFailed:
      return "transfer of leadership failed";
    case Probe::kSteppedDownByDisk:
      return "leader stepped down because its disk stalled";
    case Probe::kReadForwarded:
      return "read answered by a follower, with the leader's index";
    case Probe::kReadRefusedAfterWaiting:
      return "read refused after it had waited for a leader";
    case Probe::kLeaseReadServed:
      return "read answered by a lease";
    case Probe::kLeaseReadWithoutLease:
      return "read by lease answered without one";
    case Probe::kLeaseVoidedByTransfer:
      return "read by lease after a transfer has voided it";
    case Probe::kLeaseReadStaleByClocks:
      return "read by lease stale, since a clock breaks the bound";
    case Probe::kBoundedReadAtOnce:
      return "read of bounded staleness answered at once";
    case Probe::kBoundedReadAsked:
      return "read of bounded staleness had to ask";
    case Probe::kBoundedReadTooOldByClocks:
      return "read of bounded staleness too old, since a clock breaks the bound";
    case Probe::kSerializableReadServed:
      return "serializable read of the latest data";
    case Probe::kSerializableReadOfThePast:
      return "serializable read of the past";
    case Probe::kSerializableReadWithoutLeader:
      return "serializable read without a leader";
    case Probe::kCount:
      break;
  }
  return "?";
}

bool MustBeReached(Probe probe) {
  // What clocks excuse is for the tests to show: it takes a whole chain of faults.
  return probe != Probe::kHistoryTooHardToCheck && probe != Probe::kLeaseReadStaleByClocks &&
         probe != Probe::kBoundedReadTooOldByClocks && probe != Probe::kCount;
}

}  // namespace lockstep::sim
