//! The one door to atomics and locks of our own protocols; loom's under `--cfg loom`.

#![allow(unused_imports)]
#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;
pub(crate) use netpoll::sync::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering,
};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;
