//! A server of the command, as a process of its own, and a load for it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything here takes, even on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server process that ends with the test.
pub struct Server {
    process: Child,
    pub addr: SocketAddr,
}

impl Server {
    /// Starts the command with these arguments, on a free port.
    pub fn start(arguments: &[&str]) -> Server {
        Server::run(Command::new(env!("CARGO_BIN_EXE_gopark")), arguments)
    }

    /// A server that may have so many files open, its connections among them.
    pub fn start_with_open_files(most: usize, arguments: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_gopark"));
        Server::run(command, arguments)
    }

    fn run(mut command: Command, arguments: &[&str]) -> Server {
        command.args(arguments).args(["--addr", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line.split_whitespace().nth(2).unwrap().parse().unwrap();
        Server { process, addr }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends all of `request`, and gives everything until the server closes.
    pub fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// The exit code, once the process has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        until("the server ends", || self.process.try_wait().unwrap()).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `gopark load` reports of a load without errors and with some answers: on a busy machine that
/// takes longer.
pub fn load(addr: SocketAddr, extra: &[&str]) -> serde_json::Value {
    let addr = addr.to_string();
    let mut millis = 200;
    loop {
        let time = format!("{millis}ms");
        let common = ["load", "--addr", &addr, "--time", &time, "--json"];
        let Output {
            stdout,
            stderr,
            status,
        } = Command::new(env!("CARGO_BIN_EXE_gopark"))
            .args(common)
            .args(extra)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&stderr);
        assert!(status.success() && error.is_empty(), "{extra:?}: {error}");
        let report: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!(report["errors"], 0, "{extra:?}: {report}");
        if report["requests"].as_u64() > Some(20) {
            return report;
        }
        millis *= 2;
        assert!(millis < 60_000, "{extra:?}: {report}");
    }
}
