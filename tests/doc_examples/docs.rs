//! The examples in a documentation comment.

/// The code of a comment's compiled blocks, without the lines that readers do not see.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    examples: Vec<String>,
}

impl Docs {
    pub fn from_text(text: &str) -> Docs {
        let mut examples = Vec::new();
        let mut block: Option<(bool, String)> = None;
        for line in text.lines().map(str::trim) {
            match (&mut block, line.strip_prefix("```")) {
                (None, Some(info)) => block = Some((is_compiled(info), String::new())),
                (Some(_), Some(_)) => match block.take() {
                    Some((true, code)) if !code.is_empty() => examples.push(code),
                    _ => {}
                },
                (Some((_, code)), None) if line != "#" && !line.starts_with("# ") => {
                    code.push_str(line);
                    code.push('\n');
                }
                _ => {}
            }
        }
        Docs { examples }
    }

    pub fn has_example(&self) -> bool {
        !self.examples.is_empty()
    }

    /// Does an example contain the word `name`?
    pub fn mentions(&self, name: &str) -> bool {
        self.places(name).next().is_some()
    }

    /// Does an example say `.name(`, `owner::name` or the like, or implement it?
    pub fn calls(&self, owner: &str, name: &str) -> bool {
        self.places(name).any(|(before, after)| {
            let before = before.trim_end();
            let called = after.starts_with('(') || after.starts_with("::<");
            let of_owner = before.strip_suffix("::").is_some_and(|path| {
                let path = path.strip_suffix('>').map_or(path, |generic| {
                    generic.rsplit_once('<').map_or(path, |(head, _)| head)
                });
                path.trim_end_matches("::").ends_with(owner)
            });
            let implemented = before.ends_with(" fn") || before == "fn" || before.ends_with("\nfn");
            of_owner || (called && (before.ends_with('.') || implemented))
        })
    }

    /// What stands before and after each place of the word `name`.
    fn places<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        self.examples.iter().flat_map(move |code| {
            code.match_indices(name)
                .map(|(at, found)| (&code[..at], &code[at + found.len()..]))
                .filter(move |(before, after)| {
                    !before.ends_with(in_word) && !after.starts_with(in_word)
                })
        })
    }
}

/// Does rustdoc compile a block with this after its fence?
fn is_compiled(info: &str) -> bool {
    info.split([',', ' ']).all(|word| {
        ["", "rust", "no_run", "should_panic"].contains(&word) || word.starts_with("edition")
    })
}
