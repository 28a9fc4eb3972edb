//! Go's network poller for Rust: blocking-looking sockets on light tasks, without `async`.

#[cfg(loom)]
#[path = "task/bits.rs"]
mod join_bits;
#[cfg(not(loom))]
pub mod net;
mod sched;
#[cfg(not(loom))]
mod stack;
mod sync;
#[cfg(not(loom))]
pub mod task;

#[cfg(not(loom))]
pub use {
    netpoll::Reason,
    sched::metrics::{Metrics, WorkerMetrics},
    sched::runtime::{Builder, Handle, Runtime, run},
    sched::shutdown::ShutdownReport,
    sched::watchdog::Hog,
    task::{
        JoinHandle, Scope, ScopedJoinHandle, blocking, park, scope, sleep, sleep_until, spawn,
        spawn_local, yield_now,
    },
};
