//! What can be copied from and to.

#![forbid(unsafe_code)]

use crate::{
    Descriptor,
    net::{Cause, Conn},
    task::{self, idle::HasFd},
};
use netpoll::Mode;
use std::{
    fs::File,
    io::{self, Read, Write},
};

/// A descriptor of the kernel's that can be spliced, with what its owner says of errors. Not for use
/// outside this crate.
pub trait Stream: HasFd {
    /// Begins an operation: its time-out runs, and an error that is due is reported.
    ///
    /// # Errors
    /// The error that is due.
    fn begin(&self, _mode: Mode) -> io::Result<()> {
        Ok(())
    }

    /// The error of an operation.
    fn fail(&self, op: &'static str, cause: Cause, bytes: usize) -> io::Error;

    /// Whether a copy is an operation of its own: `readfrom` and `writeto`.
    fn names_copies(&self) -> bool {
        false
    }
}

/// What the kernel can do with an end. Not for use outside this crate.
#[derive(Default)]
pub enum Kernel<'a> {
    /// Splice.
    Stream(&'a dyn Stream),
    /// Sendfile.
    File(&'a File),
    /// Nothing.
    #[default]
    Nothing,
}

impl<'a> Kernel<'a> {
    pub(super) fn stream(&self) -> Option<&'a dyn Stream> {
        match self {
            Kernel::Stream(stream) => Some(*stream),
            Kernel::File(_) | Kernel::Nothing => None,
        }
    }

    fn of(stream: Option<&'a dyn Stream>) -> Kernel<'a> {
        stream.map_or(Kernel::Nothing, Kernel::Stream)
    }
}

impl std::fmt::Debug for Kernel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kernel::Stream(_) => "Stream",
            Kernel::File(_) => "File",
            Kernel::Nothing => "Nothing",
        })
    }
}

/// Where bytes can be copied from: every [`Conn`], a [`Descriptor`], a [`File`].
///
/// Something of a program's own can be copied from as well:
///
/// ```
/// use gopark::net::{copy, pipe, CopyFrom};
/// struct Zeros;
/// impl CopyFrom for Zeros {
///     fn read_some(&self, buf: &mut [u8]) -> std::io::Result<usize> {
///         buf.fill(0);
///         Ok(buf.len())
///     }
/// }
/// assert_eq!(Zeros.read_some(&mut [1; 4])?, 4);
/// let (a, b) = pipe();
/// let copier = std::thread::spawn(move || copy(&Zeros, &a)); // until nobody reads any more
/// assert!(b.read(&mut [1; 16])? > 0);
/// b.close()?;
/// assert!(copier.join().unwrap().is_err());
/// # std::io::Result::Ok(())
/// ```
pub trait CopyFrom {
    /// Reads some bytes; `Ok(0)` is the end.
    ///
    /// # Errors
    /// Those of reading.
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// What the kernel can do with it.
    #[doc(hidden)]
    fn kernel(&self) -> Kernel<'_> {
        Kernel::Nothing
    }
}

/// Where bytes can be copied to: every [`Conn`], a [`Descriptor`], a [`File`].
///
/// ```
/// use gopark::net::{copy, pipe, CopyTo};
/// use std::{cell::Cell, thread};
/// #[derive(Default)]
/// struct Count(Cell<usize>);
/// impl CopyTo for Count {
///     fn write_whole(&self, buf: &[u8]) -> std::io::Result<()> {
///         self.0.set(self.0.get() + buf.len());
///         Ok(())
///     }
/// }
/// let (a, b) = pipe();
/// let writer = thread::spawn(move || a.write(b"hello")); // and closes, being the last owner
/// let count = Count::default();
/// assert_eq!(copy(&b, &count)?, 5);
/// count.write_whole(b"!")?;
/// assert_eq!(count.0.get(), 6);
/// # writer.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
pub trait CopyTo {
    /// Writes all of `buf`.
    ///
    /// # Errors
    /// Those of writing; [`NetError::bytes`](crate::net::NetError::bytes) says how many bytes went out.
    fn write_whole(&self, buf: &[u8]) -> io::Result<()>;

    /// What the kernel can do with it.
    #[doc(hidden)]
    fn kernel(&self) -> Kernel<'_> {
        Kernel::Nothing
    }
}

impl<C: Conn + ?Sized> CopyFrom for C {
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn kernel(&self) -> Kernel<'_> {
        Kernel::of(self.stream())
    }
}

impl<C: Conn + ?Sized> CopyTo for C {
    fn write_whole(&self, buf: &[u8]) -> io::Result<()> {
        self.write(buf).map(drop)
    }

    fn kernel(&self) -> Kernel<'_> {
        Kernel::of(self.stream())
    }
}

impl CopyFrom for Descriptor {
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn kernel(&self) -> Kernel<'_> {
        Kernel::of(self.stream())
    }
}

impl CopyTo for Descriptor {
    fn write_whole(&self, buf: &[u8]) -> io::Result<()> {
        self.write(buf).map(drop)
    }

    fn kernel(&self) -> Kernel<'_> {
        Kernel::of(self.stream())
    }
}

/// From where the file stands; it moves on. Plain reads are made on the blocking pool.
impl CopyFrom for File {
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut file = self;
        task::blocking(|| file.read(buf))
    }

    fn kernel(&self) -> Kernel<'_> {
        Kernel::File(self)
    }
}

/// To where the file stands, on the blocking pool.
impl CopyTo for File {
    fn write_whole(&self, buf: &[u8]) -> io::Result<()> {
        let mut file = self;
        task::blocking(|| file.write_all(buf))
    }
}
