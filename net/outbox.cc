#include "net/outbox.h"
