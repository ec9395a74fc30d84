#include "net/codec.h"
