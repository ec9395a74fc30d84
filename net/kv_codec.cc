#include "net/kv_codec.h"
