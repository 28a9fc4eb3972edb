//! Everything that a user of the two libraries can name has an example that is compiled.
//!
//! An item's own documentation holds it. A method, a constant or a trait's method that is short
//! (getters, setters, options) may instead be called by name in an example of its type, of a sibling
//! or of its module, where several of them make sense together.

mod docs;
mod source;
mod surface;

use docs::Docs;
use std::path::Path;
use surface::{Item, Kind};

const LIBRARIES: [&str; 2] = ["src/lib.rs", "netpoll/src/lib.rs"];

/// Bodies of more lines than this are not a getter's or a setter's.
const SHORT: usize = 8;

fn shows(item: &Item, everything: &[Item]) -> bool {
    let docs = &item.docs;
    match item.kind {
        // What is called must be seen called, also in its own example.
        Kind::Function | Kind::Member if docs.mentions(&item.name) => return true,
        Kind::Type | Kind::Constant if docs.has_example() => return true,
        _ => {}
    }
    let Some(owner) = &item.owner else {
        return item.kind == Kind::Constant && item.module_docs.mentions(&item.name);
    };
    let is_short = item.lines <= SHORT || item.name == "new";
    let mut family = everything
        .iter()
        .filter(|other| other.owner.as_ref() == Some(owner) || other.place == *owner);
    is_short
        && (item.module_docs.calls(&owner.1, &item.name)
            || family.any(|other| other.docs.calls(&owner.1, &item.name)))
}

#[test]
fn every_public_item_has_an_example_that_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for library in LIBRARIES {
        let items = surface::of(&source::Crate::read(root, library));
        assert!(
            items.len() > 50,
            "{library}: only {} items found",
            items.len()
        );
        for item in items.iter().filter(|item| !shows(item, &items)) {
            missing.push(format!("{}:{}: {}", item.file, item.line, item.path()));
        }
    }
    missing.sort();
    assert!(
        missing.is_empty(),
        "{} public items without an example:\n{}\nSee the head of tests/doc_examples/main.rs.",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
fn only_visible_lines_of_compiled_blocks_count() {
    let docs = |text: &str| Docs::from_text(text);
    assert!(docs("```\na.push(1);\n```").calls("Stack", "push"));
    assert!(docs("```no_run\nStack::push(1);\n```").calls("Stack", "push"));
    for other in [
        "a.push(1)",
        "```text\na.push(1);\n```",
        "```ignore\na.push(1);\n```",
        "```compile_fail\na.push(1);\n```",
        "```\n# a.push(1);\na.push_all();\n```",
        "```\nOther::push(1);\n```",
    ] {
        assert!(!docs(other).calls("Stack", "push"), "{other}");
    }
}
