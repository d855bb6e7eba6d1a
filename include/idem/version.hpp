#pragma once

// The build system reads these three lines: the version is stated nowhere else.
#define IDEM_VERSION_MAJOR 0
#define IDEM_VERSION_MINOR 1
#define IDEM_VERSION_PATCH 0

#define IDEM_DETAIL_VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define IDEM_DETAIL_VERSION_EXPAND(major, minor, patch) \
  IDEM_DETAIL_VERSION_TEXT(major, minor, patch)
#define IDEM_VERSION_STRING \
  IDEM_DETAIL_VERSION_EXPAND(IDEM_VERSION_MAJOR, IDEM_VERSION_MINOR, IDEM_VERSION_PATCH)
