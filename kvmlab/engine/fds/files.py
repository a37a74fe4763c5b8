"""Files and descriptors of the process (fs/file.c, fs/file_table.c), as far as eventfds need them.

A descriptor is a number for a file; dup gives a file a second one. The last close of a file is
what an irqfd or an eoifd sees as POLLHUP. A call takes a reference to the file while it runs.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    EBADF,
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    EINVAL,
    EMFILE,
    RLIMIT_NOFILE,
    Errno,
)
from kvmlab.engine.fds.eventfd import (
    Eventfd,
    eventfd_ctx_read,
    eventfd_release,
    eventfd_write,
    wqh_lock,
)
from kvmlab.engine.kernel.lists import Counted
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile

FDS = "fds"
DEV_KVM_FD, VM_FD, FIRST_VCPU_FD = 3, 4, 5
VM_FILE = "kvm-vm"


class File(Counted):
    """struct file of an eventfd: its context, its references, O_NONBLOCK."""

    __slots__ = ("ctx", "nonblock")
    FIELDS = ("ctx", "refs", "nonblock")
    KIND = "file"

    def __init__(self, ctx: str, nonblock: bool) -> None:
        super().__init__()
        self.ctx, self.nonblock = ctx, nonblock


class Fds(Object):
    """The process's descriptor table: a file's handle by number, or what else a number stands for."""

    __slots__ = ("open",)
    FIELDS = ("table",)

    def __init__(self, vcpus: int) -> None:
        super().__init__()
        self.open: dict[int, str] = {0: "stdin", 1: "stdout", 2: "stderr"}
        self.open |= {DEV_KVM_FD: "/dev/kvm", VM_FD: VM_FILE}
        self.open |= {FIRST_VCPU_FD + n: f"kvm-vcpu:{n}" for n in range(vcpus)}

    @property
    def table(self) -> tuple[tuple[int, str], ...]:
        """The state: (number, file), by number."""
        return tuple(sorted(self.open.items()))

    @table.setter
    def table(self, value: tuple[tuple[int, str], ...]) -> None:
        self.open = dict(value)

    def release_vm(self) -> bool:
        """Close the VM's descriptor and those of its vCPUs at one stroke; False if they are closed."""
        if not self.has_vm():
            return False
        self.changed()
        self.open = {fd: name for fd, name in self.open.items() if not name.startswith("kvm-v")}
        return True

    def has_vm(self) -> bool:
        """Tell whether the VM's number is still the VM's: once closed, it can become an eventfd's."""
        return self.open.get(VM_FD) == VM_FILE

    @touches("file*")
    def eventfd_fget(self, fd: int) -> tuple[str, str, bool] | Errno:
        """Take a reference to a file; return (file, eventfd, nonblock), -EBADF or -EINVAL."""
        name = self.open.get(fd)
        if name is None:
            return Errno(EBADF, f"no file is open as fd {fd}")
        file = self.memory.objects.get(name)
        if not isinstance(file, File):
            return Errno(EINVAL, f"fd {fd} is {name}, not an eventfd")
        file.kref_get()
        return name, file.ctx, file.nonblock

    @touches("slab")
    def eventfd2(self, count: int, flags: int) -> int:
        """Make an eventfd under the lowest free number: the fd, -EINVAL or -EMFILE."""
        if flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC):
            return Errno(EINVAL, f"eventfd2 has no flag {flags:#x}")
        fd = self._unused_fd()
        if fd >= 0:
            self.changed()
            memory = self.memory
            ctx = memory.alloc("eventfd", Eventfd(count, bool(flags & EFD_SEMAPHORE)))
            self.open[fd] = memory.alloc("file", File(ctx, bool(flags & EFD_NONBLOCK)))
        return fd

    @touches("file*")
    def dup(self, fd: int) -> int:
        """Open the same file under the lowest free number: the fd, -EBADF or -EMFILE."""
        file = self.memory.objects.get(self.open.get(fd, ""))
        if not isinstance(file, File):
            return Errno(EBADF, f"no eventfd is open as fd {fd}")
        new = self._unused_fd()
        if new >= 0:
            self.changed()
            file.kref_get()
            self.open[new] = file.handle
        return new

    def close(self, fd: int) -> str | Errno:
        """Free an eventfd's number; return its file, or -EBADF."""
        if "#" not in self.open.get(fd, ""):
            return Errno(EBADF, f"no eventfd is open as fd {fd}")
        self.changed()
        return self.open.pop(fd)

    def _unused_fd(self) -> int:
        fd = 0
        if len(self.open) >= RLIMIT_NOFILE:
            return Errno(EMFILE, f"the process has {RLIMIT_NOFILE} descriptors open")
        while fd in self.open:
            fd += 1
        return fd


@path
def sys_write(profile: Profile, fd: int, value: int) -> Path[int]:
    """write(2) of 8 bytes to an eventfd: 0, -EBADF, -EINVAL, -EAGAIN, -EINTR."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, ctx, nonblock = file
    ret = yield from eventfd_write(profile, ctx, nonblock, value)
    if not (yield (File.kref_put, name)):
        yield from release_file(profile, name)
    return ret


@path
def sys_read(profile: Profile, fd: int) -> Path[int]:
    """read(2) of 8 bytes from an eventfd: the value, -EBADF, -EINVAL, -EAGAIN, -EINTR."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, ctx, nonblock = file
    ret = yield from eventfd_ctx_read(profile, ctx, nonblock)
    if not (yield (File.kref_put, name)):
        yield from release_file(profile, name)
    return ret


@path
def sys_poll(profile: Profile, fd: int) -> Path[int]:
    """poll(2) without a wait: the mask, -EBADF or -EINVAL."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, ctx, _nonblock = file
    yield spin_lock(wqh_lock(ctx))
    mask: int = yield (Eventfd.poll_mask, ctx)
    yield spin_unlock(wqh_lock(ctx))
    yield from fput(profile, name)
    return mask


@path
def sys_close(profile: Profile, fd: int) -> Path[int]:
    """close(2): 0 or -EBADF. The last close of a file wakes its waiters with POLLHUP."""
    file = yield (Fds.close, FDS, fd)
    if isinstance(file, Errno):
        return file
    yield from fput(profile, file)
    return 0


@path
def fput(profile: Profile, file: str) -> Path[None]:
    """Drop a reference to a file; the last one releases it."""
    if not (yield (File.kref_put, file)):
        yield from release_file(profile, file)


@path
def release_file(profile: Profile, file: str) -> Path[None]:
    """The last reference is gone: eventfd_release, then the file itself (__fput)."""
    ctx = yield (File.load, file, "ctx")
    yield from eventfd_release(profile, ctx)
    yield kfree(file)


@path
def eventfd_ctx_fdget(profile: Profile, fd: int) -> Path[str | Errno]:
    """Return the context behind a descriptor with a reference of its own, -EBADF or -EINVAL."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, ctx, _nonblock = file
    yield (Eventfd.kref_get, ctx)
    yield from fput(profile, name)
    return str(ctx)
