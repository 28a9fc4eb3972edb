//! A crate's modules, read from its files, and what names mean in them.

use proc_macro2::TokenStream;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Item, Lit, Meta, UseTree, Visibility};

/// All modules of a crate; the first is the root.
pub struct Crate {
    pub modules: Vec<Module>,
}

pub struct Module {
    pub name: String,
    pub parent: Option<usize>,
    pub file: String,
    pub attrs: Vec<Attribute>,
    pub items: Vec<Item>,
    pub children: Vec<usize>,
    pub imports: Vec<Import>,
}

/// One name that a `use` brings into its module; `*` brings all.
pub struct Import {
    pub public: bool,
    pub path: Vec<String>,
    pub name: String,
}

impl Crate {
    /// Reads the crate whose root file is `library`, seen from `root`.
    pub fn read(root: &Path, library: &str) -> Crate {
        let mut krate = Crate {
            modules: Vec::new(),
        };
        let file = parse(&root.join(library));
        let folder = Path::new(library).parent().expect("a folder of sources");
        let attrs = file.attrs.clone();
        let head = (String::new(), None, library.to_owned(), attrs);
        krate.add(root, folder, head, file.items);
        krate
    }

    fn add(
        &mut self,
        root: &Path,
        folder: &Path,
        (name, parent, file, attrs): (String, Option<usize>, String, Vec<Attribute>),
        items: Vec<Item>,
    ) -> usize {
        let me = self.modules.len();
        self.modules.push(Module {
            name,
            parent,
            file: file.clone(),
            attrs,
            items: Vec::new(),
            children: Vec::new(),
            imports: Vec::new(),
        });
        for item in items.into_iter().filter(|item| is_built(attrs_of(item))) {
            match item {
                Item::Use(item) => {
                    let public = matches!(item.vis, Visibility::Public(_));
                    let imports = &mut self.modules[me].imports;
                    flatten(&item.tree, &mut Vec::new(), public, imports);
                }
                Item::Mod(mut item) => {
                    let name = item.ident.to_string();
                    let inside = folder.join(&name);
                    let (file, items) = match item.content.take() {
                        Some((_, items)) => (file.clone(), items),
                        None => {
                            let at = find(root, folder, &name);
                            let mut parsed = parse(&root.join(&at));
                            item.attrs.append(&mut parsed.attrs);
                            (at.display().to_string(), parsed.items)
                        }
                    };
                    let head = (name, Some(me), file, item.attrs.clone());
                    let child = self.add(root, &inside, head, items);
                    self.modules[me].children.push(child);
                    self.modules[me].items.push(Item::Mod(item));
                }
                item => self.modules[me].items.push(item),
            }
        }
        me
    }

    pub fn child(&self, module: usize, name: &str) -> Option<usize> {
        let children = &self.modules[module].children;
        children
            .iter()
            .copied()
            .find(|child| self.modules[*child].name == name)
    }

    /// The module that defines what `path` means in `module`, and its name there.
    pub fn resolve(&self, module: usize, path: &[String]) -> Option<(usize, String)> {
        self.resolve_within(module, path, 16)
    }

    fn resolve_within(
        &self,
        module: usize,
        path: &[String],
        depth: usize,
    ) -> Option<(usize, String)> {
        let depth = depth.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return self.resolve_within(0, rest, depth),
            "self" => return self.resolve_within(module, rest, depth),
            "super" => return self.resolve_within(self.modules[module].parent?, rest, depth),
            _ => {}
        }
        if !rest.is_empty() {
            if let Some(child) = self.child(module, first) {
                return self.resolve_within(child, rest, depth);
            }
        } else if self.defines(module, first) {
            return Some((module, first.clone()));
        }
        let imported = self.modules[module].imports.iter().find_map(|import| {
            let mut full = import.path.clone();
            if import.name == "*" {
                full.extend_from_slice(path);
            } else if import.name == *first {
                full.extend_from_slice(rest);
            } else {
                return None;
            }
            self.resolve_within(module, &full, depth)
        });
        let declared = || rest.is_empty() && self.declares(module, first);
        imported.or_else(|| declared().then(|| (module, first.clone())))
    }

    fn defines(&self, module: usize, name: &str) -> bool {
        let mut idents = self.modules[module].items.iter().filter_map(ident_of);
        idents.any(|ident| ident == name)
    }

    /// Does a macro's call have `name` among its outermost words? Then, if nothing else brings the
    /// name into the module, the call declares it.
    fn declares(&self, module: usize, name: &str) -> bool {
        self.modules[module].items.iter().any(|item| match item {
            Item::Macro(item) if item.ident.is_none() => {
                outermost(&item.mac.tokens).any(|ident| ident == name)
            }
            _ => false,
        })
    }
}

/// The words of a macro's call, those inside brackets left out.
pub fn outermost(tokens: &TokenStream) -> impl Iterator<Item = String> {
    tokens.clone().into_iter().filter_map(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    })
}

fn parse(path: &Path) -> syn::File {
    let text = fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn find(root: &Path, folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if root.join(&file).exists() {
        file
    } else {
        folder.join(name).join("mod.rs")
    }
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, public: bool, imports: &mut Vec<Import>) {
    let mut push = |path: Vec<String>, name: String| {
        imports.push(Import { public, path, name });
    };
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            flatten(&inner.tree, path, public, imports);
            path.pop();
        }
        UseTree::Name(inner) if inner.ident == "self" => {
            push(path.clone(), path.last().cloned().unwrap_or_default());
        }
        UseTree::Name(inner) => {
            let name = inner.ident.to_string();
            push([&path[..], std::slice::from_ref(&name)].concat(), name);
        }
        UseTree::Rename(inner) => push(
            [&path[..], &[inner.ident.to_string()]].concat(),
            inner.rename.to_string(),
        ),
        UseTree::Glob(_) => push(path.clone(), "*".to_owned()),
        UseTree::Group(inner) => {
            for tree in &inner.items {
                flatten(tree, path, public, imports);
            }
        }
    }
}

/// Is the item in an ordinary build? Everything may be on but tests and models.
pub fn is_built(attrs: &[Attribute]) -> bool {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .all(|attr| attr.parse_args().map_or(true, |meta: Meta| holds(&meta)))
}

fn holds(meta: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parser = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
        list.parse_args_with(parser).expect("a cfg")
    };
    match meta {
        Meta::List(list) if list.path.is_ident("not") => !parts(list).iter().all(holds),
        Meta::List(list) if list.path.is_ident("any") => parts(list).iter().any(holds),
        Meta::List(list) => parts(list).iter().all(holds),
        other => !["loom", "test", "doctest"]
            .iter()
            .any(|off| other.path().is_ident(off)),
    }
}

/// Does it say `#[doc(hidden)]`?
pub fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("doc")
            && matches!(&attr.meta, Meta::List(list) if list.tokens.to_string() == "hidden")
    })
}

/// The text of the documentation comments.
pub fn text(attrs: &[Attribute]) -> String {
    let mut text = String::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(doc) = &attr.meta
            && let Expr::Lit(value) = &doc.value
            && let Lit::Str(line) = &value.lit
        {
            text.push_str(&line.value());
            text.push('\n');
        }
    }
    text
}

pub fn attrs_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub fn ident_of(item: &Item) -> Option<&syn::Ident> {
    Some(match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => return item.ident.as_ref(),
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    })
}
