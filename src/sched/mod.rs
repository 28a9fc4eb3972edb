//! The scheduler: workers that run tasks, and the runtime that holds them together.
//!
//! | file          | what it is                                                              |
//! |---------------|-------------------------------------------------------------------------|
//! | `worker`      | one thread: its loop, its queues, its poller, how a task parks on it     |
//! | `poll`        | when a worker asks the kernel: under load, and before it sleeps          |
//! | `queue`       | tasks that are ready, or have yielded                                    |
//! | `holds`       | counts of a shared thing that a worker lends to handles                  |
//! | `ring`        | unstarted tasks, which idle workers may take (Go's `runq`)               |
//! | `inbox`       | wake-ups and tasks from other threads                                    |
//! | `link`        | how a task is linked into an inbox                                       |
//! | `idle`        | who sleeps, and who is called to look for unstarted tasks                |
//! | `sharing`     | offering and taking unstarted tasks                                      |
//! | `placement`   | where a new task starts                                                  |
//! | `patience`    | how long an idle worker leaves its neighbours' unstarted tasks to them    |
//! | `crew`        | the list of the workers                                                  |
//! | `presence`    | whether a worker has a thread, and takes new tasks                        |
//! | `spare`       | when spare workers start and leave                                       |
//! | `builder`     | the settings of a runtime, and its start                                 |
//! | `runtime`     | spawn from outside, run                                                  |
//! | `here`        | a runtime whose one worker is the calling thread                         |
//! | `shutdown`    | ending every task and every thread within a bound                        |
//! | `blocking`    | a pool of threads for calls that would hold a worker                     |
//! | `urgency`     | what the kernel is told about workers and the pool's threads             |
//! | `watchdog`    | who holds a worker too long                                              |
//! | `cpu_clock`   | how much processor time a worker has used                                |
//! | `buffer`      | the buffer that a worker lends to a read                                 |
//! | `metrics`     | what it all did                                                          |
//! | `overflow`    | whose stack overflowed                                                   |

pub(crate) mod idle;
pub(crate) mod inbox;
pub(crate) mod link;
pub(crate) mod presence;
pub(crate) mod ring;

#[cfg(not(loom))]
pub(crate) mod blocking;
#[cfg(not(loom))]
pub(crate) mod buffer;
#[cfg(not(loom))]
pub(crate) mod builder;
#[cfg(not(loom))]
mod cpu_clock;
#[cfg(not(loom))]
mod crew;
#[cfg(not(loom))]
mod here;
#[cfg(not(loom))]
mod holds;
#[cfg(not(loom))]
pub(crate) mod metrics;
#[cfg(not(loom))]
pub(crate) mod overflow;
#[cfg(not(loom))]
mod patience;
#[cfg(not(loom))]
pub(crate) mod placement;
#[cfg(not(loom))]
mod poll;
#[cfg(not(loom))]
mod queue;
#[cfg(not(loom))]
pub(crate) mod runtime;
#[cfg(not(loom))]
mod sharing;
#[cfg(not(loom))]
pub(crate) mod shutdown;
#[cfg(not(loom))]
mod spare;
#[cfg(not(loom))]
mod urgency;
#[cfg(not(loom))]
pub(crate) mod watchdog;
#[cfg(not(loom))]
pub(crate) mod worker;
