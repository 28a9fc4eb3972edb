//! What users of a crate can name: public items, and the members of public types.

use crate::docs::Docs;
use crate::source::{self, Crate, is_built, is_hidden};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, ItemImpl, TraitItem, Type, Visibility};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A struct, an enum, a trait, an alias, a macro.
    Type,
    Constant,
    Function,
    /// A method, an associated function or a trait's method.
    Member,
}

pub struct Item {
    pub kind: Kind,
    pub name: String,
    /// Where it is defined; of a type, what its members have for an owner.
    pub place: Place,
    /// The type or trait that it is a member of.
    pub owner: Option<Place>,
    pub file: String,
    pub line: usize,
    /// How many lines its body has.
    pub lines: usize,
    pub docs: Docs,
    pub module_docs: Docs,
}

impl Item {
    pub fn path(&self) -> String {
        match &self.owner {
            Some((_, owner)) => format!("{owner}::{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A defining module and a name in it.
pub type Place = (usize, String);

/// All items of `krate` that its users can name.
pub fn of(krate: &Crate) -> Vec<Item> {
    let mut places = BTreeSet::new();
    reach(krate, 0, &mut places, &mut BTreeSet::new());
    for (at, module) in krate.modules.iter().enumerate() {
        for item in &module.items {
            if let syn::Item::Macro(item) = item
                && item.attrs.iter().any(|a| a.path().is_ident("macro_export"))
                && let Some(ident) = &item.ident
            {
                places.insert((at, ident.to_string()));
            }
        }
    }
    let mut found = Found {
        krate,
        places,
        items: Vec::new(),
    };
    for module in 0..krate.modules.len() {
        for item in &krate.modules[module].items {
            found.look_at(module, item);
        }
    }
    found.items
}

/// Follows public modules and re-exports from `module` on.
fn reach(krate: &Crate, module: usize, places: &mut BTreeSet<Place>, seen: &mut BTreeSet<usize>) {
    if !seen.insert(module) || (module != 0 && is_hidden(&krate.modules[module].attrs)) {
        return;
    }
    for item in &krate.modules[module].items {
        let Some(vis) = visibility(item) else {
            continue;
        };
        if !matches!(vis, Visibility::Public(_)) || is_hidden(source::attrs_of(item)) {
            continue;
        }
        if let syn::Item::Mod(item) = item {
            if let Some(child) = krate.child(module, &item.ident.to_string()) {
                reach(krate, child, places, seen);
            }
        } else if let Some(ident) = source::ident_of(item) {
            places.insert((module, ident.to_string()));
        }
    }
    for import in krate.modules[module].imports.iter().filter(|i| i.public) {
        assert_ne!(import.name, "*", "public globs are not followed");
        places.extend(krate.resolve(module, &import.path));
    }
}

fn visibility(item: &syn::Item) -> Option<&Visibility> {
    Some(match item {
        syn::Item::Const(item) => &item.vis,
        syn::Item::Enum(item) => &item.vis,
        syn::Item::Fn(item) => &item.vis,
        syn::Item::Mod(item) => &item.vis,
        syn::Item::Static(item) => &item.vis,
        syn::Item::Struct(item) => &item.vis,
        syn::Item::Trait(item) => &item.vis,
        syn::Item::Type(item) => &item.vis,
        syn::Item::Union(item) => &item.vis,
        _ => return None,
    })
}

struct Found<'a> {
    krate: &'a Crate,
    places: BTreeSet<Place>,
    items: Vec<Item>,
}

impl Found<'_> {
    fn look_at(&mut self, module: usize, item: &syn::Item) {
        match item {
            syn::Item::Impl(item) => return self.look_at_impl(module, item),
            syn::Item::Macro(item) if item.ident.is_none() => {
                return self.look_at_call(module, &item.mac);
            }
            _ => {}
        }
        let Some(ident) = source::ident_of(item) else {
            return;
        };
        let name = ident.to_string();
        let place = (module, name);
        if !self.places.contains(&place) {
            return;
        }
        let name = &place.1;
        let kind = match item {
            syn::Item::Fn(_) => Kind::Function,
            syn::Item::Const(_) | syn::Item::Static(_) => Kind::Constant,
            _ => Kind::Type,
        };
        let attrs = source::attrs_of(item);
        let line = ident.span().start().line;
        self.add(module, kind, None, (name, line, 0), &source::text(attrs));
        if let syn::Item::Trait(item) = item {
            for member in &item.items {
                if let TraitItem::Fn(member) = member
                    && is_built(&member.attrs)
                    && !is_hidden(&member.attrs)
                {
                    let of = Some(&place);
                    let docs = source::text(&member.attrs);
                    let lines = member.default.as_ref().map_or(0, |body| lines(body.span()));
                    let ident = &member.sig.ident;
                    let at = (&*ident.to_string(), ident.span().start().line, lines);
                    self.add(module, Kind::Member, of, at, &docs);
                }
            }
        }
    }

    fn look_at_impl(&mut self, module: usize, item: &ItemImpl) {
        let (None, Type::Path(of)) = (&item.trait_, &*item.self_ty) else {
            return;
        };
        let path: Vec<_> = of
            .path
            .segments
            .iter()
            .map(|s| s.ident.to_string())
            .collect();
        let Some(place) = self.krate.resolve(module, &path) else {
            return;
        };
        if !self.places.contains(&place) || is_hidden(&item.attrs) {
            return;
        }
        let public = |vis: &Visibility, attrs: &[Attribute]| {
            matches!(vis, Visibility::Public(_)) && is_built(attrs) && !is_hidden(attrs)
        };
        for member in &item.items {
            let (kind, attrs, ident, lines) = match member {
                ImplItem::Fn(member) if public(&member.vis, &member.attrs) => {
                    let lines = lines(member.block.span());
                    (Kind::Member, &member.attrs, &member.sig.ident, lines)
                }
                ImplItem::Const(member) if public(&member.vis, &member.attrs) => {
                    (Kind::Constant, &member.attrs, &member.ident, 0)
                }
                _ => continue,
            };
            let at = (&*ident.to_string(), ident.span().start().line, lines);
            self.add(module, kind, Some(&place), at, &source::text(attrs));
        }
    }

    /// A call of a macro of ours that makes public members: they belong to the types it is given.
    fn look_at_call(&mut self, module: usize, call: &syn::Macro) {
        let Some(name) = call.path.segments.last().map(|s| s.ident.to_string()) else {
            return;
        };
        let given: Vec<_> = source::outermost(&call.tokens).collect();
        let given = given.iter().filter_map(|ident| {
            let place = self.krate.resolve(module, std::slice::from_ref(ident))?;
            self.places.contains(&place).then_some(place)
        });
        let given: Vec<_> = given.collect();
        let definition = (self.krate.modules.iter().enumerate()).find_map(|(at, module)| {
            module.items.iter().find_map(|item| match item {
                syn::Item::Macro(item) if item.ident.as_ref().is_some_and(|i| *i == name) => {
                    Some((at, item.mac.tokens.clone()))
                }
                _ => None,
            })
        });
        let Some((defined, body)) = definition else {
            return;
        };
        let mut made = Vec::new();
        members(&body, &mut made);
        for of in given {
            // The type itself, where the call declares it.
            let declares = |item: &syn::Item| source::ident_of(item).is_some_and(|i| *i == of.1);
            if of.0 == module
                && !self.krate.modules[module].items.iter().any(declares)
                && body.to_string().contains("pub struct $")
            {
                let line = call.path.span().start().line;
                let text = doc_text(&call.tokens.clone().into_iter().collect::<Vec<_>>());
                self.add(module, Kind::Type, None, (&of.1, line, 0), &text);
            }
            for (kind, name, line, docs) in &made {
                self.add(defined, *kind, Some(&of), (name, *line, 0), docs);
            }
        }
    }

    fn add(
        &mut self,
        module: usize,
        kind: Kind,
        owner: Option<&Place>,
        (name, line, lines): (&str, usize, usize),
        docs: &str,
    ) {
        let place = (module, name.to_owned());
        let module = &self.krate.modules[module];
        self.items.push(Item {
            kind,
            name: name.to_owned(),
            place,
            owner: owner.cloned(),
            file: module.file.clone(),
            line,
            lines,
            docs: Docs::from_text(docs),
            module_docs: Docs::from_text(&source::text(&module.attrs)),
        });
    }
}

fn lines(span: proc_macro2::Span) -> usize {
    (span.end().line - span.start().line).saturating_sub(1)
}

/// The public functions and constants in a macro's body: kind, name, line, documentation. Constants
/// whose names the call gives (the error numbers) are not among them.
fn members(body: &TokenStream, found: &mut Vec<(Kind, String, usize, String)>) {
    let tokens: Vec<_> = body.clone().into_iter().collect();
    let is =
        |at: usize, word: &str| matches!(tokens.get(at), Some(TokenTree::Ident(i)) if i == word);
    let mut since = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                members(&group.stream(), found);
                if group.delimiter() == Delimiter::Brace {
                    since = at + 1;
                }
            }
            TokenTree::Ident(name) if at > 1 && is(at - 2, "pub") => {
                let kind = if is(at - 1, "fn") {
                    Kind::Member
                } else if is(at - 1, "const") {
                    Kind::Constant
                } else {
                    continue;
                };
                let (docs, line) = (doc_text(&tokens[since..at]), name.span().start().line);
                found.push((kind, name.to_string(), line, docs));
            }
            _ => {}
        }
    }
}

/// The text of the `#[doc = "..."]` and `#[doc = concat!(..)]` among tokens. What a macro is given is
/// not known here: of a concatenation only the literals count.
fn doc_text(tokens: &[TokenTree]) -> String {
    let mut text = String::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let inner: Vec<_> = group.stream().into_iter().collect();
        let parts = match &inner[..] {
            [TokenTree::Ident(doc), _, line @ TokenTree::Literal(_)] if doc == "doc" => {
                vec![line.clone()]
            }
            [
                TokenTree::Ident(doc),
                _,
                TokenTree::Ident(concat),
                _,
                TokenTree::Group(parts),
            ] if doc == "doc" && concat == "concat" => parts.stream().into_iter().collect(),
            _ => continue,
        };
        for part in parts {
            if let TokenTree::Literal(part) = part
                && let syn::Lit::Str(part) = syn::Lit::new(part)
            {
                text.push_str(&part.value());
            }
        }
        text.push('\n');
    }
    text
}
