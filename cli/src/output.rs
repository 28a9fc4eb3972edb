//! Writing results to standard output, and to files.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::failure::Failure;

/// Writes `text` to standard output and flushes it. A reader that has gone away, as in
/// `gopark load ... | head`, ends the command quietly, as other tools do.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::io("write to standard output", &error)),
    }
}

/// Prints a value as indented JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&(json(value)? + "\n"))
}

/// Writes a value as indented JSON into a file.
pub fn save_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    save(path, &(json(value)? + "\n"))
}

/// Writes `text` into a file.
pub fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::io(format_args!("write {}", path.display()), &error))
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))
}

/// A table below its title, with notes below it.
pub fn section(title: &str, heads: &[&str], rows: Vec<Vec<String>>, notes: &[String]) -> String {
    let mut text = format!("\n{title}\n{}", table(heads, rows));
    for note in notes {
        text += &format!("  {note}\n");
    }
    text
}

/// Columns padded to their widest cell: the first to the left, the others to the right.
pub fn table(heads: &[&str], mut rows: Vec<Vec<String>>) -> String {
    rows.insert(0, heads.iter().map(ToString::to_string).collect());
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) = if column == 0 {
                ("", gap.as_str())
            } else {
                (&*gap, "")
            };
            line.push_str(if column == 0 { "  " } else { "   " });
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_its_columns() {
        let row = ["a", "1.00"].map(String::from).to_vec();
        let text = table(&["server", "CPU"], vec![row]);
        assert_eq!(text, "  server    CPU\n  a        1.00\n");
    }
}
