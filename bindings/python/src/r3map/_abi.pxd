# include/r3map.h, as far as the binding needs it.
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "r3map.h" nogil:
    enum:
        R3MAP_EINVAL
        R3MAP_ENOENT
        R3MAP_EACCES
        R3MAP_EIO
        R3MAP_ETIMEDOUT
        R3MAP_ESTALE
        R3MAP_ENOMEM
        R3MAP_ECANCELED
        R3MAP_EBADF
        R3MAP_ENOTSUP
        R3MAP_EPROTO
        R3MAP_ENETWORK
        R3MAP_ERANGE
        R3MAP_EROFS
        R3MAP_EDEADLK
        R3MAP_EFORKED
        R3MAP_EBUSY
        R3MAP_EINTERNAL

    const char *r3map_last_error_message()
    const char *r3map_error_name(int code)
    int r3map_error_errno(int code)
    int r3map_url_shown(const char *url, char *buffer, size_t length)
    const char *r3map_version()

    enum:
        R3MAP_PULL_NONE
        R3MAP_PULL_READAHEAD
        R3MAP_PULL_ALL

    ctypedef struct r3map_options:
        pass
    ctypedef struct r3map_range:
        uint64_t offset
        uint64_t length

    int r3map_options_new(r3map_options **options)
    void r3map_options_free(r3map_options *options)
    int r3map_options_set(r3map_options *options, const char *name, const char *value)
    int r3map_options_set_chunk_size(r3map_options *options, uint64_t chunk_size)
    int r3map_options_set_budget(r3map_options *options, uint64_t budget)
    int r3map_options_set_deadline(r3map_options *options, uint64_t deadline_ms)
    int r3map_options_set_pull(r3map_options *options, int pull)
    int r3map_options_set_priority(r3map_options *options, const r3map_range *ranges,
                                   size_t count)
    int r3map_options_set_fetch_limits(r3map_options *options, uint64_t requests,
                                       uint64_t bytes)
    int r3map_options_set_trace(r3map_options *options, const char *path)
    int r3map_options_set_pull_order(r3map_options *options, const char *path)

    ctypedef struct r3map_queue:
        pass
    ctypedef struct r3map_completion:
        uint32_t struct_size
        int32_t code
        uint64_t tag
        uint64_t value
        char message[512]

    int r3map_queue_new(r3map_queue **queue)
    void r3map_queue_free(r3map_queue *queue)
    int r3map_queue_descriptor(r3map_queue *queue)
    int r3map_queue_next(r3map_queue *queue, r3map_completion *completion, int64_t timeout_ms)

    ctypedef struct r3map_resource:
        pass

    int r3map_resource_open_async(const char *url, const r3map_options *options,
                                  r3map_queue *queue, uint64_t tag)
    int r3map_resource_close(r3map_resource *resource)
    int r3map_resource_size(r3map_resource *resource, uint64_t *size)
    int r3map_resource_version(r3map_resource *resource, char *buffer, size_t length)
    int r3map_resource_read_async(r3map_resource *resource, void *buffer, uint64_t length,
                                  uint64_t offset, r3map_queue *queue, uint64_t tag)

    ctypedef struct r3map_region:
        pass

    int r3map_region_open_async(const char *url, const r3map_options *options,
                                r3map_queue *queue, uint64_t tag)
    int r3map_region_close(r3map_region *region)
    const void *r3map_region_data(r3map_region *region)
    int r3map_region_size(r3map_region *region, uint64_t *size)
    int r3map_region_version(r3map_region *region, char *buffer, size_t length)
    int r3map_region_read(r3map_region *region, void *buffer, uint64_t length, uint64_t offset)
    int r3map_region_read_async(r3map_region *region, void *buffer, uint64_t length,
                                uint64_t offset, r3map_queue *queue, uint64_t tag)
    int r3map_region_populate_async(r3map_region *region, uint64_t offset, uint64_t length,
                                    r3map_queue *queue, uint64_t tag)
    int r3map_region_pin_async(r3map_region *region, uint64_t offset, uint64_t length,
                               r3map_queue *queue, uint64_t tag)
    int r3map_region_unpin(r3map_region *region, uint64_t offset, uint64_t length)
    int r3map_region_prefetch(r3map_region *region, const r3map_range *ranges, size_t count)
    int r3map_region_evict(r3map_region *region, uint64_t offset, uint64_t length)
    int r3map_region_wait_async(r3map_region *region, r3map_queue *queue, uint64_t tag)

    ctypedef struct r3map_stats:
        uint32_t struct_size
        uint32_t eager
        uint64_t size
        uint64_t resident
        uint64_t pinned
        uint64_t in_flight
        uint64_t budget
        uint64_t faults
        uint64_t failed_faults
        uint64_t requests
        uint64_t failed_requests
        uint64_t fetched
        uint64_t evicted
        uint64_t fault_count
        uint64_t fault_us_total
        uint64_t fault_us_p50
        uint64_t fault_us_p99
        uint64_t fault_us_max
        uint64_t hedged_requests
        uint64_t retries

    int r3map_region_stats(r3map_region *region, r3map_stats *stats)
    enum:
        R3MAP_STATS_JSON
        R3MAP_STATS_PROMETHEUS

    int r3map_region_stats_text(r3map_region *region, int format, char *buffer, size_t length)
    int r3map_stats_text(int format, char *buffer, size_t length)
    int r3map_region_residency(r3map_region *region, uint64_t offset, uint64_t length,
                               unsigned char *map, size_t cells)
    int r3map_region_error(r3map_region *region, char *buffer, size_t length)
