//! The Go servers: built on demand, where there is a Go to build them with.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Names another Go than the one on PATH.
const VARIABLE: &str = "GOPARK_GO";

const NET: &str = include_str!("../../peers/go/net/main.go");
const NET_HTTP: &str = include_str!("../../peers/go/nethttp/main.go");

/// The servers, built, in a directory that goes with this value.
#[derive(Debug)]
pub struct Go {
    room: PathBuf,
    /// What built them.
    pub version: String,
}

impl Go {
    /// Builds both servers, or says why not.
    pub fn build() -> Result<Go, String> {
        let tool = env::var_os(VARIABLE).unwrap_or_else(|| "go".into());
        let version = match Command::new(&tool).arg("version").output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).trim().to_string()
            }
            _ => return Err(format!("no `go` on PATH, and none named by {VARIABLE}")),
        };
        let room = env::temp_dir().join(format!("gopark-go-{}", std::process::id()));
        // Left over from a process of the same number, which must be gone.
        let _ = fs::remove_dir_all(&room);
        let go = Go { room, version };
        for (name, source) in [("net", NET), ("nethttp", NET_HTTP)] {
            go.build_one(&tool, name, source)?;
        }
        Ok(go)
    }

    fn build_one(&self, tool: &std::ffi::OsStr, name: &str, source: &str) -> Result<(), String> {
        let (folder, program) = (self.room.join("source").join(name), self.program(name));
        let main = folder.join("main.go");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&main, source))
            .map_err(|error| format!("cannot write {}: {error}", main.display()))?;
        let output = Command::new(tool)
            .args(["build", "-o"])
            .args([&program, &main])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run go: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("no reason given");
        Err(format!("go build failed: {last}"))
    }

    /// Where one of the servers is.
    pub fn program(&self, name: &str) -> PathBuf {
        self.room.join(name)
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the directory for temporary files.
        let _ = fs::remove_dir_all(&self.room);
    }
}
