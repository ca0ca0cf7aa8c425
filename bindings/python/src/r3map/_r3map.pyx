# cython: auto_pickle=False
"""The C ABI for Python: handles, waiting that Ctrl-C ends, and the buffer protocol.

Whatever has an opinion (defaults, slices, NumPy) is in _region.py.
"""
from cpython.buffer cimport (
    PyBUF_CONTIG, PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE,
    PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy
from posix.types cimport pid_t
from posix.unistd cimport getpid

from ._abi cimport *

cdef extern from "<sys/mman.h>":
    int mincore(void *address, size_t length, unsigned char *here)

cdef extern from "<sys/uio.h>":
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    Py_ssize_t process_vm_readv(pid_t process, const iovec *local, unsigned long local_count,
                                const iovec *remote, unsigned long remote_count,
                                unsigned long flags)

# For how long a signal may go unnoticed, in milliseconds.
cdef int64_t SLICE = 100
# What a read makes resident at once, unless the budget is small.
cdef uint64_t STEP = 8 << 20
# What a populate whose progress is told is divided into, at least; less would not be queued by the
# region but sent for at once.
cdef uint64_t PIECE = 2 << 20
# What a transfer without a region asks for at once.
cdef uint64_t READ_SIZE = 4 << 20

cdef enum:
    PAGE = 4096
    SMALL = 64 << 10  # a read of no more is one operation
    SMALL_PAGES = 17  # what it can touch
    READS = 8         # what a transfer has under way

EINVAL = R3MAP_EINVAL
ENOENT = R3MAP_ENOENT
EACCES = R3MAP_EACCES
EIO = R3MAP_EIO
ETIMEDOUT = R3MAP_ETIMEDOUT
ESTALE = R3MAP_ESTALE
ENOMEM = R3MAP_ENOMEM
ECANCELED = R3MAP_ECANCELED
EBADF = R3MAP_EBADF
ENOTSUP = R3MAP_ENOTSUP
EPROTO = R3MAP_EPROTO
ENETWORK = R3MAP_ENETWORK
ERANGE = R3MAP_ERANGE
EROFS = R3MAP_EROFS
EDEADLK = R3MAP_EDEADLK
EFORKED = R3MAP_EFORKED
EBUSY = R3MAP_EBUSY
EINTERNAL = R3MAP_EINTERNAL

PULL = {"none": R3MAP_PULL_NONE, "readahead": R3MAP_PULL_READAHEAD, "all": R3MAP_PULL_ALL}

STATS = {"json": R3MAP_STATS_JSON, "prometheus": R3MAP_STATS_PROMETHEUS}


def version():
    return r3map_version().decode()


def error_name(int code):
    return r3map_error_name(code).decode()


def errno_of(int code):
    return r3map_error_errno(code)


def shown_url(str url):
    """The URL without its password, and over HTTP without its query."""
    name = url.encode("utf-8", "surrogateescape")
    length = r3map_url_shown(name, NULL, 0)
    text = bytearray(max(length, 0) + 1)
    r3map_url_shown(name, text, len(text))
    return text[:-1].decode("utf-8", "replace")


cdef object failure(int code, const char *message, str url):
    text = message.decode("utf-8", "replace")  # at once: it is borrowed until the next call
    from ._errors import from_code  # which needs this module first
    return from_code(code, text, url)


cdef int check(int code, str url=None) except -1:
    """Raises what the calling thread's last call failed with."""
    if code < 0:
        raise failure(code, r3map_last_error_message(), url)
    return code


cdef class Queue:
    """A r3map_queue. Freed with the object; what is under way then completes into nothing."""
    cdef r3map_queue *handle
    cdef pid_t owner

    def __cinit__(self):
        check(r3map_queue_new(&self.handle))
        self.owner = getpid()

    def __dealloc__(self):
        if self.handle != NULL and self.owner == getpid():
            r3map_queue_free(self.handle)

    def descriptor(self):
        return check(r3map_queue_descriptor(self.handle))

    def take(self):
        """(tag, value, code, message) of a completion that is there, or None."""
        cdef r3map_completion completion
        completion.struct_size = sizeof(r3map_completion)
        if check(r3map_queue_next(self.handle, &completion, 0)) == 0:
            return None
        return (completion.tag, completion.value, completion.code,
                completion.message.decode("utf-8", "replace"))

    cdef bint poll(self, r3map_completion *completion, str url) except -1:
        """Whether a completion came soon. Raises its failure, or what a signal's handler raises."""
        cdef int got
        completion.struct_size = sizeof(r3map_completion)
        with nogil:
            got = r3map_queue_next(self.handle, completion, SLICE)
        if check(got, url) == 0:
            PyErr_CheckSignals()
            return False
        if completion.code < 0:
            raise failure(completion.code, completion.message, url)
        return True

    cdef int wait(self, r3map_completion *completion, str url) except -1:
        """The next completion, as poll()."""
        while not self.poll(completion, url):
            pass
        return 0


# Queues that nothing is under way on: each costs a descriptor and system calls to make.
cdef list idle_queues = []


cdef Queue take_queue():
    cdef Queue queue
    while idle_queues:
        queue = idle_queues.pop()
        if queue.owner == getpid():
            return queue
    return Queue()


cdef void give_queue(Queue queue):
    if len(idle_queues) < 16:
        idle_queues.append(queue)


def stats_text(int format):
    """Of all regions."""
    cdef int length = 0
    text = bytearray()
    while length >= len(text):  # it may have grown since
        text = bytearray(length + 256)
        length = check(r3map_stats_text(format, text, len(text)))
    return text[:length].decode("utf-8", "replace")


cdef class Options:
    """A r3map_options. `ranges` are the priority: a buffer of pairs of uint64."""
    cdef r3map_options *handle

    def __cinit__(self, *args, **kwargs):
        check(r3map_options_new(&self.handle))

    def __init__(self, dict texts, deadline=None, chunk_size=None, budget=None, pull=None,
                 const uint64_t[::1] priority=None, fetch_limits=None, trace=None,
                 pull_order=None):
        for name, value in texts.items():
            check(r3map_options_set(self.handle, name, value))
        if deadline is not None:
            check(r3map_options_set_deadline(self.handle, deadline))
        if chunk_size is not None:
            check(r3map_options_set_chunk_size(self.handle, chunk_size))
        if budget is not None:
            check(r3map_options_set_budget(self.handle, budget))
        if pull is not None:
            check(r3map_options_set_pull(self.handle, pull))
        if priority is not None and priority.shape[0] > 0:
            check(r3map_options_set_priority(self.handle, <const r3map_range *>&priority[0],
                                             priority.shape[0] // 2))
        if fetch_limits is not None:
            requests, size = fetch_limits
            check(r3map_options_set_fetch_limits(self.handle, requests, size))
        if trace is not None:
            check(r3map_options_set_trace(self.handle, trace))
        if pull_order is not None:
            check(r3map_options_set_pull_order(self.handle, pull_order))

    def __dealloc__(self):
        r3map_options_free(self.handle)


cdef class Resource:
    """A r3map_resource: an object without memory. For one thread."""
    cdef r3map_resource *handle
    cdef Queue queue
    cdef str url
    cdef int under_way    # reads whose completions have not been taken
    cdef readonly uint64_t size

    def __init__(self, bytes name, str url, Options options):
        cdef r3map_completion completion
        cdef const char *c_name = name
        cdef int code
        self.url = url
        self.queue = Queue()
        with nogil:
            code = r3map_resource_open_async(c_name, options.handle, self.queue.handle, 0)
        check(code, url)
        self.queue.wait(&completion, url)
        self.handle = <r3map_resource *><uintptr_t>completion.value
        check(r3map_resource_size(self.handle, &self.size), url)

    def __dealloc__(self):
        if self.handle != NULL and self.queue.owner == getpid():
            r3map_resource_close(self.handle)

    def version(self):
        text = bytearray(check(r3map_resource_version(self.handle, NULL, 0), self.url) + 1)
        check(r3map_resource_version(self.handle, text, len(text)), self.url)
        return text[:-1].decode("utf-8", "replace")

    def close(self):
        """Ends the reads that are under way: their buffers are free again."""
        cdef r3map_completion completion
        cdef r3map_resource *handle = self.handle
        if handle == NULL:
            return
        self.handle = NULL
        completion.struct_size = sizeof(r3map_completion)
        with nogil:
            r3map_resource_close(handle)
            while self.under_way > 0 and r3map_queue_next(self.queue.handle, &completion, -1) == 1:
                self.under_way -= 1

    cdef int start(self, char *to, uint64_t length, uint64_t offset, uint64_t tag) except -1:
        check(r3map_resource_read_async(self.handle, to, length, offset, self.queue.handle, tag),
              self.url)
        self.under_way += 1
        return 0

    cdef bint poll(self, r3map_completion *completion) except -1:
        """As Queue.poll."""
        cdef bint came = False
        completion.code = 0
        try:
            came = self.queue.poll(completion, self.url)
        finally:
            self.under_way -= came or completion.code < 0
        return came

    def read(self, uint64_t offset, uint64_t length):
        """The bytes of a range. Closes."""
        cdef r3map_completion completion
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        try:
            self.start(PyBytes_AsString(result), length, offset, 0)
            while not self.poll(&completion):
                pass
        finally:
            self.close()  # before the buffer goes
        return result

    def transfer(self, write):
        """Calls write(memoryview) with all of the object, piece by piece in their order. Closes."""
        cdef r3map_completion completion
        cdef uint64_t count = (self.size + READ_SIZE - 1) // READ_SIZE, started = 0, number, at
        cdef bint there[READS]
        cdef list buffers = []
        try:
            for number in range(count):
                while started < count and started < number + READS:
                    if started < READS:
                        buffers.append(bytearray(min(READ_SIZE, self.size)))
                    at = started * READ_SIZE
                    there[started % READS] = False
                    self.start(buffers[started % READS], min(READ_SIZE, self.size - at), at,
                               started % READS)
                    started += 1
                while not there[number % READS]:
                    if self.poll(&completion):
                        there[completion.tag] = True
                write(memoryview(buffers[number % READS])[:self.size - number * READ_SIZE])
        finally:
            self.close()  # before the buffers go


def open_async(bytes name, str url, Options options, Queue queue, uint64_t tag):
    """Starts to open a region; `Region._adopt` takes the completion's value."""
    cdef const char *c_name = name
    cdef int code
    with nogil:
        code = r3map_region_open_async(c_name, options.handle, queue.handle, tag)
    check(code, url)


def read_ended(bytes buffer):
    Py_DECREF(buffer)


cdef class Region:
    """A r3map_region that lives until it is closed and nobody uses its memory any more."""
    cdef r3map_region *handle    # NULL before the open and after the close
    cdef const void *data
    cdef Py_ssize_t length
    cdef Py_ssize_t stride
    cdef uint64_t step           # what a read makes resident at once
    cdef uint64_t most           # what can be populated
    cdef Py_ssize_t exports      # buffers that point to the memory
    cdef bint let_go             # closed for the user; really so when `exports` falls to 0
    cdef pid_t owner
    cdef str _url
    cdef list abandoned          # what Ctrl-C left under way: (queue, offset, length) of pins,
                                 # (queue, buffer, None) of reads

    def __cinit__(self, *args, **kwargs):
        self.stride = 1
        self.owner = getpid()
        self.abandoned = []

    def __dealloc__(self):
        # After a fork the parent's region is none of the child's business.
        if self.handle != NULL and self.owner == getpid():
            with nogil:
                r3map_region_close(self.handle)

    def _open(self, bytes name, str url, Options options):
        cdef Queue queue = take_queue()
        cdef r3map_completion completion
        open_async(name, url, options, queue, 0)
        queue.wait(&completion, url)
        give_queue(queue)
        return self._adopt(completion.value, url)

    def _adopt(self, uint64_t value, str url):
        """Becomes the region that was opened. Gives whether it was read eagerly."""
        cdef r3map_stats stats
        cdef int code
        cdef uint64_t size = 0
        self._url = url
        self.handle = <r3map_region *><uintptr_t>value
        self.data = r3map_region_data(self.handle)
        check(r3map_region_size(self.handle, &size), url)
        self.length = size
        stats.struct_size = sizeof(r3map_stats)
        with nogil:
            code = r3map_region_stats(self.handle, &stats)
        check(code, url)
        self.step = min(STEP, max(stats.budget // 8, <uint64_t>PAGE))
        self.most = stats.budget // 8 * 7
        return stats.eager != 0

    cdef r3map_region *use(self) except NULL:
        """The handle of an open region of this process."""
        if self.owner != getpid():
            raise failure(R3MAP_EFORKED, b"the region was opened before fork(): open it again in "
                          b"this process", self._url)
        if self.handle == NULL or self.let_go:
            raise failure(R3MAP_EBADF, b"the region is closed", self._url)
        return self.handle

    def _check_open(self):
        self.use()

    cdef int close_handle(self) except -1:
        cdef r3map_region *handle = self.handle
        cdef int code
        self.handle = NULL  # first: other threads run while we wait
        if handle == NULL or self.owner != getpid():
            return 0
        with nogil:
            code = r3map_region_close(handle)
        return check(code, self._url)

    def _close(self):
        if self.exports > 0 and not self.let_go and self.owner == getpid():
            raise BufferError(
                f"{self.exports} buffers of the region are in use (arrays, memoryviews)")
        self._let_go()

    def _let_go(self):
        self.let_go = True
        if self.exports == 0:
            self.close_handle()

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        self.use()
        if flags & PyBUF_WRITABLE:
            raise BufferError("the region is read-only")
        buffer.buf = <void *>self.data
        buffer.len = self.length
        buffer.itemsize = 1
        buffer.readonly = 1
        buffer.ndim = 1
        buffer.format = <char *>b"B" if flags & PyBUF_FORMAT else NULL
        buffer.shape = &self.length if flags & PyBUF_ND else NULL
        buffer.strides = &self.stride if (flags & PyBUF_STRIDES) == PyBUF_STRIDES else NULL
        buffer.suboffsets = NULL
        buffer.internal = NULL
        buffer.obj = self
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.exports -= 1
        if self.exports == 0 and self.let_go:
            self.close_handle()

    @property
    def url(self):
        return self._url

    @property
    def closed(self):
        return self.handle == NULL or self.let_go

    @property
    def _length(self):
        return self.length

    @property
    def size(self):
        self.use()
        return self.length

    def _version(self):
        text = bytearray(check(r3map_region_version(self.use(), NULL, 0), self._url) + 1)
        check(r3map_region_version(self.use(), text, len(text)), self._url)
        return text[:-1].decode("utf-8", "replace")

    def _populate(self, uint64_t offset, uint64_t length, report=None):
        """report: called with the count of bytes that are there."""
        cdef r3map_region *region = self.use()
        cdef Queue queue = take_queue()
        cdef r3map_completion completion
        cdef uint64_t piece = length, left = 1, done = 0, at = 0
        check(r3map_region_populate_async(region, offset, length, queue.handle, 0), self._url)
        if report is not None and length <= self.most:
            # That call is what counts; its pieces, asked for once more, tell how far it is. Tags
            # are their lengths.
            piece = max(PIECE, length // 256)
            while at < length:
                piece = min(piece, length - at)
                check(r3map_region_populate_async(region, offset + at, piece, queue.handle, piece),
                      self._url)
                at += piece
                left += 1
        while left > 0:
            queue.wait(&completion, self._url)
            left -= 1
            done += completion.tag
            if completion.tag > 0:
                report(done)
        give_queue(queue)

    def _pin(self, uint64_t offset, uint64_t length):
        cdef r3map_region *region = self.use()
        cdef Queue queue = take_queue()
        cdef r3map_completion completion
        self.reap()
        check(r3map_region_pin_async(region, offset, length, queue.handle, 0), self._url)
        completion.code = 0
        try:
            queue.wait(&completion, self._url)
        except BaseException:
            if completion.code == 0:  # a signal, and the pin may still come to pass
                self.abandoned.append((queue, offset, length))
            raise
        give_queue(queue)

    cdef int reap(self) except -1:
        """Takes back what nobody waits for any more."""
        cdef r3map_completion completion
        cdef Queue queue
        completion.struct_size = sizeof(r3map_completion)
        left = []
        for entry in self.abandoned:
            queue, first, length = entry
            if r3map_queue_next(queue.handle, &completion, 0) == 0:
                left.append(entry)
            elif length is None:
                Py_DECREF(first)
            elif completion.code == 0:
                self._unpin(first, length)
        self.abandoned = left
        return 0

    def _unpin(self, uint64_t offset, uint64_t length):
        cdef int code
        if self.handle != NULL and self.owner == getpid():  # a close has unpinned everything
            with nogil:
                code = r3map_region_unpin(self.handle, offset, length)
            check(code, self._url)

    def _wait(self, tick=None):
        """tick: called now and then."""
        cdef r3map_region *region = self.use()
        cdef Queue queue = take_queue()
        cdef r3map_completion completion
        check(r3map_region_wait_async(region, queue.handle, 0), self._url)
        while not queue.poll(&completion, self._url):
            if tick is not None:
                tick()
        give_queue(queue)

    def _prefetch(self, const uint64_t[::1] ranges):
        cdef r3map_region *region = self.use()
        cdef size_t count = ranges.shape[0] // 2
        cdef const r3map_range *first
        cdef int code
        if count > 0:
            first = <const r3map_range *>&ranges[0]
            with nogil:
                code = r3map_region_prefetch(region, first, count)
            check(code, self._url)

    def _evict(self, uint64_t offset, uint64_t length):
        cdef r3map_region *region = self.use()
        cdef int code
        self.reap()
        with nogil:
            code = r3map_region_evict(region, offset, length)
        check(code, self._url)

    cdef bint copy_resident(self, char *to, size_t length, uint64_t offset) noexcept:
        """Whether all the pages are here, and could be copied without asking anybody.

        Holding the GIL keeps other threads from closing the region. The kernel copies: where a
        page is given back meanwhile, it says so instead of SIGBUS.
        """
        cdef unsigned char here[SMALL_PAGES]
        cdef uintptr_t start = <uintptr_t>self.data + offset
        cdef uintptr_t first = start - start % PAGE
        cdef size_t pages = (start + length - first + PAGE - 1) // PAGE, i
        cdef iovec local = [to, length]
        cdef iovec remote = [<void *>start, length]
        if self.handle == NULL or self.let_go or mincore(<void *>first, pages * PAGE, here) != 0:
            return False
        for i in range(pages):
            if not here[i] & 1:
                return False
        return process_vm_readv(self.owner, &local, 1, &remote, 1, 0) == <Py_ssize_t>length

    cdef bytes read_small(self, size_t length, uint64_t offset):
        cdef r3map_region *region = self.use()
        cdef bytes result = PyBytes_FromStringAndSize(NULL, length)
        cdef char *to = PyBytes_AsString(result)
        cdef Queue queue
        cdef r3map_completion completion
        if length == 0 or self.copy_resident(to, length, offset):
            return result
        queue = take_queue()
        check(r3map_region_read_async(region, to, length, offset, queue.handle, 0), self._url)
        # It writes there until it has completed, whoever is still waiting.
        Py_INCREF(result)
        completion.code = 0
        try:
            queue.wait(&completion, self._url)
        except BaseException:
            if completion.code == 0:
                self.abandoned.append((queue, result, None))
            else:
                Py_DECREF(result)
            raise
        Py_DECREF(result)
        give_queue(queue)
        return result

    cdef int copy(self, char *to, uint64_t length, uint64_t offset, report) except -1:
        # First populate, which a KeyboardInterrupt can leave to itself, then read what is there.
        # A read that was left alone would go on to write into memory that is no longer ours.
        cdef r3map_region *region = self.use()
        cdef Queue queue = take_queue()
        cdef r3map_completion completion
        cdef uint64_t step = self.step, asked = 0, copied = 0, part
        cdef bint here[2]  # whether the steps under way are resident: two, by turns
        cdef int code
        here[0] = here[1] = False
        while copied < length:
            while asked < length and asked - copied < 2 * step:
                part = min(step, length - asked)
                check(r3map_region_populate_async(region, offset + asked, part, queue.handle,
                                                  asked // step % 2), self._url)
                asked += part
            while not here[copied // step % 2]:
                queue.wait(&completion, self._url)
                here[completion.tag] = True
            here[copied // step % 2] = False
            part = min(step, length - copied)
            with nogil:
                code = r3map_region_read(region, to + copied, part, offset + copied)
            check(code, self._url)
            copied += part
            if report is not None:
                report(copied)
        give_queue(queue)
        return 0

    def _read(self, uint64_t offset, Py_ssize_t length, report=None):
        if length <= SMALL:
            result = self.read_small(length, offset)
            if report is not None and length > 0:
                report(length)
            return result
        result = PyBytes_FromStringAndSize(NULL, length)
        self.copy(PyBytes_AsString(result), length, offset, report)
        return result

    def _read_resident(self, uint64_t offset, Py_ssize_t length):
        """The bytes if they are few and here, else None."""
        self.use()
        if length > SMALL:
            return None
        result = PyBytes_FromStringAndSize(NULL, length)
        if length > 0 and not self.copy_resident(PyBytes_AsString(result), length, offset):
            return None
        return result

    def _readinto(self, buffer, uint64_t offset):
        cdef Py_buffer view
        cdef uint64_t length
        cdef bytes small
        PyObject_GetBuffer(buffer, &view, PyBUF_CONTIG)
        try:
            length = min(<uint64_t>view.len, <uint64_t>self.length - offset)
            if length > SMALL:
                self.copy(<char *>view.buf, length, offset, None)
            elif length > 0 and not self.copy_resident(<char *>view.buf, length, offset):
                small = self.read_small(length, offset)
                memcpy(view.buf, PyBytes_AsString(small), length)
        finally:
            PyBuffer_Release(&view)
        return length

    # The asynchronous forms: started here, completed on `queue`.

    def _populate_async(self, Queue queue, uint64_t tag, tuple span):
        check(r3map_region_populate_async(self.use(), span[0], span[1], queue.handle, tag),
              self._url)

    def _pin_async(self, Queue queue, uint64_t tag, tuple span):
        check(r3map_region_pin_async(self.use(), span[0], span[1], queue.handle, tag), self._url)

    def _wait_async(self, Queue queue, uint64_t tag):
        check(r3map_region_wait_async(self.use(), queue.handle, tag), self._url)

    def _read_async(self, Queue queue, uint64_t tag, tuple span):
        """Gives the bytes that it will fill; `read_ended` must follow the completion."""
        cdef uint64_t offset, length
        offset, length = span
        if SMALL < length <= self.most:
            # A read asks for one piece after the other; like this all are under way at once. Nobody
            # waits for it.
            check(r3map_region_populate_async(self.use(), offset, length, queue.handle, 0),
                  self._url)
        result = PyBytes_FromStringAndSize(NULL, length)
        check(r3map_region_read_async(self.use(), PyBytes_AsString(result), length, offset,
                                      queue.handle, tag), self._url)
        Py_INCREF(result)  # the operation's own
        return result

    def _stats(self):
        cdef r3map_region *region = self.use()
        cdef r3map_stats s
        cdef int code
        s.struct_size = sizeof(r3map_stats)
        with nogil:
            code = r3map_region_stats(region, &s)
        check(code, self._url)
        return (s.eager != 0, s.size, s.resident, s.pinned, s.in_flight, s.budget, s.faults,
                s.failed_faults, s.requests, s.failed_requests, s.fetched, s.evicted, s.fault_count,
                s.fault_us_total, s.fault_us_p50, s.fault_us_p99, s.fault_us_max, s.hedged_requests,
                s.retries)

    def _stats_text(self, int format):
        cdef r3map_region *region = self.use()
        cdef int length = 0
        text = bytearray()
        while length >= len(text):  # it may have grown since
            text = bytearray(length + 256)
            length = check(r3map_region_stats_text(region, format, text, len(text)), self._url)
        return text[:length].decode("utf-8", "replace")

    def _residency(self, uint64_t offset, uint64_t length, Py_ssize_t cells):
        cdef r3map_region *region = self.use()
        result = bytearray(max(cells, 0))
        cdef unsigned char *shares = result
        cdef int code
        with nogil:  # it waits for its turn
            code = r3map_region_residency(region, offset, length, shares, cells)
        check(code, self._url)
        return bytes(result)

    def _error(self):
        cdef r3map_region *region = self.use()
        cdef char message[1024]
        cdef int code
        with nogil:
            code = r3map_region_error(region, message, sizeof(message))
        return None if code == 0 else failure(code, message, self._url)
