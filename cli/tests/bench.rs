//! A comparison, small enough to run anywhere.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

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

/// Runs `gopark bench`, and gives what it printed.
fn bench(arguments: &[&str], files: &[(&str, &Scratch)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gopark"));
    command.arg("bench").args(arguments).arg("--quiet");
    for (option, file) in files {
        command.arg(option).arg(&file.0);
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The smallest form of a workload: few connections, one round of one short slice.
const TINY: [&str; 9] = [
    "--conns",
    "4",
    "--rounds",
    "1",
    "--slice",
    "20",
    "--no-syscalls",
    "--servers",
    "gopark,gopark-blocking,gopark-no-deadline,gopark-4,gopark-on-readable,tokio-ct,tokio-mt-4",
];

/// Measures one workload in its smallest form. Gives its one table, whichever kind it is.
fn tiniest(workload: &str) -> Value {
    let json = Scratch::new(&format!("{workload}.json"));
    bench(&[&[workload], &TINY[..]].concat(), &[("--json", &json)]);
    let run: Value = serde_json::from_str(&json.read()).unwrap();
    let kinds = ["tables", "idle", "stalls", "paced"];
    let mut tables = kinds
        .iter()
        .flat_map(|kind| run[kind].as_array().unwrap().clone());
    let table = tables.next().unwrap();
    assert!(tables.next().is_none(), "{workload} has one table");
    table
}

/// Every server of a table has answered without an error, and these are among them.
fn answered(workload: &str, wanted: &[&str]) {
    if !two_cores() {
        return;
    }
    let table = tiniest(workload);
    let servers = match &table {
        Value::Array(servers) => servers.clone(),
        table => {
            assert_eq!(table["workload"], workload);
            assert_eq!(table["failed"], Value::Array(Vec::new()));
            table["servers"].as_array().unwrap().clone()
        }
    };
    for name in wanted {
        assert!(servers.iter().any(|it| it["name"] == **name), "{name}");
    }
    for server in &servers {
        let what = &server["name"];
        if let Some(slices) = server["slices"].as_array() {
            assert_eq!(server["errors"], 0, "{what}");
            for slice in slices {
                // On a busy machine the answers may come after such a short slice, but they come.
                let answers = slice["slice"]["all_requests"].as_u64();
                assert!(answers > Some(0), "{what}");
            }
        } else if let Some(rounds) = server["rounds"].as_array() {
            assert_eq!(rounds.len(), 1, "{what}");
            assert_eq!(rounds[0]["errors"], 0, "{what}");
            assert!(rounds[0]["requests"].as_u64() > Some(0), "{what}");
        } else {
            assert_eq!(server["errors"], 0, "{what}");
            let memory = |when: &str| server[when]["resident"].as_u64();
            assert!(
                memory("full") > Some(0) && memory("empty") > Some(0),
                "{what}"
            );
        }
    }
}

macro_rules! tiniest {
    ($($test:ident: $workload:literal with $($server:literal),*;)*) => {
        $(
            #[test]
            fn $test() {
                answered($workload, &[$($server),*]);
            }
        )*

        /// Every workload with a test above.
        const TESTED: &[&str] = &[$($workload),*];
    };
}

tiniest! {
    echo_is_answered_by_everybody: "echo" with "floor", "floor-again", "gopark", "tokio-ct";
    echo_of_4_kib_is_answered: "echo-4k" with "gopark", "tokio-ct";
    echo_of_16_kib_is_answered: "echo-16k" with "gopark", "tokio-ct";
    echo_on_all_cores_is_answered: "echo-all-cores" with "gopark";
    http_is_answered: "http" with "gopark", "tokio-ct";
    pipelined_http_is_answered: "http-pipelined" with "gopark", "tokio-ct";
    http_on_all_cores_is_answered: "http-all-cores" with "gopark";
    a_stream_comes_back: "stream" with "gopark", "tokio-ct";
    connections_that_come_and_go_are_served: "churn" with "gopark", "tokio-ct";
    connections_of_ten_requests_are_served: "churn-10" with "gopark", "tokio-ct";
    a_storm_of_connections_is_served: "storm" with "gopark", "tokio-ct";
    reads_with_a_deadline_stand_beside_reads_without: "deadline" with "gopark", "gopark-no-deadline";
    many_tasks_share_a_connection: "shared" with "gopark", "tokio-ct";
    requests_fan_out: "fanout" with "gopark", "tokio-ct";
    datagrams_are_answered_by_one_task_and_by_four: "udp" with "gopark", "gopark-4", "tokio-mt-4";
    datagrams_on_all_cores_are_answered: "udp-all-cores" with "gopark", "gopark-4", "tokio-mt-4";
    stalled_workers_go_on_answering: "stall-64" with "gopark", "gopark-blocking";
    workers_stalled_beyond_their_time_go_on_answering: "stall-160" with "gopark", "gopark-blocking";
    idle_connections_are_counted_with_a_task_and_without: "idle" with "gopark", "gopark-on-readable";
    light_requests_are_answered_beside_heavy_ones: "uneven" with "gopark", "gopark-blocking";
    requests_are_answered_beside_tasks_that_never_end: "fairness" with "gopark", "tokio-ct";
}

#[test]
fn every_workload_of_the_command_line_has_a_test() {
    let output = Command::new(env!("CARGO_BIN_EXE_gopark"))
        .args(["bench", "nonsense"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let (_, list) = said.split_once("[possible values: ").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let offered: Vec<&str> = list.split(", ").filter(|name| *name != "all").collect();
    assert_eq!(offered, TESTED);
}

#[test]
fn every_report_says_the_same_and_can_be_read_again() {
    if !two_cores() {
        return;
    }
    let names = ["all.json", "all.html", "all.md", "again.html", "again.md"];
    let [json, html, markdown, html_again, markdown_again] = names.map(Scratch::new);
    let mixed = ["echo", "idle", "stall-64", "fairness"];
    let said = bench(
        &[&mixed[..], &TINY[..], &["--servers", "may"]].concat(),
        &[
            ("--json", &json),
            ("--html", &html),
            ("--markdown", &markdown),
        ],
    );
    if cfg!(not(feature = "peers")) {
        assert!(said.contains("not here: may is not compiled in"), "{said}");
    }
    let run: Value = serde_json::from_str(&json.read()).unwrap();
    assert_eq!(run["tables"][0]["workload"], "echo");

    let page = html.read();
    assert!(page.contains("<svg") && !page.contains("http://") && !page.contains("https://"));
    let (_, raw) = page.split_once("id=\"run\">").unwrap();
    let (raw, _) = raw.split_once("</script>").unwrap();
    let embedded: Value = serde_json::from_str(raw).unwrap();
    assert_eq!(embedded, run, "the page has all the data in it");

    // Every table of the document has as many cells in each row as it has heads.
    let document = markdown.read();
    let mut cells = None;
    let mut rows = 0;
    for line in document.lines() {
        if !line.starts_with('|') {
            cells = None;
            continue;
        }
        let count = line.replace("\\|", "").matches('|').count();
        assert_eq!(*cells.get_or_insert(count), count, "{line}");
        rows += 1;
    }
    assert!(rows > 12, "{document}");
    for words in [
        "# Benchmarks",
        "gopark bench echo idle stall-64 fairness --conns 4",
        "## How to read it",
        "## Goals",
        "## Losses",
        "## echo",
        "## idle, 4 connections",
        "## stall-64",
        "## fairness",
        "Threads: how long they wait",
        "| gopark | generator |",
    ] {
        assert!(document.contains(words), "no '{words}' in:\n{document}");
    }

    let from = ["--from", json.0.to_str().unwrap()];
    let again = bench(
        &from,
        &[
            ("--markdown", &markdown_again),
            ("--html", &html_again),
            ("--baseline", &json),
        ],
    );
    // One round says nothing, and least of all that something has changed.
    assert!(again.contains("against the run of"), "{again}");
    assert!(
        again.contains("RSS/conn") && again.contains("light p99"),
        "{again}"
    );
    assert!(
        !again.contains("WORSE") && !again.contains("better"),
        "{again}"
    );
    assert_eq!(markdown_again.read(), document);
    let visible = |page: &str| page.split("<script").next().unwrap().to_string();
    assert!(
        visible(&html_again.read()) == visible(&page),
        "the same page"
    );
}

#[test]
fn a_profile_says_where_a_request_spends_its_time_and_without_perf_there_is_an_error() {
    if !two_cores() {
        return;
    }
    let json = Scratch::new("profile.json");
    let profiled = |change: &dyn Fn(&mut Command)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gopark"));
        command.args(["bench", "echo", "--profile", "--quiet"]);
        command.args(TINY).arg("--json").arg(&json.0);
        change(&mut command);
        command.output().unwrap()
    };
    let refused = |output: std::process::Output| {
        let error = String::from_utf8(output.stderr).unwrap();
        let right = error.starts_with("gopark: cannot profile: perf: ");
        assert!(right && !output.status.success(), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let words = error.split_once("perf: ").unwrap().1;
        assert!(
            words.starts_with(char::is_alphanumeric) && !words.starts_with("Error"),
            "{error}"
        );
    };
    refused(profiled(&|command| _ = command.env("PATH", "")));
    let output = profiled(&|_| ());
    if !output.status.success() {
        return refused(output);
    }
    let run: Value = serde_json::from_str(&json.read()).unwrap();
    let profile = &run["tables"][0]["profile"];
    for (server, name) in profile["servers"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["floor", "gopark"])
    {
        assert_eq!(server["name"], name);
        for figure in ["requests", "user_ns", "kernel_ns"] {
            assert!(
                server[figure].as_f64().unwrap() > 0.0,
                "{figure} of {server}"
            );
        }
    }
    let functions = profile["functions"].as_array().unwrap();
    assert!(
        functions
            .iter()
            .any(|it| it["gopark_ns"].as_f64() > Some(0.0))
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("a request under perf: floor: "), "{text}");
}

#[test]
fn a_run_that_keeps_to_a_time_chooses_its_rounds() {
    if !two_cores() {
        return;
    }
    let json = Scratch::new("time.json");
    let few = [
        "echo",
        "--conns",
        "1",
        "--no-syscalls",
        "--servers",
        "tokio-ct",
    ];
    let time = ["--time", "3s", "--slice", "10"];
    bench(&[&few[..], &time].concat(), &[("--json", &json)]);
    let run: Value = serde_json::from_str(&json.read()).unwrap();
    let rounds = run["tables"][0]["rounds"].as_u64().unwrap();
    assert!((6..=40).contains(&rounds), "{rounds}");
    for server in &run["tables"][0]["servers"].as_array().unwrap()[1..] {
        let slices = server["slices"].as_array().unwrap().len() as u64;
        assert_eq!(slices, rounds);
    }
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
