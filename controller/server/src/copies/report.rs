//! What came of a copy.

use super::Output;
use hostler_store::copy::Copied;
use serde_json::json;

/// What was done, and what is to be done next.
pub(super) struct Report {
    pub(super) did: String,
    pub(super) copied: Copied,
    /// Machines that are held.
    pub(super) held: u64,
    pub(super) next: Vec<String>,
}

impl Report {
    pub(super) fn print(&self, output: Output) -> anyhow::Result<()> {
        match output {
            Output::Text => println!("{}", self.text()),
            Output::Json => println!("{}", serde_json::to_string_pretty(&self.json())?),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let tables: Vec<_> =
            self.copied.tables.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
        let mut text = format!("{}\n  {} rows: {}", self.did, self.copied.rows(), tables.join(", "));
        for next in &self.next {
            text.push_str("\n  next: ");
            text.push_str(next);
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let tables: serde_json::Map<_, _> =
            self.copied.tables.iter().map(|(table, rows)| ((*table).to_owned(), (*rows).into())).collect();
        json!({
            "did": self.did,
            "rows": self.copied.rows(),
            "tables": tables,
            "held": self.held,
            "next": self.next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_done_and_what_comes_next() {
        let copied = Copied { tables: vec![("meta", 1), ("node", 2)] };
        let next = vec!["start hostlerd".to_owned()];
        let report = Report { did: "copied a to b".into(), copied, held: 2, next };
        assert_eq!(report.text(), "copied a to b\n  3 rows: 1 meta, 2 node\n  next: start hostlerd");
        let expected = json!({
            "did": "copied a to b", "rows": 3, "tables": {"meta": 1, "node": 2}, "held": 2, "next": ["start hostlerd"]
        });
        assert_eq!(report.json(), expected);
    }
}
