//! std's traits for a [`Descriptor`].

use super::Descriptor;
use netpoll::Partial;
use std::{
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

impl TryFrom<OwnedFd> for Descriptor {
    type Error = io::Error;

    /// [`Descriptor::new`]; not `From`, since the mode may not be settable.
    fn try_from(fd: OwnedFd) -> io::Result<Descriptor> {
        Descriptor::new(fd)
    }
}

/// The number, for code that cannot do without. Any clone may close it at any time:
/// [`Descriptor::with_fd`] and [`Descriptor::hold_fd`] are the safe ways; the guard of the latter is `AsFd`.
impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd.raw()
    }
}

impl Descriptor {
    /// A write as std wants it: bytes that went out before an error are reported as written. The error
    /// comes from the next write if its reason stays.
    fn write_some(&self, buf: &[u8]) -> io::Result<usize> {
        match self.write_all_of(buf) {
            Ok(()) => Ok(buf.len()),
            Err(Partial { written: 0, error }) => Err(self.fail("write", error, 0)),
            Err(Partial { written, .. }) => Ok(written),
        }
    }
}

macro_rules! std_io {
    ($($descriptor:ty),*) => {
        $(impl Read for $descriptor {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                Descriptor::read(self, buf)
            }
        }

        impl Write for $descriptor {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_some(buf)
            }

            /// Does nothing: nothing is held back.
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        })*
    };
}

std_io!(Descriptor, &Descriptor);
