// A transaction as people type it: one statement per line, or several separated by ';'.
//
//   if value stock = 1          # all conditions must hold
//   if version order > 0
//   then put stock 0            # then these are executed, in order
//   then get order
//   else get stock              # else these
//
//   conditions   value KEY = | != | < | > TEXT        (compared bytewise)
//                version | created | modified KEY = | != | < | > NUMBER
//                exists KEY, absent KEY
//   operations   get KEY, put KEY TEXT, delete KEY
//
// A word with blanks, quotes, ';' or '#' goes in double quotes, where \" \\ \n \r \t and \xHH are
// understood. A '#' begins a comment.

#ifndef LOCKSTEP_SERVER_CTL_TRANSACTION_TEXT_H_
#define LOCKSTEP_SERVER_CTL_TRANSACTION_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/kv/types.h"

namespace lockstep::server::ctl {

// InvalidArgument names the line and what is wrong with it. A transaction without operations is
// wrong too.
absl::StatusOr<kv::Transaction> ParseTransaction(std::string_view text);

// The comment above, for --help.
std::string DescribeTransactionText();

}  // namespace lockstep::server::ctl

#endif  // LOCKSTEP_SERVER_CTL_TRANSACTION_TEXT_H_
