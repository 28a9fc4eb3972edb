//! Programs over the two ends of one TCP connection, and the lines in which executors read them.
//!
//! A program is a list of [`Step`]s. The [model](crate::model) turns it into lines, which say when to
//! wait for what, so that an executor needs to know nothing:
//!
//! | line                    | what the executor does                                                |
//! |-------------------------|-----------------------------------------------------------------------|
//! | `op ID END NAME ARG..`  | starts the operation in a task of its own                             |
//! | `join ID`               | waits for it to end; prints its result                                |
//! | `gather ID..`           | the same for operations that ran at once, their results sorted        |
//! | `rest R W L`            | waits until so many of those not waited for are blocked in a read, in |
//! |                         | a write, for a descriptor's lock; prints what has ended instead       |
//! | `still ID`              | prints whether it is still blocked                                    |
//! | `settle END STATE IN`   | waits for the end's TCP state and its number of unread bytes          |
//! | `elapse MS`             | lets time pass                                                        |
//! | `end`                   | closes what is open, waits for what still runs; the program is over   |

use std::fmt;

/// A write of so many bytes blocks, whatever the kernel buffers.
pub const BIG: usize = 1_500_000;

/// Which end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that dialed.
    A,
    /// The one that was accepted.
    B,
}

impl End {
    pub fn other(self) -> End {
        match self {
            End::A => End::B,
            End::B => End::A,
        }
    }
}

/// Which directions a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Read,
    Write,
    Both,
}

impl Which {
    /// Reading is direction 0, writing 1.
    pub fn directions(self) -> &'static [usize] {
        match self {
            Which::Read => &[0],
            Which::Write => &[1],
            Which::Both => &[0, 1],
        }
    }
}

/// A moment, as seen from when the deadline is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Past,
    /// In some milliseconds.
    Soon,
    /// Late enough to be replaced first.
    Near,
    Far,
    Never,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// One read into so many bytes.
    Read(usize),
    /// Reads until there are so many bytes.
    Fill(usize),
    /// Reads until the end or an error.
    Drain,
    Write(usize),
    /// One vectored write.
    Writev(Vec<usize>),
    /// A write and a close with nothing in between, so that the peer may see both at once.
    WriteClose(usize),
    WriteCloseWrite(usize),
    Close,
    CloseRead,
    CloseWrite,
    /// 0 resets on close, -1 is the default.
    Linger(i32),
    NoDelay,
    Deadline(Which, When),
    Addr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    One(End, Op),
    /// The same call so many times at once.
    Crowd(usize, End, Op),
    /// A deadline that is replaced before it comes, and then would have come.
    Moved(End, Which, When),
    /// What is blocked stays so.
    Pause,
}

/// One line of a program as executors read it.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Op {
        id: usize,
        end: End,
        op: Op,
        /// The first byte it writes.
        start: u8,
        /// How much there is to read is not determined.
        vague: bool,
    },
    Join(usize),
    Gather(Vec<usize>),
    Rest([usize; 3]),
    Still(usize),
    Settle(End, u8, Option<usize>),
    Elapse(u64),
}

/// The byte after `byte` in what one write sends. The period divides no buffer size.
pub fn next_byte(byte: u8) -> u8 {
    (byte + 1) % 251
}

/// The first byte of what operation `id` writes.
pub fn first_byte(id: usize) -> u8 {
    (id * 37 % 251) as u8
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Op {
                id,
                end,
                op,
                start,
                vague,
            } => {
                write!(f, "op {id} {end:?} {}", op.name())?;
                match op {
                    Op::Read(n) | Op::Fill(n) => write!(f, " {n}"),
                    Op::Drain => write!(f, " {}", u8::from(*vague)),
                    Op::Write(n) | Op::WriteClose(n) | Op::WriteCloseWrite(n) => {
                        write!(f, " {start} {n}")
                    }
                    Op::Writev(lens) => {
                        write!(f, " {start}")?;
                        lens.iter().try_for_each(|len| write!(f, " {len}"))
                    }
                    Op::Linger(n) => write!(f, " {n}"),
                    Op::Deadline(_, when) => {
                        f.write_str(" ")?;
                        f.write_str(match when {
                            When::Past => "past",
                            When::Soon => "soon",
                            When::Near => "near",
                            When::Far => "far",
                            When::Never => "never",
                        })
                    }
                    _ => Ok(()),
                }
            }
            Line::Join(id) => write!(f, "join {id}"),
            Line::Gather(ids) => {
                f.write_str("gather")?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
            Line::Rest([reads, writes, locks]) => write!(f, "rest {reads} {writes} {locks}"),
            Line::Still(id) => write!(f, "still {id}"),
            Line::Settle(end, state, Some(unread)) => write!(f, "settle {end:?} {state} {unread}"),
            Line::Settle(end, state, None) => write!(f, "settle {end:?} {state} -"),
            Line::Elapse(ms) => write!(f, "elapse {ms}"),
        }
    }
}

impl Op {
    /// Its name in lines and results.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Read(_) => "read",
            Op::Fill(_) => "fill",
            Op::Drain => "drain",
            Op::Write(_) => "write",
            Op::Writev(_) => "writev",
            Op::WriteClose(_) => "write_close",
            Op::WriteCloseWrite(_) => "write_close_write",
            Op::Close => "close",
            Op::CloseRead => "close_read",
            Op::CloseWrite => "close_write",
            Op::Linger(_) => "set_linger",
            Op::NoDelay => "set_nodelay",
            Op::Deadline(Which::Read, _) => "set_read_deadline",
            Op::Deadline(Which::Write, _) => "set_write_deadline",
            Op::Deadline(Which::Both, _) => "set_deadline",
            Op::Addr => "addr",
        }
    }
}

/// The text of a whole program.
pub fn text(lines: &[Line]) -> String {
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    text.push_str("end\n");
    text
}
