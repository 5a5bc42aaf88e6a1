//! The shape of the file. Fields that are checked further keep their place in the text.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "node", default)]
    pub(super) nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) name: Spanned<String>,
    pub(super) arch: Spanned<String>,
    pub(super) firmware: Spanned<String>,
    #[serde(default)]
    pub(super) pool: String,
    pub(super) mac: Spanned<String>,
    pub(super) address: Spanned<String>,
    #[serde(default)]
    pub(super) serial: String,
    pub(super) uuid: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) keep_disks: Vec<String>,
    pub(super) start: Option<Spanned<String>>,
    pub(super) rack: Option<Spanned<String>>,
    pub(super) switch: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) bmc: Bmc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bmc {
    pub(super) address: Spanned<String>,
    pub(super) user: String,
    pub(super) password: Option<Spanned<String>>,
    /// Relative to the file that names it.
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) cipher_suite: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) shared: bool,
}
