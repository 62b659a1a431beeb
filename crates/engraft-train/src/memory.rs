//! The most memory this process has held.

/// Largest resident set of this process in bytes since its start or the last
/// [`forget_peak_rss`], where the system tells (Linux).
pub fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Starts the peak anew from what is held now; without effect where the system cannot.
pub fn forget_peak_rss() {
    // 5 resets the high-water mark (proc(5), clear_refs). The peak is a courtesy: no error.
    std::fs::write("/proc/self/clear_refs", "5").unwrap_or_default();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn touching_memory_raises_the_peak() {
        let before = super::peak_rss().unwrap();
        let block = vec![1u8; 64 << 20];
        assert_eq!(block.iter().map(|&b| u64::from(b)).sum::<u64>(), 64 << 20);
        let with_block = super::peak_rss().unwrap();
        assert!(with_block >= before.max(64 << 20));
        drop(block);
        super::forget_peak_rss();
        assert!(super::peak_rss().unwrap() < with_block);
    }
}
