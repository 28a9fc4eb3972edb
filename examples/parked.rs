//! How much memory parked tasks take: `cargo run --release -p gopark --example parked -- 100000`.

use std::fs;
use std::io;

fn main() -> io::Result<()> {
    let n: usize = match std::env::args().nth(1) {
        None => 100_000,
        Some(text) => text.parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{text:?} is no number of tasks"),
            )
        })?,
    };
    let runtime = gopark::Runtime::new()?;
    let before = Memory::now()?;
    let handle = runtime.handle();
    let tasks: Vec<_> = (0..n).map(|_| handle.spawn(gopark::park).task()).collect();
    while runtime.metrics().total.parked_for(gopark::Reason::Park) < n as u64 {
        std::thread::yield_now();
    }
    let after = Memory::now()?;
    let each = |a: u64, b: u64| (a - b) as f64 * 1024.0 / n as f64;
    println!(
        "{n} parked tasks: {:.0} bytes of memory and {:.0} of page tables each; {} mappings, {} before",
        each(after.rss, before.rss),
        each(after.page_tables, before.page_tables),
        after.mappings,
        before.mappings
    );
    for task in tasks {
        task.unpark();
    }
    Ok(())
}

/// In kilobytes, as the kernel prints it.
struct Memory {
    rss: u64,
    page_tables: u64,
    mappings: usize,
}

impl Memory {
    fn now() -> io::Result<Memory> {
        let status = fs::read_to_string("/proc/self/status")?;
        let number = |name: &str| {
            let line = status
                .lines()
                .find_map(|l| l.strip_prefix(name))
                .unwrap_or("0");
            line.trim_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap_or(0)
        };
        Ok(Memory {
            rss: number("VmRSS:"),
            page_tables: number("VmPTE:"),
            mappings: fs::read_to_string("/proc/self/maps")?.lines().count(),
        })
    }
}
