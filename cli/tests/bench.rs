//! A comparison, small enough to run anywhere.

use std::path::PathBuf;
use std::process::Command;

/// Whether there are two cores, without which nothing can be compared.
fn two_cores() -> bool {
    let one = std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2);
    if one {
        eprintln!("skipped: a comparison needs two cores");
    }
    !one
}

/// A file that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("gopark-test-{}-{name}", std::process::id())))
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Not there if the test failed before it was written.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_workload_ends_with_tables_and_reports_that_can_be_read_again() {
    if !two_cores() {
        return;
    }
    let (json, html, markdown) = (
        Scratch::new("all.json"),
        Scratch::new("all.html"),
        Scratch::new("all.md"),
    );
    let gopark = |arguments: &[&str], files: &[(&str, &Scratch)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gopark"));
        command.arg("bench").args(arguments).arg("--quiet");
        for (option, file) in files {
            command.arg(option).arg(&file.0);
        }
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let brief = [
        "all",
        "--conns",
        "20",
        "--rounds",
        "1",
        "--slice",
        "20",
        "--no-syscalls",
        "--servers",
        "gopark,gopark-blocking,tokio-ct,may",
    ];
    let said = gopark(&brief, &[("--json", &json), ("--html", &html)]);
    let run: serde_json::Value = serde_json::from_str(&json.read()).unwrap();
    for table in run["tables"].as_array().unwrap() {
        for server in table["servers"].as_array().unwrap() {
            let what = (&table["workload"], &server["name"]);
            assert_eq!(server["errors"], 0, "{what:?}");
            // On a busy machine the answers may come after such a short slice, but they come.
            for slice in server["slices"].as_array().unwrap() {
                assert!(
                    slice["slice"]["all_requests"].as_u64() > Some(0),
                    "{what:?}"
                );
            }
        }
    }
    assert_eq!(run["tables"].as_array().unwrap().len(), 8);
    for server in run["idle"][0].as_array().unwrap() {
        assert_eq!(server["errors"], 0, "{server}");
    }
    let uneven = run["uneven"][0].as_array().unwrap();
    assert!(
        uneven
            .iter()
            .any(|server| server["name"] == "gopark-blocking")
    );
    for server in uneven {
        assert_eq!(server["rounds"][0]["errors"], 0, "{server}");
        assert!(
            server["rounds"][0]["requests"].as_u64() > Some(0),
            "{server}"
        );
    }
    if cfg!(not(feature = "peers")) {
        assert!(said.contains("not here: may is not compiled in"), "{said}");
    }
    let page = html.read();
    assert!(page.contains("<svg") && !page.contains("http://") && !page.contains("https://"));

    let from = ["--from", json.0.to_str().unwrap()];
    let again = gopark(&from, &[("--markdown", &markdown), ("--baseline", &json)]);
    // One round says nothing, and least of all that something has changed.
    assert!(again.contains("against the run of"), "{again}");
    assert!(
        !again.contains("WORSE") && !again.contains("better"),
        "{again}"
    );
    assert!(markdown.read().contains("## uneven"));
}

#[test]
fn a_comparison_measures_every_server_between_slices_of_the_floor() {
    if !two_cores() {
        return;
    }
    let file = std::env::temp_dir().join(format!("gopark-test-{}.json", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_gopark"))
        .args([
            "bench", "echo", "--conns", "2", "--rounds", "3", "--slice", "20", "--quiet",
        ])
        .args(["--servers", "tokio-ct", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let words = [
        "floor ",
        "floor-again",
        "tokio-ct",
        "is the floor",
        "nothing can be said (try --rounds)",
    ];
    for word in words {
        assert!(text.contains(word), "no '{word}' in:\n{text}");
    }
    let run: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    let servers = run["tables"][0]["servers"].as_array().unwrap();
    let names: Vec<&str> = servers
        .iter()
        .map(|server| server["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["floor", "floor-again", "tokio-ct"]);
    for server in &servers[1..] {
        let slices = server["slices"].as_array().unwrap();
        assert_eq!(slices.len(), 3);
        // A busy machine may keep a server from running at all for one short slice, not for all.
        for part in ["before", "slice", "after"] {
            let sum = |what: &str| -> f64 {
                let of = |slice: &serde_json::Value| slice[part][what].as_f64().unwrap();
                slices.iter().map(of).sum()
            };
            assert!(sum("all_requests") > 0.0, "{part}: {server}");
            assert!(sum("server_cpu") > 0.0, "{part}: {server}");
            assert_eq!(sum("errors"), 0.0, "{part}: {server}");
        }
    }
}
