"""Takes from this process what code of others must not have: files, network, other processes.

Two mechanisms of the Linux kernel that need no privilege, and work in a container under Docker's
default profile. Landlock (https://docs.kernel.org/userspace-api/landlock.html) leaves only the
files that are named, and hides other processes' memory and environment. A seccomp filter
(https://docs.kernel.org/userspace-api/seccomp_filter.html) takes away the calls for sockets, for
other processes, and for what Landlock does not decide about files. Neither can be undone, and both
hold for everything that the process does afterwards.

`registry.sandbox` starts a process that loads this file by its path: it imports the standard
library alone, so that no module of ours is there for code that brings its own.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

GIB = 2**30
LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: GIB // 4,
    resource.RLIMIT_NOFILE: 1024,
    resource.RLIMIT_DATA: 16 * GIB,  # what it writes to in memory
    resource.RLIMIT_AS: 128 * GIB,  # libraries reserve far more than they use
}

# Landlock: https://git.kernel.org/torvalds/c/include/uapi/linux/landlock.h, the same everywhere.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE = 1 << 13, 1 << 14
HANDLED_FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # bits, by version; later ones as 5
TCP, SCOPES = 0b11, 0b11  # from versions 4 and 6 on
READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
FOR_FILES = WRITE_FILE | READ_FILE | TRUNCATE

# Of x86-64 and of AArch64; None: that machine has no such call.
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
Numbers = tuple[int | None, int | None]
REFUSED: dict[str, dict[str, Numbers]] = {
    "network": {
        "socket": (41, 198),
        "socketpair": (53, 199),
        "connect": (42, 203),
        "bind": (49, 200),
        "listen": (50, 201),
        "accept": (43, 202),
        "accept4": (288, 242),
        "sendto": (44, 206),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
    },
    "other processes": {
        "fork": (57, None),
        "vfork": (58, None),
        "execve": (59, 221),
        "execveat": (322, 281),
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "pidfd_open": (434, 434),
        "pidfd_getfd": (438, 438),
        "pidfd_send_signal": (424, 424),
        "kcmp": (312, 272),
        "tkill": (200, 130),
        "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240),
        "setpriority": (141, 140),
        "ioprio_set": (251, 30),
        "sched_setscheduler": (144, 119),
        "sched_setparam": (142, 118),
        "sched_setattr": (314, 274),
        "migrate_pages": (256, 238),
        "move_pages": (279, 239),
        "get_robust_list": (274, 100),
    },
    "memory and queues that processes share": {
        "shmget": (29, 194),
        "shmat": (30, 196),
        "shmctl": (31, 195),
        "msgget": (68, 186),
        "msgsnd": (69, 189),
        "msgrcv": (70, 188),
        "msgctl": (71, 187),
        "semget": (64, 190),
        "semop": (65, 193),
        "semtimedop": (220, 192),
        "semctl": (66, 191),
        "mq_open": (240, 180),
        "mq_unlink": (241, 181),
        "memfd_create": (319, 279),
    },
    "what Landlock does not decide about files": {
        "truncate": (76, 45),
        "chmod": (90, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "chown": (92, None),
        "fchown": (93, 55),
        "lchown": (94, None),
        "fchownat": (260, 54),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        "utime": (132, None),
        "utimes": (235, None),
        "futimesat": (261, None),
        "utimensat": (280, 88),
        "mknod": (133, None),
        "mknodat": (259, 33),
        "inotify_init": (253, None),
        "inotify_init1": (294, 26),
        "inotify_add_watch": (254, 27),
        "fanotify_init": (300, 262),
        "fanotify_mark": (301, 263),
        "name_to_handle_at": (303, 264),
        "open_by_handle_at": (304, 265),
    },
    "namespaces and the kernel itself": {
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "io_uring_setup": (425, 425),  # its requests are not seen by a filter
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "userfaultfd": (323, 282),
        "keyctl": (250, 219),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "personality": (135, 92),
        "quotactl": (179, 60),
        "syslog": (103, 116),
        "swapon": (167, 224),
        "swapoff": (168, 225),
        "acct": (163, 89),
        "reboot": (169, 142),
    },
}
NEWER = 440  # what a kernel learnt after 2020 is refused as by an older kernel
CLONE, CLONE3, THREAD = (56, 220), 435, 0x10000
# Allowed towards this process alone: 0 or its own number as the first argument.
OWN = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
}
# F_SETOWN, F_SETSIG, F_SETOWN_EX; F_SETLEASE, F_NOTIFY: others wait for who has a lease
FCNTL, SIGNALS_OF_FILES = (72, 25), (8, 10, 15, 1024, 1026)
CAPGET, CAPSET, CAPABILITIES_VERSION = (125, 90), (126, 91), 0x20080522
READ_ANY_FILE = 1 << 2  # CAP_DAC_READ_SEARCH: of the files that Landlock leaves
PRCTL, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = (157, 167), 1, 38
SECCOMP, SET_MODE_FILTER = (317, 277), 1

# Classic BPF over `struct seccomp_data`: number, architecture, instruction pointer, arguments.
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Unconfinable(Exception):
    """Raised where the kernel cannot hold a process so: no code of others may be run in it."""


def confine(readable: Iterable[str], writable: str, cpu_seconds: int) -> None:
    """Leave this process, for good, the files under `readable` to read and `writable` to write.

    Call before any thread is started. What is not there is left out. Raises Unconfinable; the
    process must then end without running anything.
    """
    if platform.machine() not in MACHINES or sys.platform != "linux":
        raise Unconfinable(f"no rules are known for {sys.platform} on {platform.machine()}")
    _call(PRCTL[_machine()], PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # ends with its parent
    _call(PRCTL[_machine()], PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _limit(cpu_seconds)
    _drop_capabilities()
    _keep_files(readable, writable)
    _refuse_calls()


def landlock_version() -> int:
    """Of the running kernel; 0 where it has no Landlock, or a container forbids it."""
    return max(int(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_FLAG)), 0)


def _limit(cpu_seconds: int) -> None:
    for kind, most in {**LIMITS, resource.RLIMIT_CPU: cpu_seconds}.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    with suppress(OSError):  # the first to go where memory runs out
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _drop_capabilities() -> None:
    """Root's powers (clock, host name, raised limits, ports of devices), all but for reading."""
    header = struct.pack("Ii", CAPABILITIES_VERSION, 0)
    held = ctypes.create_string_buffer(24)  # effective, permitted, inheritable; twice
    _call(CAPGET[_machine()], header, held)
    kept = struct.unpack_from("I", held, 4)[0] & READ_ANY_FILE
    _call(CAPSET[_machine()], header, struct.pack("6I", kept, kept, 0, 0, 0, 0))


def _keep_files(readable: Iterable[str], writable: str) -> None:
    version = landlock_version()
    if version < 1:
        raise Unconfinable("the kernel has no Landlock, or this container forbids it")
    handled = (1 << HANDLED_FILES[min(version, 5)]) - 1
    attributes = struct.pack("QQQ", handled, TCP, SCOPES)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(CREATE_RULESET, attributes, size, 0)
    for path in readable:
        _allow(ruleset, path, READ & handled)
    _allow(ruleset, writable, WRITE & handled)
    _allow(ruleset, "/dev/null", (READ_FILE | WRITE_FILE) & handled)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not Path(path).is_dir():
        access &= FOR_FILES
    _call(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", access, place), 0)
    os.close(place)


def _refuse_calls() -> None:
    program = b"".join(_program(_machine(), os.getpid()))
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _call(SECCOMP[_machine()], SET_MODE_FILTER, 0, filter_)


def _program(machine: int, own: int) -> Iterator[bytes]:
    """Reads: another architecture ends the process; what is refused fails; the rest goes on."""
    yield _step(LOAD, ARCHITECTURE)
    yield _step(JUMP_EQUAL, dict(MACHINES.values())[machine], 1)
    yield _step(RETURN, KILL)
    yield _step(LOAD, NUMBER)
    yield from _answer(JUMP_AT_LEAST, NEWER, errno.ENOSYS)  # x32's calls are up there, too
    yield from _answer(JUMP_EQUAL, CLONE3, errno.ENOSYS)  # its flags cannot be seen: use `clone`
    for calls in REFUSED.values():
        for numbers in calls.values():
            number = numbers[machine]
            if number is not None:
                yield from _answer(JUMP_EQUAL, number, errno.EPERM)
    for numbers in OWN.values():
        yield _step(JUMP_EQUAL, numbers[machine], 0, 5)
        yield _step(LOAD, FIRST_ARGUMENT)
        yield _step(JUMP_EQUAL, 0, 2)
        yield _step(JUMP_EQUAL, own, 1)
        yield _step(RETURN, ERROR | errno.EPERM)
        yield _step(RETURN, ALLOW)
    yield _step(JUMP_EQUAL, CLONE[machine], 0, 4)
    yield _step(LOAD, FIRST_ARGUMENT)
    yield _step(JUMP_IF_SET, THREAD, 1)
    yield _step(RETURN, ERROR | errno.EPERM)
    yield _step(RETURN, ALLOW)
    yield from _unless(FCNTL[machine], SECOND_ARGUMENT, SIGNALS_OF_FILES)
    yield from _unless(PRCTL[machine], FIRST_ARGUMENT, (PR_SET_PDEATHSIG,))
    yield _step(RETURN, ALLOW)


def _unless(number: int, argument: int, values: tuple[int, ...]) -> Iterator[bytes]:
    """The call is refused with one of those values as that argument."""
    yield _step(JUMP_EQUAL, number, 0, 2 * len(values) + 2)
    yield _step(LOAD, argument)
    for value in values:
        yield from _answer(JUMP_EQUAL, value, errno.EPERM)
    yield _step(RETURN, ALLOW)


def _answer(jump: int, value: int, error: int) -> Iterator[bytes]:
    yield _step(jump, value, 0, 1)
    yield _step(RETURN, ERROR | error)


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, value)


def _machine() -> int:
    return MACHINES[platform.machine()][0]


def _call(number: int, *arguments: object) -> int:
    whole = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    found = int(libc.syscall(ctypes.c_long(number), *whole))
    if found < 0:
        code = ctypes.get_errno()
        raise Unconfinable(f"the kernel refuses to confine a process ({os.strerror(code)})")
    return found
