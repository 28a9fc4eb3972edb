//! Go's network poller for Rust: blocking-looking sockets on light tasks, without `async`.
//!
//! A task is a closure on a stack of its own. When it reads from a connection on which nothing has
//! arrived, it parks, and its thread (a *worker*) runs other tasks until epoll says that there is
//! something. To the program it is an ordinary call that blocks.
//!
//! ```
//! use gopark::net::{TcpConn, TcpListener};
//! use std::io;
//!
//! gopark::run(|| -> io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let addr = listener.local_addr()?;
//!     let server = gopark::spawn(move || -> io::Result<usize> {
//!         let (conn, _peer) = listener.accept()?;
//!         let mut buf = [0; 64];
//!         let n = conn.read(&mut buf)?;
//!         conn.write(&buf[..n])
//!     });
//!     let conn = TcpConn::connect(addr)?;
//!     conn.write(b"hello")?;
//!     let mut buf = [0; 64];
//!     let n = conn.read(&mut buf)?;
//!     assert_eq!(&buf[..n], b"hello");
//!     assert_eq!(server.join().unwrap()?, 5);
//!     Ok(())
//! })?;
//! # io::Result::Ok(())
//! ```
//!
//! | here                                             | what it is                                              |
//! |--------------------------------------------------|---------------------------------------------------------|
//! | [`run`], [`Runtime`], [`Handle`], [`Builder`]    | starting and ending workers; spawning from any thread   |
//! | [`spawn`], [`spawn_local`], [`JoinHandle`]       | tasks and their results                                 |
//! | [`scope()`]                                      | tasks that borrow                                       |
//! | [`sleep`], [`yield_now`], [`park`]               | waiting for time, for others, for [`task::Task::unpark`]|
//! | [`blocking`]                                     | calls that would hold the worker                        |
//! | [`task`]                                         | names, stack sizes, task-locals                         |
//! | [`net`]                                          | connections, listeners, addresses, names, errors        |
//! | [`Metrics`], [`Hog`], [`ShutdownReport`]         | what the runtime did, who held it up, what did not end  |
//!
//! The crate `gopark-netpoll`, on which this one stands, is the reactor and the descriptor without tasks.
//!
//! # Rules
//! * A task that has started stays on its worker, so `Rc`, `thread_local!` and guards may live across
//!   a wait. A task that has not started may be taken by another worker, so [`spawn`] wants `Send`.
//! * Tasks give way only where they wait or yield. Long computations and calls that block the
//!   thread belong into [`blocking`]; [`Builder::on_hog`] names those that are elsewhere.
//! * Do not hold a `std::sync::Mutex` across a wait, nor wait inside a scope of `scoped-tls` or its
//!   like: all tasks of a worker share its thread. `docs/soundness.md` in the repository has the reasons.
//! * No call gives way while a task unwinds. In a `Drop` that runs because of a panic, what would
//!   have to wait fails or holds the thread.
//! * When a runtime ends, blocked calls return errors ([`net::NetError::is_shutdown`]). A task that goes on
//!   regardless is given up and its stack leaked; [`Runtime::shutdown_timeout`] names it.
//! * Connections work on plain threads too. Then the thread waits.
//!
//! # Limits
//! Linux on 64-bit processors. There are no Cargo features. Stacks have a fixed size, 64 KiB of
//! address space unless [`Builder::stack_size`] says otherwise (256 KiB with debug assertions); an
//! overflow ends the process with the task's name. A parked task takes at least one page of memory.

#[cfg(not(loom))]
mod descriptor;
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
    descriptor::Descriptor,
    netpoll::Reason,
    sched::builder::Builder,
    sched::metrics::{Metrics, WorkerMetrics},
    sched::runtime::{Handle, Runtime, run},
    sched::shutdown::ShutdownReport,
    sched::watchdog::Hog,
    task::{
        JoinHandle, Scope, ScopedJoinHandle, blocking, park, scope, sleep, sleep_until, spawn,
        spawn_local, yield_now,
    },
};

/// The README's examples, so that they compile and run.
#[cfg(all(doctest, not(loom)))]
#[doc = include_str!("../README.md")]
mod readme {}
