// The little of HTTP that a test of metrics needs.

#ifndef LOCKSTEP_TESTS_E2E_HTTP_H_
#define LOCKSTEP_TESTS_E2E_HTTP_H_

#include <string>

namespace lockstep::e2e {

// The whole answer of 127.0.0.1:`port` to GET `path`, its header included; empty without one.
std::string HttpGet(int port, const std::string& path);

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_E2E_HTTP_H_
