// kv.proto and cluster.proto <-> core, for both ends. The only such place; foreign messages are
// checked here: what a Decode returns is well-formed. Whether keys and values are within the node's
// limits is for the replica to say (lockstep::Limits), which names the limit.
//
// A request fails with InvalidArgument, which names the field. A response that cannot be one of
// ours fails with Internal.
//
// Pure functions, for any thread. Requests are moved from where they are passed as rvalues.

#ifndef LOCKSTEP_NET_KV_CODEC_H_
#define LOCKSTEP_NET_KV_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "core/replica.h"
#include "net/proto/cluster.pb.h"
#include "net/proto/kv.pb.h"

namespace lockstep::net {

// The server's side: a request as the replica takes it. A request without a session becomes a
// command outside any (session 0).
absl::StatusOr<kv::Transact> DecodeRequest(v1::PutRequest request);
absl::StatusOr<kv::Transact> DecodeRequest(v1::DeleteRequest request);
absl::StatusOr<kv::Transact> DecodeRequest(v1::PutIfAbsentRequest request);
absl::StatusOr<kv::Transact> DecodeRequest(v1::CompareAndSetRequest request);
absl::StatusOr<kv::Transact> DecodeRequest(v1::TxnRequest request);
absl::StatusOr<kv::OpenSession> DecodeRequest(const v1::OpenSessionRequest& request);
absl::StatusOr<Read> DecodeRequest(v1::GetRequest request);

// The server's side: a reply as the client gets it. Sets everything but the header's cluster, node
// and term; header.revision is the result's. REQUIRES: `result` is the answer to the transaction
// that DecodeRequest made of the matching request.
void EncodeResponse(const kv::TransactionResult& result, v1::PutResponse* response);
void EncodeResponse(const kv::TransactionResult& result, v1::DeleteResponse* response);
void EncodeResponse(const kv::TransactionResult& result, v1::PutIfAbsentResponse* response);
void EncodeResponse(const kv::TransactionResult& result, v1::CompareAndSetResponse* response);
void EncodeResponse(const kv::TransactionResult& result, v1::TxnResponse* response);
void EncodeResponse(const kv::SessionOpened& result, v1::OpenSessionResponse* response);
void EncodeResponse(const ReadResult& result, v1::GetResponse* response);

// Fills what lockstep::Status knows. Addresses, versions, file sizes and uptime are the driver's.
void EncodeStatus(const Status& status, v1::StatusResponse* response);

// The client's side.
v1::GetRequest EncodeRead(const Read& read);  // its max_age in whole milliseconds, rounded down
v1::TxnRequest EncodeTransaction(const kv::Transaction& transaction);
absl::StatusOr<kv::TransactionResult> DecodeResponse(v1::TxnResponse response);
// REQUIRES: key_value is set in its parent.
kv::KeyValue DecodeKeyValue(v1::KeyValue key_value);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_KV_CODEC_H_
