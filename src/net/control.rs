//! Control data: what travels beside the bytes of a message.
//!
//! A row of messages, each with a header of three words, padded to eight bytes.

#![forbid(unsafe_code)]

const _: () = assert!(size_of::<libc::cmsghdr>() == HEADER && align_of::<libc::cmsghdr>() == ALIGN);

/// Length, level, type.
const HEADER: usize = 16;
const ALIGN: usize = 8;

fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// One message of control data.
///
/// ```
/// use gopark::net::{ControlMessage, ControlMessages};
/// let mut control = Vec::new();
/// ControlMessage { level: 1, kind: 2, data: b"abc" }.append_to(&mut control);
/// ControlMessage { level: 3, kind: 4, data: b"" }.append_to(&mut control);
/// let read: Vec<_> = ControlMessages::new(&control).map(|m| (m.level, m.kind, m.data)).collect();
/// assert_eq!(read, [(1, 2, b"abc".as_slice()), (3, 4, b"")]);
/// ```
///
/// Go: `syscall.SocketControlMessage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlMessage<'a> {
    /// The protocol it belongs to, such as `SOL_SOCKET` or `IPPROTO_IP`.
    pub level: i32,
    /// What it is, in the words of that protocol.
    pub kind: i32,
    /// The content.
    pub data: &'a [u8],
}

impl ControlMessage<'_> {
    /// Adds it to control data that is to be sent.
    ///
    /// ```
    /// use gopark::net::ControlMessage;
    /// let mut control = Vec::new();
    /// ControlMessage { level: 1, kind: 2, data: b"abc" }.append_to(&mut control);
    /// assert_eq!(control.len(), ControlMessage::space(3));
    /// ```
    pub fn append_to(&self, control: &mut Vec<u8>) {
        let end = control.len() + padded(HEADER + self.data.len());
        control.extend((HEADER + self.data.len()).to_ne_bytes());
        control.extend(self.level.to_ne_bytes());
        control.extend(self.kind.to_ne_bytes());
        control.extend(self.data);
        control.resize(end, 0);
    }

    /// How many bytes control data with one message of `data` bytes takes.
    pub const fn space(data: usize) -> usize {
        HEADER + data.next_multiple_of(ALIGN)
    }
}

/// The messages in control data that was received. It ends at the first that is cut off.
///
/// ```
/// use gopark::net::{ControlMessage, ControlMessages};
/// let mut control = Vec::new();
/// ControlMessage { level: 1, kind: 2, data: b"abc" }.append_to(&mut control);
/// ControlMessage { level: 1, kind: 2, data: b"def" }.append_to(&mut control);
/// let cut_off = &control[..control.len() - 8];
/// assert_eq!(ControlMessages::new(&control).count(), 2);
/// assert_eq!(ControlMessages::new(cut_off).count(), 1);
/// ```
///
/// Go: `syscall.ParseSocketControlMessage`.
#[derive(Clone, Debug)]
pub struct ControlMessages<'a>(&'a [u8]);

impl<'a> ControlMessages<'a> {
    /// The messages in `control`.
    pub fn new(control: &'a [u8]) -> ControlMessages<'a> {
        ControlMessages(control)
    }
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = ControlMessage<'a>;

    fn next(&mut self) -> Option<ControlMessage<'a>> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (level, rest) = rest.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from_ne_bytes(*len);
        let data = self.0.get(HEADER..len)?;
        self.0 = self.0.get(padded(len)..).unwrap_or_default();
        Some(ControlMessage {
            level: i32::from_ne_bytes(*level),
            kind: i32::from_ne_bytes(*kind),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_cut_off_or_nonsense_ends_the_row_without_harm() {
        let mut control = Vec::new();
        for data in [&b"0123456789"[..], b"x"] {
            let message = ControlMessage {
                level: 1,
                kind: 1,
                data,
            };
            message.append_to(&mut control);
        }
        assert_eq!(
            control.len(),
            ControlMessage::space(10) + ControlMessage::space(1)
        );
        for end in 0..=control.len() {
            let whole = match end {
                0..26 => 0,
                26..49 => 1,
                _ => 2,
            };
            assert_eq!(
                ControlMessages::new(&control[..end]).count(),
                whole,
                "{end}"
            );
        }
        for len in [0usize, 1, 15, usize::MAX, usize::MAX - 7] {
            control[..8].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(ControlMessages::new(&control).count(), 0, "{len}");
        }
    }
}
