//! The reference of the contract, in Markdown, from its WIT.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use wit_parser::{Docs, Function, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind};

use super::contract::TEXT;

/// Every interface of the contract: its types, then its functions.
///
/// # Errors
/// When the contract that this runwatch holds is no WIT, which a test rules out.
pub fn contract() -> Result<String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("detector.wit", TEXT)?;
    let package = resolve.packages.get(package).context("no package")?;
    let mut page = Page {
        resolve: &resolve,
        text: String::new(),
    };
    for (name, interface) in &package.interfaces {
        let interface = resolve.interfaces.get(*interface);
        page.interface(name, interface.context("no interface")?);
    }
    Ok(page.text.replace("\n\n\n", "\n\n"))
}

struct Page<'a> {
    resolve: &'a Resolve,
    text: String,
}

// Writing to a String cannot fail: what `writeln!` says is dropped.
impl Page<'_> {
    fn interface(&mut self, name: &str, interface: &Interface) {
        let _ = writeln!(self.text, "\n### Interface `{name}`\n");
        self.paragraphs(&interface.docs);
        for (name, id) in &interface.types {
            if let Some(ty) = self.resolve.types.get(*id) {
                self.definition(name, ty);
            }
        }
        for function in interface.functions.values() {
            self.function(function);
        }
    }

    fn definition(&mut self, name: &str, ty: &TypeDef) {
        match &ty.kind {
            TypeDefKind::Record(record) => {
                let _ = writeln!(self.text, "\n#### Record `{name}`\n");
                self.paragraphs(&ty.docs);
                self.text.push('\n');
                for field in &record.fields {
                    let ty = self.ty(&field.ty);
                    let _ = writeln!(self.text, "- **`{}`**: `{ty}`", field.name);
                    self.indented(&field.docs);
                }
            }
            TypeDefKind::Resource => {
                let _ = writeln!(self.text, "\n#### Resource `{name}`\n");
                self.paragraphs(&ty.docs);
            }
            // `use types.{…}`: it stands where it is defined.
            TypeDefKind::Type(Type::Id(_)) => {}
            kind => {
                let kind = self.kind(kind);
                let _ = writeln!(self.text, "\n#### Type `{name}` = `{kind}`\n");
                self.paragraphs(&ty.docs);
            }
        }
    }

    fn function(&mut self, function: &Function) {
        // Methods are called `[method]monitor.observe` inside.
        let name = function.name.rsplit(']').next().unwrap_or(&function.name);
        let _ = writeln!(self.text, "\n#### `{name}`\n\n```wit");
        let parameters = function.params.iter().filter(|it| it.name != "self");
        let parameters: Vec<String> = parameters
            .map(|it| format!("{}: {}", it.name, self.ty(&it.ty)))
            .collect();
        let result = function.result.as_ref();
        let result = result.map_or(String::new(), |ty| format!(" -> {}", self.ty(ty)));
        let line = format!("{name}({}){result}", parameters.join(", "));
        if line.len() <= 90 {
            let _ = writeln!(self.text, "{line}\n```\n");
        } else {
            let parameters = parameters.join(",\n    ");
            let _ = writeln!(self.text, "{name}(\n    {parameters},\n){result}\n```\n");
        }
        self.paragraphs(&function.docs);
    }

    fn paragraphs(&mut self, docs: &Docs) {
        if let Some(docs) = &docs.contents {
            let _ = writeln!(self.text, "{}", docs.trim());
        }
    }

    /// What belongs to an item of a list.
    fn indented(&mut self, docs: &Docs) {
        let Some(docs) = &docs.contents else { return };
        self.text.push('\n');
        for line in docs.trim().lines() {
            let _ = writeln!(self.text, "{}", format!("  {line}").trim_end());
        }
        self.text.push('\n');
    }

    fn ty(&self, ty: &Type) -> String {
        let id = match ty {
            Type::Id(id) => id,
            plain => return name_of(*plain).to_owned(),
        };
        let Some(ty) = self.resolve.types.get(*id) else {
            return String::new();
        };
        match &ty.name {
            Some(name) => name.clone(),
            None => self.kind(&ty.kind),
        }
    }

    fn kind(&self, kind: &TypeDefKind) -> String {
        let optional = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| self.ty(ty));
        match kind {
            TypeDefKind::List(of) => format!("list<{}>", self.ty(of)),
            TypeDefKind::Option(of) => format!("option<{}>", self.ty(of)),
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<String> = tuple.types.iter().map(|ty| self.ty(ty)).collect();
                format!("tuple<{}>", types.join(", "))
            }
            TypeDefKind::Result(result) => {
                format!(
                    "result<{}, {}>",
                    optional(&result.ok),
                    optional(&result.err)
                )
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.ty(&Type::Id(*id)),
            TypeDefKind::Type(ty) => self.ty(ty),
            other => other.as_str().to_owned(),
        }
    }
}

fn name_of(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        _ => "_",
    }
}
