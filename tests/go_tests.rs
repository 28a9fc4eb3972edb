//! The table of Go's tests is true: what it names exists and says whom it follows, and it counts right.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A test of Go's, and the file and name of ours, or why there is none.
struct Row<'a> {
    go: &'a str,
    ours: Result<(&'a str, &'a str), &'a str>,
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let row = |line| {
        let cells: Vec<&str> = str::split(line, " | ").collect();
        let [go, ours] = cells[..] else {
            panic!("not two cells: {line}")
        };
        let go = go.trim_start_matches("| ").trim_matches('`');
        let ours = ours.trim_end_matches(" |");
        let ours = match ours.strip_prefix("left out: ") {
            Some(why) => Err(why),
            None => {
                let named = ours.strip_prefix('`').and_then(|o| o.strip_suffix('`'));
                let named = named.and_then(|o| o.split_once("`: `"));
                Ok(named.unwrap_or_else(|| panic!("no file and test: {line}")))
            }
        };
        Row { go, ours }
    };
    rows.map(row).collect()
}

#[test]
fn every_test_of_ours_in_the_table_exists_and_names_the_test_of_go_that_it_follows() {
    let table = text("docs/go-tests.md");
    for row in rows(&table) {
        let Ok((file, test)) = row.ours else { continue };
        let code = text(file);
        let at = code.find(&format!("fn {test}("));
        let at = at.unwrap_or_else(|| panic!("{}: no {test} in {file}", row.go));
        let above = code[..at].rsplit("\n\n").next().unwrap();
        let name = row.go.rsplit('/').next().unwrap();
        assert!(
            above.contains(name),
            "{test} in {file} does not name {name}"
        );
        let is_test = above.contains("#[test]") || file == "tests/nettest/mod.rs";
        assert!(is_test, "{test} in {file} is no test");
    }
}

#[test]
fn every_test_of_go_stands_in_the_table_once_and_the_totals_are_right() {
    let table = text("docs/go-tests.md");
    let rows = rows(&table);
    let names: BTreeSet<&str> = rows.iter().map(|row| row.go).collect();
    assert_eq!(names.len(), rows.len(), "a test of Go's stands there twice");
    let held = rows.iter().filter(|row| row.ours.is_ok()).count();
    let left_out = rows.iter().filter_map(|row| row.ours.err());
    assert!(
        left_out.clone().all(|why| why.len() > 10),
        "no reason given"
    );
    let totals = format!(
        "{} tests of Go: {held} are held, {} are left out.",
        rows.len(),
        left_out.count()
    );
    assert!(table.contains(&totals), "the totals should be: {totals}");
}
