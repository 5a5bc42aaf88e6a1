//! `hostler apply`

use crate::document;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::admin::{Applied, Change};
use crate::node_file;
use crate::render::look::{Look, Tone};
use crate::session::Session;
use clap::Args;
use hostler_proto::node::v1::ApplyRequest;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  hostler apply -f nodes.toml --dry-run    # says what would change
  hostler apply -f nodes.toml

The file:

  [[node]]
  name = \"r1-n01\"
  arch = \"x86_64\"                # x86_64 | aarch64 | ppc64le
  firmware = \"uefi\"              # bios | uefi | openfirmware
  pool = \"default\"
  mac = \"52:54:00:00:00:01\"
  address = \"10.0.0.1\"
  serial = \"SIM0001\"             # optional, as are uuid and keep_disks
  keep_disks = [\"SER1\"]          # never wiped
  [node.bmc]
  address = \"10.1.0.1\"           # host or host:port
  user = \"admin\"
  password_file = \"bmc.secret\"   # or password; without either, the stored one stays
  cipher_suite = 17
  shared = false

Nodes that the file does not name stay as they are.";

/// Arguments of `hostler apply`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The file, or the standard input (-)
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Say what would change and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let Arguments { file, dry_run } = arguments;
    let text = document::read(&file)?;
    let dir = file.parent().unwrap_or(Path::new("")).to_owned();
    let read = |named: &Path| std::fs::read_to_string(dir.join(named));
    let nodes = node_file::parse(&document::origin(&file), &text, read).map_err(Error::Input)?;
    let client = session.connect()?;
    let request = ApplyRequest { nodes, dry_run };
    let attempt = async || client.nodes().apply(request.clone()).await;
    let response = client.call(format!("apply {}", file.display()), attempt).await?;
    session.ui.result(&Applied::new(response, dry_run), render)?;
    Ok(Exit::Ok)
}

/// One line for each object, and a total.
fn render(applied: &Applied, look: &Look) -> String {
    let mut text: String = applied.changes.iter().map(|change| line(change, look)).collect();
    let count = |action: &str| applied.changes.iter().filter(|change| change.action == action).count();
    let total = format!(
        "{} created, {} updated, {} unchanged",
        count("created"),
        count("updated"),
        count("unchanged")
    );
    text += &total;
    text += if applied.dry_run { " (dry run: nothing was changed)\n" } else { "\n" };
    text
}

fn line(change: &Change, look: &Look) -> String {
    let tone = match change.action.as_str() {
        "created" => Tone::Good,
        "updated" => Tone::Warn,
        _ => Tone::Faint,
    };
    let action = look.paint(tone, &format!("{:<9}", change.action));
    let fields =
        if change.fields.is_empty() { String::new() } else { format!(": {}", change.fields.join(", ")) };
    format!("{action} {}{fields}\n", change.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_change() {
        let change = |object: &str, action: &str, fields: &[&str]| Change {
            object: object.to_owned(),
            action: action.to_owned(),
            fields: fields.iter().map(ToString::to_string).collect(),
        };
        let changes = vec![
            change("node r1-n01", "created", &[]),
            change("node r1-n02", "updated", &["address 10.0.0.3 -> 10.0.0.4", "pool default -> fast"]),
            change("node r1-n03", "unchanged", &[]),
        ];
        insta::assert_snapshot!(render(&Applied { dry_run: true, changes }, &Look::default()), @r"
        created   node r1-n01
        updated   node r1-n02: address 10.0.0.3 -> 10.0.0.4, pool default -> fast
        unchanged node r1-n03
        1 created, 1 updated, 1 unchanged (dry run: nothing was changed)
        ");
    }
}
