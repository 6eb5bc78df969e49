//! The projects that a ledger knows.

use std::collections::BTreeSet;

use super::{Ledger, Result};

impl Ledger {
    /// The projects, in alphabetical order.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn projects(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut projects = BTreeSet::new();
            for table in ["run", "alert", "muted"] {
                // From one name to the next, so that the rows of a project are
                // not all looked at.
                let mut query = connection.prepare_cached(&format!(
                    "WITH RECURSIVE project (name) AS (
                         SELECT min(project) FROM {table} UNION ALL
                         SELECT (SELECT min(project) FROM {table} WHERE project > name)
                         FROM project WHERE name IS NOT NULL
                     ) SELECT name FROM project WHERE name IS NOT NULL"
                ))?;
                let names = query.query_map([], |row| row.get::<_, String>(0))?;
                for name in names {
                    projects.insert(name?);
                }
            }
            Ok(projects.into_iter().collect())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::ledger::{Durability, Ledger};

    #[test]
    fn projects_of_runs_of_alerts_and_of_what_was_muted() {
        let ledger = Ledger::in_memory().unwrap();
        assert_eq!(ledger.projects().unwrap(), Vec::<String>::new());
        ledger
            .write(Durability::Process, |tx| {
                tx.execute_batch(
                    "INSERT INTO run (project, run, made, seen) VALUES
                         ('b', 'x', 1, 1), ('b', 'y', 1, 1), ('a', 'x', 1, 1);
                     INSERT INTO muted VALUES
                         ('f', 'cap', 'c', 'x', 'd', 'k', 0, 't', 1, NULL, NULL, 1, 1),
                         ('f', 'cooldown', 'b', 'x', 'd', 'k', 0, 't', 1, NULL, NULL, 1, 1);",
                )?;
                Ok(())
            })
            .unwrap();
        assert_eq!(ledger.projects().unwrap(), ["a", "b", "c"]);
    }
}
