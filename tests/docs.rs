//! The documents name files, functions and tests: they exist.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/floor.md",
    "docs/reading-go.md",
    "docs/soundness.md",
    "docs/differences.md",
    "docs/go-tests.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// What stands between backticks, code blocks left out.
fn quoted(markdown: &str) -> Vec<&str> {
    let prose = markdown.split("```").step_by(2);
    let spans = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    spans.collect()
}

/// All Rust files of the workspace.
fn sources() -> Vec<PathBuf> {
    let folders = ["src", "tests", "examples", "netpoll", "cli"];
    let mut left: Vec<_> = folders.iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() && !path.ends_with("target") {
            let entries = fs::read_dir(&path).expect("a folder of the repository");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

/// Does `code` define `name`, or something of it?
fn defines(code: &str, name: &str) -> bool {
    let words = [
        "fn", "struct", "enum", "trait", "union", "const", "type", "impl",
    ];
    words.iter().any(|word| {
        let wanted = format!("{word} {name}");
        code.match_indices(&wanted).any(|(at, found)| {
            let after = code[at + found.len()..].chars().next();
            after.is_none_or(|c| !c.is_alphanumeric() && c != '_')
        })
    })
}

/// Is this the path of a file or folder of ours, rather than a command, a type, or Go's?
fn is_path(span: &str) -> bool {
    let ours = [
        "src/",
        "netpoll/",
        "cli/",
        "tests/",
        "examples/",
        "ci/",
        ".ci/",
        "docs/",
    ];
    ours.iter().any(|folder| span.starts_with(folder)) && !span.contains(' ')
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut checked = 0;
    for document in DOCUMENTS {
        let markdown = text(document);
        for span in quoted(&markdown).into_iter().filter(|span| is_path(span)) {
            assert!(root().join(span).exists(), "{document} names {span}");
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} paths were recognised");
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut checked = 0;
    for document in DOCUMENTS {
        let markdown = text(document);
        for link in markdown.split("](").skip(1) {
            let target = link.split(')').next().expect("a split has a first part");
            if !target.starts_with("http") {
                let folder = Path::new(document).parent().expect("a file has a folder");
                assert!(
                    root().join(folder).join(target).exists(),
                    "{document} links to {target}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "only {checked} links were recognised");
}

/// Go through the tables: where a cell names a file of ours, what follows in it up to the next `;`
/// is defined there.
#[test]
fn every_function_that_the_tables_name_is_in_the_file_that_they_name() {
    for (document, least) in [("ARCHITECTURE.md", 30), ("docs/reading-go.md", 50)] {
        let markdown = text(document);
        let rows = markdown.lines().filter(|line| line.starts_with('|'));
        let mut checked = 0;
        for part in rows.flat_map(|row| row.split(['|', ';'])) {
            let spans = quoted(part);
            let Some((file, names)) = spans.split_first() else {
                continue;
            };
            if !is_path(file) || !file.ends_with(".rs") {
                continue;
            }
            let code = text(file);
            for name in names.iter().flat_map(|name| name.split("::")) {
                assert!(defines(&code, name), "{document}: no {name} in {file}");
                checked += 1;
            }
        }
        assert!(
            checked >= least,
            "{document}: only {checked} names were recognised"
        );
    }
}

#[test]
fn every_invariant_names_what_holds_it_and_every_test_it_names_exists() {
    let code: Vec<String> = sources().iter().map(text).collect();
    let tests: HashSet<&str> = code
        .iter()
        .flat_map(|file| file.split("#[test]").skip(1))
        .filter_map(|after| after.split("fn ").nth(1)?.split('(').next())
        .collect();
    let markdown = text("ARCHITECTURE.md");
    let (mut invariants, mut named) = (0, 0);
    for paragraph in markdown
        .split("\n\n")
        .filter(|p| p.starts_with("**Invariant:**"))
    {
        let (_, held) = paragraph
            .split_once("Held by:")
            .unwrap_or_else(|| panic!("nothing holds this:\n{paragraph}"));
        invariants += 1;
        // Names of tests are sentences; nothing else between backticks is so long.
        for name in quoted(held)
            .into_iter()
            .filter(|name| name.matches('_').count() >= 4)
        {
            assert!(tests.contains(name), "there is no test {name}");
            named += 1;
        }
    }
    assert!(
        invariants > 15 && named > 30,
        "{invariants} invariants, {named} tests"
    );
}

#[test]
fn the_echo_server_of_the_readme_is_the_example() {
    let readme = text("README.md");
    let block = readme
        .split("```rust,no_run\n")
        .nth(1)
        .expect("a server in the README");
    let block = block.split("```").next().expect("a split has a first part");
    let example = text("examples/echo.rs");
    let code: Vec<&str> = example
        .lines()
        .skip_while(|line| !line.starts_with("use"))
        .collect();
    assert_eq!(block.lines().collect::<Vec<_>>(), code);
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let output = Command::new(root().join("ci/count-unsafe.sh"))
        .output()
        .expect("bash is there");
    let (table, missing) = (output.stdout, output.stderr);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&missing)
    );
    assert_eq!(
        String::from_utf8_lossy(&table).lines().count(),
        5,
        "a row for each crate"
    );
}
