//! Promises about the frame protocol's decoder, which needs no network.

#[path = "frames/agreement.rs"]
mod agreement;
#[path = "../examples/frames/protocol.rs"]
mod protocol;

use agreement::{Cut, LONGEST, check, from_stream};
use protocol::{Command, Frame, FrameError, HEAD, decode, read_frame};

fn some_frames() -> Vec<Frame> {
    vec![
        Frame::request(Command::Connect, *b"00000000", b"somebody"),
        Frame::request(Command::Submit, *b"00000001", b""),
        Frame::request(Command::Submit, *b"00000002", &[7; 200]),
        Frame::ack(Command::ConnectAck, *b"00000000", 0),
        Frame::ack(Command::SubmitAck, *b"00000002", 255),
    ]
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::to_bytes).collect()
}

#[test]
fn a_frame_looks_as_it_is_written_down() {
    let frame = Frame::request(Command::Submit, *b"abcdefgh", b"xyz");
    assert_eq!(frame.to_bytes(), b"\0\0\0\x10\x02abcdefghxyz");
    let ack = Frame::ack(Command::SubmitAck, *b"abcdefgh", 9);
    assert_eq!(ack.to_bytes(), b"\0\0\0\x0e\x82abcdefgh\x09");
}

#[test]
fn frames_come_out_whole_wherever_the_stream_is_cut() {
    let frames = some_frames();
    let bytes = bytes_of(&frames);
    for seed in 0..500 {
        let (read, end) = from_stream(&mut Cut::new(&bytes, seed));
        assert_eq!((read, end), (frames.clone(), None));
    }
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_told_from_one_that_ends_between_two() {
    let frames = some_frames();
    let bytes = bytes_of(&frames);
    let mut ends = vec![0];
    for frame in &frames {
        ends.push(ends[ends.len() - 1] + frame.to_bytes().len());
    }
    for len in 0..=bytes.len() {
        let (read, end) = from_stream(&mut &bytes[..len]);
        let whole = ends.iter().filter(|end| **end <= len).count() - 1;
        assert_eq!(read, frames[..whole]);
        assert_eq!(end.is_none(), ends.contains(&len), "{len}: {end:?}");
    }
}

#[test]
fn a_length_out_of_range_is_refused_at_its_fourth_byte() {
    for length in (0..HEAD as u32).chain([LONGEST as u32 + 1, 1 << 31, u32::MAX]) {
        let bytes = length.to_be_bytes();
        let err = decode(&bytes, LONGEST).unwrap_err().to_string();
        assert_eq!(
            err,
            if length < HEAD as u32 {
                format!("frame length too small: {length}, at least 13")
            } else {
                format!("frame length too large: {length}, at most 1000")
            }
        );
        // Not a byte more is asked for: this stream would say that it ends.
        let read = read_frame(&mut &bytes[..], LONGEST).unwrap_err();
        assert_eq!(read.to_string(), err);
        assert!(decode(&bytes[..3], LONGEST).unwrap().is_none());
    }
    // The two lengths at the ends of the range.
    for body in [0, LONGEST - HEAD] {
        let frame = Frame::request(Command::Submit, [0; 8], &vec![1; body]);
        let bytes = frame.to_bytes();
        let len = bytes.len();
        assert_eq!(decode(&bytes, LONGEST).unwrap(), Some((frame, len)));
    }
}

#[test]
fn commands_nobody_knows_and_results_that_are_no_byte_are_refused() {
    for byte in 0..=255u8 {
        let mut bytes = Frame::ack(Command::SubmitAck, [0; 8], 0).to_bytes();
        bytes[4] = byte;
        match decode(&bytes, LONGEST) {
            Ok(frame) => {
                assert!([0x01, 0x02, 0x81, 0x82].contains(&byte));
                assert_eq!(frame.unwrap().0.command as u8, byte);
            }
            Err(FrameError::UnknownCommand(unknown)) => assert_eq!(unknown, byte),
            Err(err) => panic!("{err}"),
        }
    }
    for result in [&b""[..], b"ab"] {
        let bytes = Frame::request(Command::SubmitAck, [0; 8], result).to_bytes();
        let err = decode(&bytes, LONGEST).unwrap_err();
        assert!(matches!(err, FrameError::BadResult(n) if n == result.len()));
    }
}

/// What the fuzz target does, for a bounded number of streams that are the same in every run: frames
/// in a row, some bytes changed, inserted or removed, cut in all ways.
#[test]
fn no_bytes_confuse_the_decoder() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below
    };
    let mut refused = 0;
    for seed in 0..20_000u64 {
        let mut stream = Vec::new();
        for _ in 0..next(5) {
            let command = [Command::Connect, Command::Submit][next(2)];
            let body = vec![next(256) as u8; next(50)];
            Frame::request(command, seed.to_be_bytes(), &body).encode(&mut stream);
            Frame::ack(Command::SubmitAck, [next(256) as u8; 8], 0).encode(&mut stream);
        }
        for _ in 0..next(4) {
            let at = next(stream.len() + 1);
            match next(3) {
                0 => stream.insert(at, next(256) as u8),
                1 if at < stream.len() => drop(stream.remove(at)),
                _ if at < stream.len() => stream[at] = next(256) as u8,
                _ => stream.extend([0, 0, 0, next(40) as u8]),
            }
        }
        check(&stream, seed);
        refused += usize::from(from_stream(&mut &stream[..]).1.is_some());
    }
    // Both kinds were there.
    assert!((2_000..18_000).contains(&refused), "{refused}");
}
