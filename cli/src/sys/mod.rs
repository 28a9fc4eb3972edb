//! The system calls that `std` does not offer, each behind a safe function.
//!
//! This is the only module with unsafe code in it.

#![allow(unsafe_code)]

pub mod affinity;
pub mod child;
pub mod clock;
pub mod epoll;
pub mod fifo;
pub mod limits;
pub mod priority;
pub mod process;
pub mod signals;
pub mod socket;
pub mod stop;
