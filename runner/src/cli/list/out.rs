//! How a list is shown: as a table, as one JSON document, or as JSON lines.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::cli::json::{Form, document, lines};
use crate::cli::output::{grouped, print, say};
use crate::cli::scope::Filters;
use crate::cli::table::{Column, Table};
use crate::exit::Failure;
use crate::ledger::Filter;

/// What was found, the newest last.
pub(super) struct Found<'a, T> {
    /// What they are, in the plural.
    pub(super) what: &'static str,
    pub(super) items: &'a [T],
    /// There are more than the limit lets through.
    pub(super) more: bool,
}

impl<'a, T> Found<'a, T> {
    /// At most `limit` of them, the last ones.
    pub(super) fn new(what: &'static str, all: &'a [T], limit: usize) -> Self {
        let items = all.get(all.len().saturating_sub(limit)..).unwrap_or(all);
        let more = items.len() < all.len();
        Self { what, items, more }
    }

    /// Prints them, `columns` and `row` saying how in a table. The document has
    /// the newest first.
    pub(super) fn show(
        &self,
        form: Form,
        head: &Head<'_>,
        columns: &[Column],
        row: fn(&T) -> Vec<String>,
    ) -> Result<(), Failure>
    where
        T: Serialize,
    {
        if form.json {
            let newest: Vec<&T> = self.items.iter().rev().collect();
            let name = self.what;
            print(&document(&Document { head, name, newest })?);
        } else if form.json_lines {
            print(&lines(self.items)?);
        } else {
            self.table(columns, row);
        }
        self.note(form.json);
        Ok(())
    }

    pub(super) fn table(&self, columns: &[Column], row: impl Fn(&T) -> Vec<String>) {
        if self.items.is_empty() {
            return;
        }
        let mut table = Table::new(columns.iter().cloned());
        self.items.iter().for_each(|it| table.row(row(it)));
        print(&table.text());
    }

    /// Says what the list does not: that there is nothing, or more.
    pub(super) fn note(&self, json: bool) {
        let what = self.what;
        if self.items.is_empty() && !json {
            say(&format!("no {what} found"));
        } else if self.more {
            let limit = grouped(self.items.len() as u64);
            say(&format!(
                "only the newest {what}, {limit}: --limit shows more"
            ));
        }
    }
}

/// What was asked for, as a document repeats it.
pub(super) struct Head<'a> {
    pub(super) project: Option<&'a str>,
    pub(super) run: Option<&'a str>,
    pub(super) level: Option<&'a str>,
    pub(super) since: Option<&'a str>,
}

impl<'a> Head<'a> {
    pub(super) fn new(filters: &'a Filters, filter: &'a Filter) -> Self {
        Self {
            project: filter.project.as_deref(),
            run: filter.run.as_deref(),
            level: filters.level.as_ref().map(|level| level.text.as_str()),
            since: filters.since.as_deref(),
        }
    }
}

/// A list under its name.
pub(super) struct Document<'a, T> {
    pub(super) head: &'a Head<'a>,
    pub(super) name: &'a str,
    pub(super) newest: Vec<T>,
}

impl<T: Serialize> Serialize for Document<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("project", &self.head.project)?;
        map.serialize_entry("run", &self.head.run)?;
        map.serialize_entry("level", &self.head.level)?;
        map.serialize_entry("since", &self.head.since)?;
        map.serialize_entry(self.name, &self.newest)?;
        map.end()
    }
}
