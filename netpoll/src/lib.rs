//! Go's netpoller as a crate: a reactor on mio, and descriptors with Go's locks, deadlines and close.
//!
//! A program says `fd.read(&mut buf)`. If there is nothing to read, the caller *parks*: it gives up
//! its thread until the poller says that there is. What "parks" means is up to whoever runs the
//! program, through the [`Park`] trait: `gopark` switches to another task; without a runtime the
//! calling thread itself waits, polling for itself, and this crate alone runs a server with a
//! thread for each connection (`examples/threads.rs`).
//!
//! | module           | what it is                                                    | in Go                        |
//! |------------------|---------------------------------------------------------------|------------------------------|
//! | [`poller`]       | epoll, the table of descriptors, timers, waking               | `runtime/netpoll_epoll.go`   |
//! | [`desc`]         | `PollDesc`: two slots, two deadlines, closing                 | `runtime/netpoll.go`         |
//! | [`slot`]         | one waiting place: nil, ready, wait, or who waits             | `rg` and `wg`                |
//! | [`fd_mutex`]     | the read and write locks and the reference count              | `internal/poll/fd_mutex.go`  |
//! | [`fd`]           | lock, try, park, retry                                        | `internal/poll/fd_unix.go`   |
//! | [`signal`]       | waiting, with a deadline, for what no descriptor announces    |                              |
//! | [`park`]         | how an execution waits                                        | `gopark` and `goready`       |
//! | [`turns`]        | many at once where no order is kept: datagrams                | (Go serialises them)         |
//! | [`thread`]       | waiting as a plain thread                                     |                              |
//!
//! Linux only, 64 bits.

#![warn(missing_docs)]

#[cfg(not(loom))]
pub mod clock;
#[cfg(loom)]
pub mod clock {
    //! Under loom time stands still until the model moves it.
    use std::cell::Cell;
    thread_local! {
        // Loom runs all threads of a model on one real thread, and models on different ones.
        static NOW: Cell<u64> = const { Cell::new(1000) };
    }
    /// What [`set`] said; 1000 at first.
    pub fn now() -> u64 {
        NOW.get()
    }
    /// Has this moment come?
    pub fn has_come(moment: u64) -> bool {
        now() >= moment
    }
    /// Sets the clock for every thread of the running model.
    pub fn set(now: u64) {
        NOW.set(now);
    }
}
#[cfg(not(loom))]
mod batch;
#[cfg(not(loom))]
mod counters;
pub mod desc;
pub mod error;
pub mod fd_mutex;
pub mod park;
#[doc(hidden)]
pub mod removed;
#[doc(hidden)]
pub mod sema;
#[cfg(loom)]
mod sequential;
pub mod slot;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod turns;
#[doc(hidden)]
pub mod wake_state;

#[cfg(not(loom))]
pub mod fd;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
pub mod poller;
#[doc(hidden)]
pub mod prefetch;
#[cfg(not(loom))]
mod registration;
#[cfg(not(loom))]
pub mod signal;
#[cfg(not(loom))]
pub mod sleep;
#[cfg(not(loom))]
pub mod sockaddr;
#[cfg(not(loom))]
mod sys;
#[cfg(not(loom))]
mod table;
#[cfg(not(loom))]
pub mod thread;
#[cfg(not(loom))]
mod timerfd;
#[cfg(not(loom))]
mod timers;

pub use desc::{Mode, PollDesc};
pub use error::{Error, Partial};
#[cfg(not(loom))]
pub use fd::{Fd, Hold, Kind, ReadTurn, Watched, Watcher};
pub use fd_mutex::FdMutex;
pub use park::{Park, Reason, Refusal, Waiter};
#[cfg(not(loom))]
pub use poller::{BatchId, Poller, PollerHandle};
#[cfg(not(loom))]
pub use signal::Signal;
pub use slot::Slot;
#[cfg(not(loom))]
pub use sockaddr::SockAddr;
