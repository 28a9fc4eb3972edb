//! A comparison, small enough to run anywhere.

use std::process::Command;

#[test]
fn a_comparison_measures_every_server_between_slices_of_the_floor() {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        eprintln!("skipped: a comparison needs two cores");
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
        "noise of this run",
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
        for slice in slices {
            for part in ["before", "slice", "after"] {
                assert!(slice[part]["requests"].as_u64() > Some(0), "{slice}");
                assert!(slice[part]["server_cpu"].as_f64() > Some(0.0), "{slice}");
                assert_eq!(slice[part]["errors"], 0);
            }
        }
    }
}
