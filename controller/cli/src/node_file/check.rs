//! Checks a file as a whole: each field, and what must be unique.

use super::fields::{self, Problem};
use super::format::{Bmc, File, Node};
use crate::diagnostic::Diagnostic;
use crate::document;
use hostler_proto::node::v1::{BmcSpec, NodeSpec};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Parses the nodes in `text`. `read` reads a password file as it is named in the text.
///
/// # Errors
/// Everything that is wrong with the file, or the first thing if it is no TOML.
pub(crate) fn parse(
    origin: &str,
    text: &str,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Vec<NodeSpec>, Vec<Diagnostic>> {
    let file: File = document::parse(origin, text).map_err(|error| vec![error.without_excerpt_of("pass")])?;
    let mut check =
        Check { origin, text, read, errors: Vec::new(), seen: HashMap::new(), bmcs: HashMap::new() };
    let specs = file.nodes.iter().map(|node| check.node(node)).collect();
    check.errors.sort_by_key(Diagnostic::place);
    if check.errors.is_empty() { Ok(specs) } else { Err(check.errors) }
}

/// Looks at one node after the other, and remembers what must be unique.
struct Check<'a, R> {
    origin: &'a str,
    text: &'a str,
    read: R,
    errors: Vec<Diagnostic>,
    /// Field and value, to the node that has it.
    seen: HashMap<(&'static str, String), String>,
    /// BMC address to the first node that names it, and whether it says that it is shared.
    bmcs: HashMap<String, (String, bool)>,
}

impl<R: Fn(&Path) -> io::Result<String>> Check<'_, R> {
    fn node(&mut self, node: &Node) -> NodeSpec {
        let name = node.name.get_ref();
        self.field(&node.name, |name| fields::name(name));
        self.field(&node.arch, |arch| fields::arch(arch));
        self.field(&node.firmware, |firmware| fields::firmware(firmware, node.arch.get_ref()));
        self.field(&node.address, |address| fields::address(address));
        if let Some(start) = &node.start {
            self.field(start, |start: &String| fields::start(start));
        }
        self.place(node);
        let mac = self.field(&node.mac, |mac| fields::mac(mac)).unwrap_or_default();
        self.unique("name", &node.name, name, name);
        self.unique("mac", &node.mac, &mac, name);
        self.unique("address", &node.address, node.address.get_ref(), name);
        if let Some(uuid) = &node.uuid {
            self.field(uuid, |uuid| fields::uuid(uuid));
            self.unique("uuid", uuid, &uuid.get_ref().to_ascii_lowercase(), name);
        }
        NodeSpec {
            name: name.clone(),
            arch: node.arch.get_ref().clone(),
            firmware: node.firmware.get_ref().clone(),
            pool: node.pool.clone(),
            mac,
            address: node.address.get_ref().clone(),
            serial: node.serial.clone(),
            uuid: given(node.uuid.as_ref()),
            bmc: Some(self.bmc(&node.bmc, name)),
            keep_disks: node.keep_disks.clone(),
            start: given(node.start.as_ref()),
            rack: given(node.rack.as_ref()),
            switch: given(node.switch.as_ref()),
            labels: node.labels.iter().map(|(n, v)| (n.get_ref().clone(), v.get_ref().clone())).collect(),
        }
    }

    /// What requests may ask for and no inspection finds.
    fn place(&mut self, node: &Node) {
        for text in node.rack.iter().chain(&node.switch).chain(node.labels.values()) {
            self.field(text, |text| fields::text(text));
        }
        for name in node.labels.keys() {
            self.field(name, |name| fields::label(name));
        }
    }

    fn bmc(&mut self, bmc: &Bmc, node: &str) -> BmcSpec {
        if let Some(address) = self.field(&bmc.address, |address| fields::bmc_address(address)) {
            self.shared(bmc, address, node);
        }
        if let Some(suite) = &bmc.cipher_suite {
            self.field(suite, |suite| fields::cipher_suite(*suite));
        }
        BmcSpec {
            address: bmc.address.get_ref().clone(),
            user: bmc.user.clone(),
            password: self.password(bmc),
            cipher_suite: bmc.cipher_suite.as_ref().map_or(0, |suite| *suite.get_ref()),
            shared: bmc.shared,
        }
    }

    /// Empty where none is given: then the controller keeps the one that it has.
    fn password(&mut self, bmc: &Bmc) -> String {
        match (&bmc.password, &bmc.password_file) {
            (Some(_), Some(file)) => {
                let problem = Problem::new("both `password` and `password_file` are given");
                self.problem(file.span(), problem.hint("keep one of them"));
                String::new()
            }
            (Some(password), None) => password.get_ref().clone(),
            (None, Some(file)) => match (self.read)(file.get_ref()) {
                Ok(password) => password.trim_end_matches(['\r', '\n']).to_owned(),
                Err(error) => {
                    let problem =
                        Problem::new(format!("could not read {}: {error}", file.get_ref().display()));
                    self.problem(file.span(), problem.hint("the path is relative to this file"));
                    String::new()
                }
            },
            (None, None) => String::new(),
        }
    }

    /// Several nodes may have one BMC only if all of them say so.
    fn shared(&mut self, bmc: &Bmc, address: String, node: &str) {
        match self.bmcs.get(&address) {
            Some((_, true)) if bmc.shared => {}
            Some((other, _)) => {
                let problem = Problem::new(format!("node `{other}` has the BMC {address} already"));
                let hint = "if one BMC serves several nodes, write shared = true for each of them";
                self.problem(bmc.address.span(), problem.hint(hint));
            }
            None => {
                self.bmcs.insert(address, (node.to_owned(), bmc.shared));
            }
        }
    }

    fn unique<T>(&mut self, field: &'static str, place: &Spanned<T>, value: &str, node: &str) {
        if let Some(other) = self.seen.insert((field, value.to_owned()), node.to_owned())
            && !value.is_empty()
        {
            let message = match field {
                "name" => format!("there is a node `{node}` above already"),
                _ => format!("node `{other}` has the {field} {value} already"),
            };
            self.problem(place.span(), Problem::new(message));
        }
    }

    fn field<T, U>(&mut self, field: &Spanned<T>, parse: impl FnOnce(&T) -> Result<U, Problem>) -> Option<U> {
        parse(field.get_ref()).map_err(|problem| self.problem(field.span(), problem)).ok()
    }

    fn problem(&mut self, span: Range<usize>, problem: Problem) {
        let error =
            Diagnostic::at(self.origin, self.text, span, problem.message).without_excerpt_of("password =");
        self.errors.push(match problem.hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
}

fn given(field: Option<&Spanned<String>>) -> String {
    field.map(|field| field.get_ref().clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"
[[node]]
name = "r1-n01"
arch = "x86_64"
firmware = "bios"
pool = "default"
mac = "52:54:00:00:00:0A"
address = "127.16.0.1"
serial = "SIM0001"
uuid = "4c4c4544-0000-1000-8000-000000000001"
keep_disks = ["SER1"]
[node.bmc]
address = "127.17.0.1:6230"
user = "admin"
password_file = "bmc.secret"
cipher_suite = 17
shared = false
"#;

    fn check(text: &str) -> Result<Vec<NodeSpec>, String> {
        let read = |path: &Path| match path.to_str() {
            Some("bmc.secret") => Ok("from a file\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        parse("nodes.toml", text, read)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_whole_node() {
        let nodes = check(NODE).unwrap();
        let [node] = &nodes[..] else { panic!("one node") };
        assert_eq!((node.name.as_str(), node.mac.as_str()), ("r1-n01", "52:54:00:00:00:0a"));
        assert_eq!(node.keep_disks, ["SER1"]);
        let bmc = node.bmc.as_ref().unwrap();
        assert_eq!((bmc.password.as_str(), bmc.cipher_suite), ("from a file", 17));
    }

    #[test]
    fn what_people_say_of_a_machine() {
        let with = |text: &str| check(&NODE.replace("[node.bmc]", &format!("{text}\n[node.bmc]")));
        let nodes = with("rack = \"r1\"\nswitch = \"s1\"\nlabels = { gpu = \"a100\" }").unwrap();
        assert_eq!((nodes[0].rack.as_str(), nodes[0].switch.as_str()), ("r1", "s1"));
        assert_eq!(nodes[0].labels["gpu"], "a100");
        insta::assert_snapshot!(with("rack = \"\"\nlabels = { GPU = \"a\", gpu = \" b\" }").unwrap_err(), @r#"
        no text to ask for
           --> nodes.toml:12:8
            |
         12 | rack = ""
            |        ^^
            = hint: 1 to 128 bytes, without spaces around it or control characters
        no name of a label
           --> nodes.toml:13:12
            |
         13 | labels = { GPU = "a", gpu = " b" }
            |            ^^^
            = hint: 1 to 63 lower-case letters, digits, `-`, `_` and `.`
        no text to ask for
           --> nodes.toml:13:29
            |
         13 | labels = { GPU = "a", gpu = " b" }
            |                             ^^^^
            = hint: 1 to 128 bytes, without spaces around it or control characters
        "#);
    }

    #[test]
    fn an_empty_file_changes_nothing() {
        assert_eq!(check("# nothing yet\n").unwrap(), Vec::new());
    }

    #[test]
    fn all_wrong_fields_are_reported_together() {
        let text = NODE
            .replace("\"bios\"", "\"openfirmware\"")
            .replace("0A\"", "0\"")
            .replace("127.16.0.1", "127.16.0.256")
            .replace("6230", "623000")
            .replace("= 17", "= 12")
            .replace("bmc.secret", "missing");
        insta::assert_snapshot!(check(&text).unwrap_err(), @r#"
        x86_64 machines have no openfirmware firmware
          --> nodes.toml:5:12
           |
         5 | firmware = "openfirmware"
           |            ^^^^^^^^^^^^^^
           = hint: one of bios, uefi
        no Ethernet address
          --> nodes.toml:7:7
           |
         7 | mac = "52:54:00:00:00:0"
           |       ^^^^^^^^^^^^^^^^^^
           = hint: six pairs of hexadecimal digits: 52:54:00:12:34:56
        no IPv4 address
          --> nodes.toml:8:11
           |
         8 | address = "127.16.0.256"
           |           ^^^^^^^^^^^^^^
           = hint: for example 10.0.0.17
        no BMC address
           --> nodes.toml:13:11
            |
         13 | address = "127.17.0.1:623000"
            |           ^^^^^^^^^^^^^^^^^^^
            = hint: host or host:port; without a port it is 623
        could not read missing: entity not found
           --> nodes.toml:15:17
            |
         15 | password_file = "missing"
            |                 ^^^^^^^^^
            = hint: the path is relative to this file
        cipher suite 12 is not supported
           --> nodes.toml:16:16
            |
         16 | cipher_suite = 12
            |                ^^
            = hint: 17 (SHA-256), or 3 (SHA-1) for old BMCs
        "#);
    }

    #[test]
    fn duplicates_are_found() {
        let second = NODE.replace("serial = \"SIM0001\"\n", "").replace("0A", "0a");
        insta::assert_snapshot!(check(&format!("{NODE}{second}")).unwrap_err(), @r#"
        there is a node `r1-n01` above already
           --> nodes.toml:20:8
            |
         20 | name = "r1-n01"
            |        ^^^^^^^^
        node `r1-n01` has the mac 52:54:00:00:00:0a already
           --> nodes.toml:24:7
            |
         24 | mac = "52:54:00:00:00:0a"
            |       ^^^^^^^^^^^^^^^^^^^
        node `r1-n01` has the address 127.16.0.1 already
           --> nodes.toml:25:11
            |
         25 | address = "127.16.0.1"
            |           ^^^^^^^^^^^^
        node `r1-n01` has the uuid 4c4c4544-0000-1000-8000-000000000001 already
           --> nodes.toml:26:8
            |
         26 | uuid = "4c4c4544-0000-1000-8000-000000000001"
            |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        node `r1-n01` has the BMC 127.17.0.1:6230 already
           --> nodes.toml:29:11
            |
         29 | address = "127.17.0.1:6230"
            |           ^^^^^^^^^^^^^^^^^
            = hint: if one BMC serves several nodes, write shared = true for each of them
        "#);
    }

    #[test]
    fn a_shared_bmc_is_no_duplicate() {
        let first = NODE.replace("shared = false", "shared = true");
        let second = first
            .replace("r1-n01", "r1-n02")
            .replace("0A", "0b")
            .replace("127.16.0.1", "127.16.0.2")
            .replace("000001\"", "000002\"");
        assert_eq!(check(&format!("{first}{second}")).map(|nodes| nodes.len()), Ok(2));
        let unshared = second.replace("shared = true", "");
        insta::assert_snapshot!(check(&format!("{first}{unshared}")).unwrap_err(), @r#"
        node `r1-n01` has the BMC 127.17.0.1:6230 already
           --> nodes.toml:30:11
            |
         30 | address = "127.17.0.1:6230"
            |           ^^^^^^^^^^^^^^^^^
            = hint: if one BMC serves several nodes, write shared = true for each of them
        "#);
    }

    #[test]
    fn a_misspelt_password_is_not_shown() {
        let shown = check(&NODE.replace("password_file = ", "passwrd = ")).unwrap_err();
        assert!(!shown.contains("bmc.secret"), "{shown}");
        insta::assert_snapshot!(shown, @r"
        unknown field `passwrd`, expected one of `address`, `user`, `password`, `password_file`, `cipher_suite`, `shared`
           --> nodes.toml:15:1
            = hint: did you mean `password`?
        ");
    }
}
