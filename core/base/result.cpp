#include "base/result.hpp"

#include <cerrno>
#include <system_error>

namespace r3map {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::ok: return "OK";
    case Code::invalid: return "EINVAL";
    case Code::not_found: return "ENOENT";
    case Code::denied: return "EACCES";
    case Code::io: return "EIO";
    case Code::timed_out: return "ETIMEDOUT";
    case Code::stale: return "ESTALE";
    case Code::no_memory: return "ENOMEM";
    case Code::canceled: return "ECANCELED";
    case Code::bad_handle: return "EBADF";
    case Code::unsupported: return "ENOTSUP";
    case Code::protocol: return "EPROTO";
    case Code::network: return "ENETWORK";
    case Code::out_of_range: return "ERANGE";
    case Code::read_only: return "EROFS";
    case Code::deadlock: return "EDEADLK";
    case Code::forked: return "EFORKED";
    case Code::busy: return "EBUSY";
    case Code::internal: return "EINTERNAL";
  }
  return "EUNKNOWN";
}

int code_errno(Code code) {
  switch (code) {
    case Code::ok: return 0;
    case Code::invalid: return EINVAL;
    case Code::not_found: return ENOENT;
    case Code::denied: return EACCES;
    case Code::io: return EIO;
    case Code::timed_out: return ETIMEDOUT;
    case Code::stale: return ESTALE;
    case Code::no_memory: return ENOMEM;
    case Code::canceled: return ECANCELED;
    case Code::bad_handle: return EBADF;
    case Code::unsupported: return EOPNOTSUPP;
    case Code::protocol: return EPROTO;
    case Code::network: return ECONNABORTED;
    case Code::out_of_range: return ERANGE;
    case Code::read_only: return EROFS;
    case Code::deadlock: return EDEADLK;
    case Code::forked: return EBADF;
    case Code::busy: return EBUSY;
    case Code::internal: return EIO;
  }
  return EIO;
}

namespace {

Code code_of_errno(int number) {
  switch (number) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ENOTDIR: return Code::not_found;
    case EACCES:
    case EPERM: return Code::denied;
    case EINVAL:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP: return Code::invalid;
    case ENOMEM:
    case EAGAIN: return Code::no_memory;  // mmap under RLIMIT_MEMLOCK, threads under RLIMIT_NPROC
    case ETXTBSY:
    case EROFS: return Code::read_only;
    case ESTALE: return Code::stale;  // NFS: the file was replaced on the server
    case EBUSY: return Code::busy;
    case ENOSYS:
    case EOPNOTSUPP: return Code::unsupported;
    case ETIMEDOUT: return Code::timed_out;
    default: return Code::io;
  }
}

}  // namespace

Failure fail_errno(std::string_view what, int number) {
  return fail(code_of_errno(number),
              std::string(what) + ": " + std::generic_category().message(number));
}

}  // namespace r3map
