#include "net/peer_service.h"
