//! How much a command may take before it is stopped.

use std::time::Duration;

/// Limits of one command, everything that it starts included. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time; then SIGTERM, and two seconds later SIGKILL. Default 120 s.
    pub time: Duration,
    /// Resident memory of all its processes together (pages that they share count for each).
    /// Default 2 GiB.
    pub memory: u64,
    /// Address space of each process (`ulimit -v`): a larger allocation fails inside the program.
    /// Default 2 GiB.
    pub address_space: u64,
    /// Processes at once; threads may be eight times as many. Default 128.
    pub processes: u64,
    /// What is kept of each of stdout and stderr: half from its head, half from its tail. Default
    /// 1 MiB.
    pub output_kept: u64,
    /// What may be printed to each of them before the command is stopped. Default 64 MiB.
    pub output: u64,
    /// Size of one file (`ulimit -f`): writing on fails inside the program. Default 256 MiB.
    pub file: u64,
    /// Growth of the work copy. Default 1 GiB.
    pub disk: u64,
    /// The private `/tmp`, and `/dev/shm` as much again; both live in memory. Default 256 MiB.
    pub temporary: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            time: Duration::from_secs(120),
            memory: 2048 * MIB,
            address_space: 2048 * MIB,
            processes: 128,
            output_kept: MIB,
            output: 64 * MIB,
            file: 256 * MIB,
            disk: 1024 * MIB,
            temporary: 256 * MIB,
        }
    }
}

impl Limits {
    /// How many threads all processes may have together.
    pub(super) fn threads(&self) -> u64 {
        self.processes.saturating_mul(8)
    }
}
