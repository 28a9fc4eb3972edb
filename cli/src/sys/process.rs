//! What the kernel says about a process.

use std::fs;

/// Resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: sysconf takes a number and touches no memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}

/// The memory that the kernel counts for a process.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
pub struct Memory {
    /// Resident bytes.
    pub resident: u64,
    /// Bytes of page tables.
    pub page_tables: u64,
    /// Threads.
    pub threads: u64,
}

/// Counts the memory of a process exactly; that takes the kernel longer than
/// [`resident_bytes`], which may be off by some pages for each core.
pub fn memory(pid: u32) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Memory {
        resident: field(&rollup, "Rss:")? * 1024,
        page_tables: field(&status, "VmPTE:")? * 1024,
        threads: field(&status, "Threads:")?,
    })
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The machine in a few words, for reports: processor, cores, kernel.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = super::affinity::allowed().map_or(0, |cores| cores.len());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_memory_and_a_missing_one_has_none() {
        assert!(super::resident_bytes(std::process::id()).unwrap() > 4096);
        assert_eq!(super::resident_bytes(u32::MAX), None);
        let memory = super::memory(std::process::id()).unwrap();
        assert!(memory.resident > 4096 && memory.page_tables > 0 && memory.threads > 0);
    }
}
