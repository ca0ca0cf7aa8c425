// Every bound on what comes from outside, by name. Checked before anything is allocated.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace r3map::limits {

// Half of x86-64's user address space: a region also needs its neighbours.
inline constexpr uint64_t kRegionSize = uint64_t{1} << 46;
inline constexpr size_t kUrlLength = 8 << 10;
inline constexpr size_t kRequestHeaders = 16 << 10;  // what options add to a request, together
inline constexpr size_t kBucketLength = 255;  // AWS's first buckets, and other stores
inline constexpr size_t kKeyLength = 1024;    // S3's own
inline constexpr size_t kVersionId = 1024;    // S3's own
inline constexpr size_t kRegionName = 63;
inline constexpr size_t kOptionName = 64;
inline constexpr size_t kOptionValue = 16 << 10;
inline constexpr size_t kOptions = 64;

inline constexpr uint64_t kChunkSizeMin = 4 << 10;
inline constexpr uint64_t kChunkSizeMax = uint64_t{1} << 30;
// Below this a few touched pages would evict each other before the toucher has run.
inline constexpr uint64_t kBudgetMin = 1 << 20;
inline constexpr size_t kPriorityRanges = 1 << 20;
inline constexpr size_t kPrefetchRanges = 1 << 20;
inline constexpr size_t kTraceEntries = 1 << 20;
inline constexpr size_t kPathLength = 4095;  // Linux's PATH_MAX
inline constexpr size_t kQueuedRanges = 1 << 21;  // per region, waiting to be fetched
inline constexpr uint64_t kReadaheadWindow = 32 << 20;
inline constexpr uint64_t kSteadyWindow = 128 << 20;  // where the store's latency asks for it
inline constexpr size_t kQueuedCompletions = 1 << 20;  // per queue, those under way included
inline constexpr size_t kHandles = 1 << 20;

inline constexpr size_t kLogLine = 4 << 10;  // the rest of a longer one is cut off
inline constexpr size_t kLogBytes = 1 << 20;  // waiting to be written; more lines are dropped
inline constexpr size_t kResidencyCells = 1 << 20;

// HTTP answers.
inline constexpr size_t kHeaderBytes = 64 << 10;  // all header fields of one answer
inline constexpr size_t kHeaderFields = 256;
inline constexpr size_t kErrorBody = 64 << 10;
inline constexpr size_t kEtagLength = 1024;
inline constexpr size_t kConnections = 64;      // to all hosts together, on the loop
inline constexpr size_t kBulkConnections = 48;  // of these, what nobody waits for may use
inline constexpr size_t kDemandConnections = 8;  // of these, only page faults may use
inline constexpr size_t kLaneConnections = 32;  // of a thread that receives large answers
inline constexpr size_t kLaneBulkConnections = 24;  // of these, what nobody waits for may use
inline constexpr size_t kLaneDemandConnections = 4;  // of these, only page faults may use
inline constexpr uint64_t kLargeAnswer = 2 << 20;  // received on a thread of its own
inline constexpr std::chrono::seconds kThreadAgain{5};  // after there could be none
inline constexpr size_t kRedirects = 5;  // one after the other
inline constexpr size_t kQueuedRequests = 1 << 16;

// Credentials: files, programs and services that hold them.
inline constexpr size_t kConfigFile = 1 << 20;
inline constexpr size_t kConfigLine = 16 << 10;
inline constexpr size_t kConfigSections = 4096;
inline constexpr size_t kConfigSettings = 256;       // in one section
inline constexpr size_t kCredentialAnswer = 64 << 10;
inline constexpr size_t kAssumedRoles = 8;           // one from the other
inline constexpr size_t kProviders = 64;             // kept for opens to come
inline constexpr std::chrono::seconds kCredentialDeadline{60};  // for all steps of a refresh
inline constexpr std::chrono::seconds kMetadataDeadline{1};     // of instance metadata's first answer

inline constexpr std::chrono::seconds kDeadline{60};        // a fault's, unless an option says else
inline constexpr std::chrono::seconds kSlowFault{1};  // logged, unless R3MAP_SLOW_MS says else
// How long a fault's SIGBUS, which may end the process, waits for its line to be in the log.
inline constexpr std::chrono::milliseconds kLastWords{10};
inline constexpr std::chrono::milliseconds kLogAtExit{500};
inline constexpr std::chrono::seconds kLogRoom{1};  // how long lines wait for a full pipe
inline constexpr std::chrono::seconds kConnectTimeout{10};
inline constexpr std::chrono::seconds kStall{10};           // no byte for so long: try another connection
inline constexpr int kOpenAttempts = 4;                     // an open gives up early, a fault does not

}  // namespace r3map::limits
