//! Tools that look at a server while it is loaded: where they write, and how long they are waited for.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// How long a tool may take to attach or to report.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A directory of our own for the tools' files.
#[derive(Debug)]
pub struct Room(PathBuf);

impl Room {
    /// Makes it, empty. `None` if there is no place for one.
    pub fn make() -> Option<Room> {
        let path = std::env::temp_dir().join(format!("gopark-bench-{}", std::process::id()));
        // Left over from a process of the same number, which must be gone.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).ok()?;
        Some(Room(path))
    }

    /// Where a file of that name is, or may be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What is left behind are a few bytes in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The lines of a stream, read by a thread so that waiting for them can be bounded. The thread ends
/// with the stream, or with the first line for which there is nobody.
pub fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
