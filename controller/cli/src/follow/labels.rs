//! Who said a line: a prefix with role and node, aligned, each in its own colour.

use crate::model::run::Task;
use crate::render::look::{Look, Tone};
use std::collections::BTreeMap;

/// The prefix of each node's lines.
#[derive(Debug)]
pub(crate) struct Labels {
    look: Look,
    width: usize,
    /// Node to what it is called.
    names: BTreeMap<String, (usize, String)>,
}

impl Labels {
    /// The role is left out where all have the same.
    pub(crate) fn new(tasks: &[Task], look: Look) -> Self {
        let is_mixed = tasks.iter().any(|task| task.role != tasks[0].role);
        let name =
            |task: &Task| if is_mixed { format!("{}/{}", task.role, task.node) } else { task.node.clone() };
        let names: BTreeMap<_, _> =
            tasks.iter().enumerate().map(|(index, task)| (task.node.clone(), (index, name(task)))).collect();
        let width = names.values().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
        Self { look, width, names }
    }

    /// `line` as it is printed, with its end.
    pub(crate) fn prefixed(&self, node: &str, line: &[u8]) -> Vec<u8> {
        let (index, name) = self.names.get(node).map_or((0, node), |(index, name)| (*index, name));
        let label = format!("{name:width$} |", width = self.width);
        let mut text = self.look.paint(Tone::Distinct(index), &label).into_bytes();
        if !line.is_empty() {
            text.push(b' ');
            text.extend_from_slice(line);
        }
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_proto::lease::v1 as pb;

    fn task(node: &str, role: &str) -> Task {
        pb::RunTask { node: node.to_owned(), role: role.to_owned(), ..Default::default() }.into()
    }

    fn shown(labels: &Labels, node: &str, line: &str) -> String {
        String::from_utf8(labels.prefixed(node, line.as_bytes())).unwrap()
    }

    #[test]
    fn roles_are_named_where_they_differ() {
        let labels = Labels::new(&[task("r1-n01", "server"), task("r1-n2", "client")], Look::default());
        assert_eq!(shown(&labels, "r1-n01", "listening"), "server/r1-n01 | listening\n");
        assert_eq!(shown(&labels, "r1-n2", ""), "client/r1-n2  |\n");
        let labels = Labels::new(&[task("a", "node"), task("b", "node")], Look::default());
        assert_eq!(shown(&labels, "a", "x"), "a | x\n");
    }

    #[test]
    fn each_node_has_its_colour() {
        let labels = Labels::new(&[task("a", "node"), task("b", "node")], Look { color: true, size: None });
        assert_eq!(shown(&labels, "b", "x"), "\u{1b}[35mb |\u{1b}[0m x\n");
    }
}
