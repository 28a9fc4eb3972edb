//! Waiting until a read or a write would not block, without a buffer.

#![forbid(unsafe_code)]

use super::{fail, raw::Raw};
use crate::task::idle;
use netpoll::Mode;
use std::{io, sync::Arc};

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

/// Calls `then` in a new task when a read would not block, or will fail. Returns at once.
#[track_caller]
pub(crate) fn on_readable<S: Raw>(
    on: Arc<S>,
    then: impl FnOnce(Arc<S>, io::Result<()>) + Send + 'static,
) -> io::Result<()> {
    on.start_raw(Mode::Read);
    idle::when_readable(on, move |on, result| {
        let result = result.map_err(|err| on.raw_error("read", fail::cause(err)));
        then(on, result);
    })
}
