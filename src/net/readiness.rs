//! Waiting until a read or a write would not block, without a buffer.

#![forbid(unsafe_code)]

use super::{fail, raw::Raw};
use crate::task::idle::{self, Each, HasFd, Once};
use netpoll::{Error, Mode};
use std::{io, ops::ControlFlow};

/// Waits until a read would not block.
pub(crate) fn readable(on: &impl Raw) -> io::Result<()> {
    on.start_raw(Mode::Read);
    let done = on.fd().wait_readable();
    done.map_err(|err| on.raw_error("read", fail::cause(err)))
}

/// Waits until a write would not block.
pub(crate) fn writable(on: &impl Raw) -> io::Result<()> {
    on.start_raw(Mode::Write);
    let done = on.fd().wait_writable();
    done.map_err(|err| on.raw_error("write", fail::cause(err)))
}

/// One of the clones of a socket.
pub(crate) trait Clones: HasFd + Clone {
    /// What they share.
    fn shared(&self) -> &impl Raw;
}

/// Calls `then` in a new task when a read would not block, or will fail. Returns at once.
#[track_caller]
pub(crate) fn on_readable<C: Clones>(
    on: C,
    then: impl FnOnce(C, io::Result<()>) + Send + 'static,
) -> io::Result<()> {
    on.shared().start_raw(Mode::Read);
    idle::when_readable(
        on,
        Once(move |on: C, result| {
            let result = named(&on, result);
            then(on, result);
        }),
    )
}

/// Calls `handler` in a new task each time that a read would not block, or will fail, until it breaks off.
/// Returns at once.
#[track_caller]
pub(crate) fn on_each_readable<C: Clones>(
    on: C,
    mut handler: impl FnMut(&C, io::Result<()>) -> ControlFlow<()> + Send + 'static,
) -> io::Result<()> {
    on.shared().start_raw(Mode::Read);
    idle::when_readable(
        on,
        Each(move |on: &C, result| {
            handler(on, named(on, result))?;
            on.shared().start_raw(Mode::Read);
            ControlFlow::Continue(())
        }),
    )
}

fn named(on: &impl Clones, result: Result<(), Error>) -> io::Result<()> {
    result.map_err(|err| on.shared().raw_error("read", fail::cause(err)))
}
