//! What stands beside every figure: device, instruction set, time.

use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Makes the calling thread one of the pool's, so that a kernel it starts runs on it at once instead
/// of waking another thread first. Call it once, at the start of a program.
pub fn join_pool() {
    let pool = rayon::ThreadPoolBuilder::new().use_current_thread();
    // It fails where a pool is there already, and then that one serves.
    let _ = pool.build_global();
}

/// Device, widest vector instructions and threads: `cpu, AVX-512, 2 threads`.
pub fn describe(device: &Device) -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match *device == Device::flex() {
        true => format!("cpu, {}, {threads} threads", instruction_set()),
        false => format!("{device:?}"),
    }
}

/// The widest vector instructions of this machine that kernels use.
#[cfg(target_arch = "x86_64")]
pub fn instruction_set() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "SSE2"
    }
}

#[cfg(target_arch = "aarch64")]
pub fn instruction_set() -> &'static str {
    "NEON"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn instruction_set() -> &'static str {
    "scalar"
}
