//! What `ARCHITECTURE.md` says of the shape of the workspace, checked.

#![expect(clippy::unwrap_used, reason = "a test panics when its own set-up fails")]

use hostler_checkout::workspace;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may depend on whom, besides what tests need. Anything that is not named may depend on nothing of ours.
const MAY_USE: &[(&str, &[&str])] = &[
    ("hostlerd", &["hostler-core", "hostler-store", "hostler-bmc", "hostler-pxe", "hostler-proto"]),
    ("hostler", &["hostler-proto"]),
    ("hostler-agent", &["hostler-proto", "hostler-sys"]),
    ("hostler-store", &["hostler-core"]),
    ("hostler-pxe", &["hostler-core"]),
    ("hostler-fleet", &["hostler-proto", "hostler-agent", "hostler-bmc"]),
];

/// Rooms that only test: they may use everything, and nothing that is shipped may use them.
const TEST_ROOMS: [&str; 4] = ["hostler-e2e", "hostler-bench", "hostler-lab", "xtask"];

/// The folders at the top that may have code.
const FOLDERS: [&str; 6] = ["agent", "ansible", "controller", "proto", "pxe", "tests"];

#[test]
fn dependencies_point_in_one_direction() {
    let packages = packages();
    let ours: BTreeSet<_> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        if TEST_ROOMS.contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            // Tests may use more: `kind` is null for what is shipped.
            if ours.contains(used)
                && dependency["kind"].is_null()
                && !allowed.get(name).is_some_and(|list| list.contains(&used))
            {
                wrong.push(format!("{name} -> {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed: {wrong:?}");
}

/// The core decides without waiting, reading a clock or rolling dice.
#[test]
fn the_core_is_pure() {
    let core = packages().into_iter().find(|p| p["name"] == "hostler-core").unwrap();
    let shipped: BTreeSet<String> = core["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["kind"].is_null())
        .map(|d| d["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        shipped,
        ["base64", "regex-lite", "serde", "strsim", "thiserror", "uuid"].map(str::to_owned).into()
    );
    for file in rust_files(&workspace().join("controller/core/src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in
            ["std::fs::read", "std::net::Tcp", "std::net::Udp", "SystemTime", "Instant::now", "std::thread"]
        {
            assert!(!text.contains(word), "{}: {word}", file.display());
        }
    }
}

#[test]
fn the_simulator_is_unknown_to_what_is_shipped() {
    for room in ["agent/src", "controller", "proto", "pxe/src"] {
        for file in rust_files(&workspace().join(room)) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("hostler_fleet") && !text.contains("SimHost"), "{}", file.display());
        }
    }
}

#[test]
fn code_is_only_in_the_folders_that_are_named() {
    let listed = Command::new("git").current_dir(workspace()).args(["ls-files", "*.rs", "*.toml"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    for file in listed.lines().filter(|f| f.contains('/') && !f.starts_with('.')) {
        let folder = file.split('/').next().unwrap();
        assert!(FOLDERS.contains(&folder), "{file}");
    }
}

/// Every invariant of `ARCHITECTURE.md` has a test that carries its number.
#[test]
fn every_invariant_is_named_by_a_test() {
    let page = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("## Invariants").nth(1).unwrap().split("\n## ").next().unwrap();
    let numbers: Vec<u32> = section
        .lines()
        .filter_map(|line| line.trim_start().split_once(". "))
        .filter_map(|(number, _)| number.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    let texts: String = rust_files(&workspace())
        .iter()
        .map(|f| std::fs::read_to_string(f).unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    let missing: Vec<_> = numbers.iter().filter(|n| !texts.contains(&format!("fn invariant_{n}_"))).collect();
    assert!(missing.is_empty(), "no test is named after invariant {missing:?}");
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}
