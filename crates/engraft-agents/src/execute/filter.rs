//! System calls that a sandboxed command is refused, because a namespace does not cover them: memory
//! that no limit counts, the kernel's key rings, and parts of the kernel that a test never needs.

/// Offsets in the kernel's `seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const SECOND_ARGUMENT: u32 = 24;

/// Instructions of the classic packet filter: load a word, jump if equal or not below, return.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
/// As if the kernel did not have the call (`ENOSYS`), so that programs fall back to others.
const REFUSE: u32 = 0x0005_0000 | 38;

/// Pushing letters into a terminal's input (`TIOCSTI`, `TIOCLINUX`).
const TERMINAL_INPUT: [u32; 2] = [0x5412, 0x541c];

struct Machine {
    /// `AUDIT_ARCH_*` of the kernel.
    name: u32,
    ioctl: u32,
    /// Numbers from here on belong to another way of calling the same kernel.
    foreign: u32,
    /// `memfd_create`, `memfd_secret`, `shmget`, `add_key`, `request_key`, `keyctl`, `bpf`,
    /// `perf_event_open`, `userfaultfd`, `io_uring_setup`.
    refused: [u32; 10],
}

#[cfg(target_arch = "x86_64")]
const MACHINE: Option<Machine> = Some(Machine {
    name: 0xc000_003e,
    ioctl: 16,
    foreign: 0x4000_0000,
    refused: [319, 447, 29, 248, 249, 250, 321, 298, 323, 425],
});

#[cfg(target_arch = "aarch64")]
const MACHINE: Option<Machine> = Some(Machine {
    name: 0xc000_00b7,
    ioctl: 29,
    foreign: u32::MAX,
    refused: [279, 447, 194, 217, 218, 219, 280, 241, 282, 425],
});

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: Option<Machine> = None;

/// The filter as bubblewrap's `--seccomp` reads it; none for machines whose call numbers are not
/// listed here.
pub(super) fn program() -> Option<Vec<u8>> {
    let machine = MACHINE?;
    let mut program = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        instruction(IF_EQUAL, 1, 0, machine.name),
        instruction(RETURN, 0, 0, REFUSE),
        instruction(LOAD, 0, 0, NUMBER),
        instruction(IF_AT_LEAST, 0, 1, machine.foreign),
        instruction(RETURN, 0, 0, REFUSE),
    ];
    for call in machine.refused {
        program.push(instruction(IF_EQUAL, 0, 1, call));
        program.push(instruction(RETURN, 0, 0, REFUSE));
    }
    program.push(instruction(IF_EQUAL, 1, 0, machine.ioctl));
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program.push(instruction(LOAD, 0, 0, SECOND_ARGUMENT));
    for request in TERMINAL_INPUT {
        program.push(instruction(IF_EQUAL, 0, 1, request));
        program.push(instruction(RETURN, 0, 0, REFUSE));
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    Some(program.concat())
}

/// A `sock_filter`: what to do, how far to jump if so and if not, and the value.
fn instruction(code: u16, if_so: u8, if_not: u8, value: u32) -> Vec<u8> {
    let mut bytes = code.to_ne_bytes().to_vec();
    bytes.extend([if_so, if_not]);
    bytes.extend(value.to_ne_bytes());
    bytes
}
