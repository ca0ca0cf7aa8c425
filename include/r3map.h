/* r3map: any remote resource as local memory.
 *
 * The one public header. Strict C99, and C++.
 *
 * Handles are opaque and are never dereferenced by the caller. A handle that was closed, or that
 * never was one, is answered with R3MAP_EBADF, never with a crash. After fork() the child's copies
 * of handles answer R3MAP_EFORKED; the child may open its own.
 *
 * Functions that can fail return 0 (or a count) or a negative R3MAP_E… code. The one-line message
 * of the calling thread's last failure is r3map_last_error_message().
 *
 * There are no callbacks: r3map's threads never run the caller's code. What takes long has a
 * blocking form and one that ends in `_async`, whose completion is fetched from a queue.
 *
 * A struct that r3map fills begins with `struct_size`, which the caller sets to the struct's sizeof.
 * Later versions add fields only at the end. Fields that the caller was compiled without are not
 * written, and fields that the library does not know are left as they are. Less than the struct had
 * in version 0.1 is R3MAP_EINVAL.
 *
 * Offsets, lengths and sizes are in bytes, times in milliseconds. Unless a function says
 * otherwise, it may be called from any thread.
 */
#ifndef R3MAP_H
#define R3MAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define R3MAP_API __attribute__((visibility("default")))
#else
#define R3MAP_API
#endif

/* ---- Errors ---------------------------------------------------------------------------------- */

enum {
  R3MAP_OK = 0,
  R3MAP_EINVAL = -1,      /* an argument, URL or option that can't be right */
  R3MAP_ENOENT = -2,      /* no such object, bucket, file or host */
  R3MAP_EACCES = -3,      /* credentials or permissions */
  R3MAP_EIO = -4,         /* the store failed */
  R3MAP_ETIMEDOUT = -5,   /* a deadline passed */
  R3MAP_ESTALE = -6,      /* the object is no longer the one that was opened */
  R3MAP_ENOMEM = -7,      /* memory, address space or the budget */
  R3MAP_ECANCELED = -8,   /* closed meanwhile */
  R3MAP_EBADF = -9,       /* closed already, or never a handle */
  R3MAP_ENOTSUP = -10,    /* the store or the kernel can't */
  R3MAP_EPROTO = -11,     /* the peer broke its protocol */
  R3MAP_ENETWORK = -12,   /* the peer can't be reached, or hung up */
  R3MAP_ERANGE = -13,     /* past the end */
  R3MAP_EROFS = -14,      /* read-only */
  R3MAP_EDEADLK = -15,    /* a blocking call where it could never return */
  R3MAP_EFORKED = -16,    /* a handle from before fork() */
  R3MAP_EBUSY = -17,      /* in use, or the store asks for patience */
  R3MAP_EINTERNAL = -18
};

/** The message of the calling thread's last failed call: one line, lower case; "" if none failed.
 * Ownership: borrowed until the thread's next call of any r3map function. Since 0.1. */
R3MAP_API const char *r3map_last_error_message(void);

/** The name of a code, "R3MAP_ENOENT", or "R3MAP_EUNKNOWN". Ownership: static. Since 0.1. */
R3MAP_API const char *r3map_error_name(int code);

/** The errno that is nearest to a code (ENOENT for R3MAP_ENOENT); 0 for 0. Since 0.1. */
R3MAP_API int r3map_error_errno(int code);

/** A URL as it may be shown and logged: without its password, and over HTTP without its query, which
 * may be a signature. Copies at most `length` bytes, the terminating zero included, and returns the
 * whole length; empty for what is no URL. Since 0.1. */
R3MAP_API int r3map_url_shown(const char *url, char *buffer, size_t length);

/** The library's version, "0.1.0". Ownership: static. Since 0.1. */
R3MAP_API const char *r3map_version(void);

/* ---- Options --------------------------------------------------------------------------------- */

/* A set of options for opening. Copied by whatever is opened with it.
 * Threads: one at a time for each set. */
typedef struct r3map_options r3map_options;

/** Which pages are fetched without having been touched. */
enum {
  R3MAP_PULL_NONE = 0,      /* none */
  R3MAP_PULL_READAHEAD = 1, /* those ahead of a sequential reader (the default) */
  R3MAP_PULL_ALL = 2        /* all of them, in the background, as far as the budget reaches */
};

typedef struct r3map_range {
  uint64_t offset;
  uint64_t length;
} r3map_range;

/** @param options receives the set. @return 0 or R3MAP_ENOMEM.
 * Ownership: owned by the caller until r3map_options_free. Since 0.1. */
R3MAP_API int r3map_options_new(r3map_options **options);

/** Frees a set; NULL is legal. Since 0.1. */
R3MAP_API void r3map_options_free(r3map_options *options);

/** An option of the backend, as text; docs/options.md lists them. The name is checked when
 * something is opened. @return 0, or R3MAP_EINVAL for a name or value that is too long. Since 0.1. */
R3MAP_API int r3map_options_set(r3map_options *options, const char *name, const char *value);

/** What a lone page fault fetches. @param chunk_size a power of two from 4 KiB to 1 GiB; 0: what
 * suits the store. @return 0 or R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_options_set_chunk_size(r3map_options *options, uint64_t chunk_size);

/** How much of a region may be resident. @param budget in bytes, at least 1 MiB; 0: only the
 * budget of all regions together (half of the memory that is free when the first region opens).
 * @return 0 or R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_options_set_budget(r3map_options *options, uint64_t budget);

/** How long a fault may take, or a call may go without progress, until it fails. An open has it as
 * a whole, with all its attempts; reads have it anew whenever bytes come.
 * @param deadline_ms 0: for ever; the default is 60,000. A page whose fault fails raises SIGBUS in the thread that touched it. @return 0. Since 0.1. */
R3MAP_API int r3map_options_set_deadline(r3map_options *options, uint64_t deadline_ms);

/** @param pull R3MAP_PULL_…. @return 0 or R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_options_set_pull(r3map_options *options, int pull);

/** Ranges to pull first, in their order, whatever `pull` says; a part past the end is ignored.
 * @return 0 or R3MAP_EINVAL (more than 1,048,576 ranges). Ownership: copied. Since 0.1. */
R3MAP_API int r3map_options_set_priority(r3map_options *options, const r3map_range *ranges,
                                         size_t count);

/** Records what a region is asked for into a file, which gets its name when the region is closed.
 * Pages that are here already are touched unseen: what `pull` and readahead bring is taken as
 * asked for, except for R3MAP_PULL_ALL. If it can't be written (the disk is full), the close does
 * not fail: only the log tells (R3MAP_LOG=warn). @param path "" or NULL: none.
 * @return 0 or R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_options_set_trace(r3map_options *options, const char *path);

/** Reads such a file now, and pulls first what it tells, in its order; instead of
 * r3map_options_set_priority. It is only a hint: what it says past the end is ignored.
 * @param path "" or NULL: none. @return 0, R3MAP_ENOENT, R3MAP_EACCES, R3MAP_EIO, or R3MAP_EINVAL
 * for what is no trace. Since 0.1. */
R3MAP_API int r3map_options_set_pull_order(r3map_options *options, const char *path);

typedef struct r3map_trace_entry {
  uint64_t offset;
  uint64_t length;
  uint64_t milliseconds; /* since the region was opened */
} r3map_trace_entry;

/** Reads such a file, for pictures and tools. @param size receives the object's size.
 * @param entries receives the first `count` entries. @return how many there are, at most 1,048,576;
 * or as r3map_options_set_pull_order. Since 0.1. */
R3MAP_API int r3map_trace_read(const char *path, uint64_t *size, r3map_trace_entry *entries,
                               size_t count);

/** How much of what nobody waits for in a page fault a region may have under way at a time.
 * @param requests 0: up to 48, as suits the store. @param bytes 0: as suits the store and the
 * budget; else at least 4 KiB. @return 0 or R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_options_set_fetch_limits(r3map_options *options, uint64_t requests,
                                             uint64_t bytes);

/* ---- Queues ---------------------------------------------------------------------------------- */

/* Where asynchronous calls deliver their completions. */
typedef struct r3map_queue r3map_queue;

typedef struct r3map_completion {
  uint32_t struct_size; /* set by the caller: sizeof(r3map_completion) */
  int32_t code;         /* 0 or R3MAP_E… */
  uint64_t tag;         /* as given to the asynchronous call */
  uint64_t value;       /* what was opened: cast it to its handle type; else a byte count or 0 */
  char message[512];    /* of a failure: one line, cut to fit; else "" */
} r3map_completion;

/** @return 0, R3MAP_ENOMEM. Ownership: owned by the caller until r3map_queue_free. Since 0.1. */
R3MAP_API int r3map_queue_new(r3map_queue **queue);

/** Frees a queue; what is still under way completes into nothing: what such a completion would have
 * opened is closed, what it would have pinned is unpinned. A buffer that was borrowed for a read is
 * free again only when its region or resource is closed. NULL and freed queues are legal. Since 0.1. */
R3MAP_API void r3map_queue_free(r3map_queue *queue);

/** A descriptor that is readable while completions wait: for poll, epoll, asyncio, tokio, libuv.
 * Not to be read from or closed. @return the descriptor or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_queue_descriptor(r3map_queue *queue);

/** Takes the next completion. @param timeout_ms 0: don't wait; negative: wait for ever.
 * @return 1 and fills `completion`; 0 when none came in time; R3MAP_EBADF, also when the queue is
 * freed meanwhile. A signal's handler that ran in the waiting thread ends a wait that has a limit
 * early, with 0; a wait for ever goes on. Since 0.1. */
R3MAP_API int r3map_queue_next(r3map_queue *queue, r3map_completion *completion,
                               int64_t timeout_ms);

/* ---- Resources: a store's object, without memory --------------------------------------------- */

typedef struct r3map_resource r3map_resource;

/** Opens what a URL names: memory:64M, file:///path (or a path that starts with / or .), http://,
 * https://, s3://bucket/key.
 * @param options may be NULL. Only the backend's options and the deadline matter.
 * @return 0, R3MAP_EINVAL (malformed URL, unknown scheme or option), R3MAP_ENOENT, R3MAP_EACCES,
 * R3MAP_ENETWORK, R3MAP_ETIMEDOUT, R3MAP_EPROTO, R3MAP_ENOTSUP, R3MAP_EIO.
 * Ownership: owned by the caller until r3map_resource_close. Since 0.1. */
R3MAP_API int r3map_resource_open(r3map_resource **resource, const char *url,
                                  const r3map_options *options);
/** The completion's value is the r3map_resource *. @return 0, R3MAP_EBADF (queue), R3MAP_EBUSY
 * (more than 1,048,576 operations on one queue). Since 0.1. */
R3MAP_API int r3map_resource_open_async(const char *url, const r3map_options *options,
                                        r3map_queue *queue, uint64_t tag);

/** Closes it; operations that are under way end with R3MAP_ECANCELED first.
 * @return 0 or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_resource_close(r3map_resource *resource);

/** @return 0 or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_resource_size(r3map_resource *resource, uint64_t *size);

/** What identifies the version that was opened (an ETag, …); "" where the store has none.
 * @param buffer receives it, cut to `length` with its terminator.
 * @return its full length without the terminator, or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_resource_version(r3map_resource *resource, char *buffer, size_t length);

/** All of `length` bytes at `offset`. The deadline begins anew whenever its time has brought
 * 4 KiB. r3map's own threads write into the buffer: were it a mapping of a file system that hangs,
 * they would hang with it.
 * @return 0, R3MAP_ERANGE, R3MAP_ESTALE, R3MAP_ECANCELED or as for open. Since 0.1. */
R3MAP_API int r3map_resource_read(r3map_resource *resource, void *buffer, uint64_t length,
                                  uint64_t offset);
/** As r3map_resource_read; the completion's value is `length`.
 * Ownership: `buffer` is borrowed until the completion is there, also after a close. Since 0.1. */
R3MAP_API int r3map_resource_read_async(r3map_resource *resource, void *buffer, uint64_t length,
                                        uint64_t offset, r3map_queue *queue, uint64_t tag);

/** All of `length` bytes to `offset`, inside the size; durable only after r3map_resource_flush.
 * @return 0, R3MAP_EROFS (the store has no random writes), R3MAP_ERANGE or as for open. Since 0.1. */
R3MAP_API int r3map_resource_write(r3map_resource *resource, const void *buffer, uint64_t length,
                                   uint64_t offset);
/** Makes earlier writes durable. @return 0, R3MAP_EIO. Since 0.1. */
R3MAP_API int r3map_resource_flush(r3map_resource *resource);

/* ---- Regions: a resource in memory -----------------------------------------------------------
 *
 * All functions but r3map_region_data, _size and _version ask the thread that answers page faults and
 * wait for it: some ten microseconds, fifty on a busy machine, even where there is nothing to
 * fetch. */

typedef struct r3map_region r3map_region;

/** Opens a URL and maps it, read-only. Nothing is fetched beyond the first bytes, which tell the
 * size. Pages arrive as they are touched; a page that can't be had raises SIGBUS in the thread
 * that touched it, and its cause is r3map_region_error(). Where userfaultfd is forbidden, the
 * whole object is read now, and r3map_region_stats tells so (`eager`).
 * The mapping belongs to r3map: don't munmap, mprotect, madvise or mremap it. It is not inherited
 * by fork() and not part of core dumps.
 * @param options may be NULL.
 * @return as r3map_resource_open, and R3MAP_ENOMEM (address space, or too large to be read
 * eagerly). Ownership: owned by the caller until r3map_region_close. Since 0.1. */
R3MAP_API int r3map_region_open(r3map_region **region, const char *url,
                                const r3map_options *options);
/** The completion's value is the r3map_region *. Since 0.1. */
R3MAP_API int r3map_region_open_async(const char *url, const r3map_options *options,
                                      r3map_queue *queue, uint64_t tag);

/** Ends a region: operations under way end with R3MAP_ECANCELED, threads that wait in a page fault
 * get SIGBUS. Its addresses must not be touched any more: SIGBUS at first, later they are free for
 * other mappings. @return 0 or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_region_close(r3map_region *region);

/** The first byte, or NULL for a handle that isn't one. Never NULL for an open region, even of
 * size 0. Ownership: borrowed until the close. Since 0.1. */
R3MAP_API const void *r3map_region_data(r3map_region *region);

/** @return 0 or R3MAP_EBADF. Since 0.1. */
R3MAP_API int r3map_region_size(r3map_region *region, uint64_t *size);

/** As r3map_resource_version. Since 0.1. */
R3MAP_API int r3map_region_version(r3map_region *region, char *buffer, size_t length);

/** Copies bytes out; pages that are missing are fetched first. An error code where a touch would
 * raise SIGBUS. @return 0, R3MAP_ERANGE, R3MAP_ESTALE, … Since 0.1. */
R3MAP_API int r3map_region_read(r3map_region *region, void *buffer, uint64_t length,
                                uint64_t offset);
/** The completion's value is `length`. Ownership: `buffer` is borrowed until the completion. Since 0.1. */
R3MAP_API int r3map_region_read_async(r3map_region *region, void *buffer, uint64_t length,
                                      uint64_t offset, r3map_queue *queue, uint64_t tag);

/** Makes a range resident now; later it may be evicted again. Tries failed pages again.
 * @return 0, R3MAP_ENOMEM (more than seven eighths of the budget), R3MAP_ERANGE, … Since 0.1. */
R3MAP_API int r3map_region_populate(r3map_region *region, uint64_t offset, uint64_t length);
R3MAP_API int r3map_region_populate_async(r3map_region *region, uint64_t offset, uint64_t length,
                                          r3map_queue *queue, uint64_t tag);

/** Makes a range resident and keeps it so until as many unpins of the same range: for system calls
 * and direct I/O on the mapping. At most seven eighths of the budget can be pinned.
 * @return as r3map_region_populate. Since 0.1. */
R3MAP_API int r3map_region_pin(r3map_region *region, uint64_t offset, uint64_t length);
R3MAP_API int r3map_region_pin_async(r3map_region *region, uint64_t offset, uint64_t length,
                                     r3map_queue *queue, uint64_t tag);
/** @return 0, or R3MAP_EINVAL for a range that is not pinned. Since 0.1. */
R3MAP_API int r3map_region_unpin(r3map_region *region, uint64_t offset, uint64_t length);

/** Starts to fetch many ranges, all in flight at once within limits, and returns; what was fetched
 * longest ago makes room for them. Failures are left for a later touch to meet, and for
 * r3map_region_wait. @return 0, R3MAP_ERANGE, R3MAP_EINVAL (more than 1,048,576
 * ranges), R3MAP_EBUSY (with those that wait already more than 2,097,152), R3MAP_ESTALE. Ownership: copied. Since 0.1. */
R3MAP_API int r3map_region_prefetch(r3map_region *region, const r3map_range *ranges, size_t count);

/** Gives the memory of a range back, except for pinned pages; it is fetched again when touched.
 * @return 0 or R3MAP_ERANGE. Since 0.1. */
R3MAP_API int r3map_region_evict(r3map_region *region, uint64_t offset, uint64_t length);

/** Waits until all fetches in the background (prefetch, priority, pull) have ended; readahead is not
 * one. Each has the region's deadline.
 * @return 0, or the error with which one of them failed since the last wait. Since 0.1. */
R3MAP_API int r3map_region_wait(r3map_region *region);
R3MAP_API int r3map_region_wait_async(r3map_region *region, r3map_queue *queue, uint64_t tag);

typedef struct r3map_stats {
  uint32_t struct_size;     /* set by the caller: sizeof(r3map_stats) */
  uint32_t eager;           /* 1: no userfaultfd here; everything was read at open */
  uint64_t size;            /* of the object */
  uint64_t resident;        /* bytes in memory now */
  uint64_t pinned;          /* bytes that can't be evicted now */
  uint64_t in_flight;       /* bytes asked for and not here yet */
  uint64_t budget;          /* bytes that may be resident */
  uint64_t faults;          /* page faults answered */
  uint64_t failed_faults;   /* page faults answered by SIGBUS */
  uint64_t requests;        /* reads sent to the store */
  uint64_t failed_requests; /* of these, failed for good (tries within one are not counted) */
  uint64_t fetched;         /* bytes that arrived from the store */
  uint64_t evicted;         /* bytes given back */
  /* From a page fault to its page, in microseconds. Several threads on one page count as one, and
   * failed faults not at all. */
  uint64_t fault_count;
  uint64_t fault_us_total;
  uint64_t fault_us_p50;    /* half of them were not slower; at most a quarter too high, as p99 */
  uint64_t fault_us_p99;
  uint64_t fault_us_max;
  uint64_t hedged_requests; /* reads sent again because the first was late; also in `requests` */
  uint64_t retries;         /* attempts of a read that failed and were followed by another */
} r3map_stats;

/** @return 0, R3MAP_EBADF, or R3MAP_EINVAL for a struct_size that is too small. Since 0.1. */
R3MAP_API int r3map_region_stats(r3map_region *region, r3map_stats *stats);

enum {
  R3MAP_STATS_JSON = 0,      /* docs/observability.md names the fields */
  R3MAP_STATS_PROMETHEUS = 1 /* the text exposition format, version 0.0.4 */
};

/** The statistics of a region as text. URLs are shown without passwords and queries.
 * @param format R3MAP_STATS_…. @param buffer receives it, cut to `length` with its terminator.
 * @return its full length without the terminator, which differs from call to call; R3MAP_EBADF,
 * R3MAP_EINVAL. Since 0.1. */
R3MAP_API int r3map_region_stats_text(r3map_region *region, int format, char *buffer,
                                      size_t length);

/** As r3map_region_stats_text, of all regions that are open in this process: a JSON array, or what a
 * Prometheus server may scrape (the texts of several regions one after another are not). Since 0.1. */
R3MAP_API int r3map_stats_text(int format, char *buffer, size_t length);

/** How much of a range is resident, for pictures: the range is cut into `cells` equal parts.
 * @param map receives a byte for each: 0 nothing, 255 all of it, else the share between. A page that
 * lies in several parts counts for each.
 * @return 0, R3MAP_ERANGE, R3MAP_EINVAL (no cell, or more than 1,048,576). Since 0.1. */
R3MAP_API int r3map_region_residency(r3map_region *region, uint64_t offset, uint64_t length,
                                     unsigned char *map, size_t cells);

/** The last cause for which a page could not be had: what explains a SIGBUS.
 * @param buffer receives the one-line message ("" if there was none), cut to `length`.
 * @return the R3MAP_E… code of that failure, or 0. Since 0.1. */
R3MAP_API int r3map_region_error(r3map_region *region, char *buffer, size_t length);

#ifdef __cplusplus
}
#endif
#endif
