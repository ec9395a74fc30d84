#include "net/peer_transport.h"
