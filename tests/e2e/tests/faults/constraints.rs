//! Requests that say what hardware they want, in files as tenants write them, among machines that differ.

use hostler_e2e::stage::{Setup, Stage};
use serde_json::Value;
use std::path::PathBuf;

/// Bad usage, an answer of no, and a request that would wait.
const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const WAITS: i32 = 4;

/// Four machines of 4, 8, 16 and 4 processors, two in each of two racks.
async fn stage() -> anyhow::Result<Stage> {
    let stage = Setup::of(4).set().await?;
    let mut registration = stage.room().registration();
    for node in &mut registration.node[2..] {
        node.rack = "r2".to_owned();
    }
    stage.register(&registration).await?;
    stage.all_ready().await?;
    Ok(stage)
}

/// A request in a file.
fn file(stage: &Stage, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = stage.directory().join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_the_machines_that_it_asks_for() -> anyhow::Result<()> {
    let stage = stage().await?;
    let wanted = "member:\n- role: server\n  count: 1..4\n  image: demo\n  where: cpu.processors >= 8 and memory >= 8 GiB\n";
    let path = file(&stage, "wanted.yaml", wanted)?;
    let line = format!("lease request -f {}", path.display());

    let preview = stage.ci.json(&format!("{line} --dry-run")).await?;
    assert_eq!(preview["fits_now"], true, "{preview}");
    assert_eq!(names(&preview["roles"][0]["gets"]), ["r1-n02", "r1-n03"], "{preview}");
    assert_eq!(
        stage.ci.json("lease list").await?.as_array().map(Vec::len),
        Some(0),
        "a dry run asks for nothing"
    );

    let lease = stage.ci.json(&format!("{line} --wait")).await?;
    let nodes: Vec<_> =
        lease["nodes"].as_array().into_iter().flatten().filter_map(|n| n["name"].as_str()).collect();
    assert_eq!(nodes, ["r1-n02", "r1-n03"], "{lease}");
    let shown = stage.ci.ok(&format!("lease show {}", lease["id"])).await?;
    let members = "members    'server=1..4,image=demo where cpu.processors >= 8 and memory >= 8 GiB'";
    assert!(shown.contains(members), "{shown}");

    // What it has is not free any more; without the constraint there are others.
    let waits = stage.ci.say(&format!("{line} --dry-run")).await?;
    assert_eq!(waits.code, Some(WAITS), "{waits:?}");
    assert!(waits.stdout.contains("what would help\n  now, without cpu.processors >= 8\n"), "{waits:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_machine_has_is_refused_with_what_there_is() -> anyhow::Result<()> {
    let stage = stage().await?;
    let cases: &[(&str, &str, i32, &[&str])] = &[
        (
            "large.toml",
            "[[member]]\nimage = 'demo'\nwhere = 'cpu.cores >= 16'\n",
            REFUSED,
            &["no machine has cpu.cores >= 16; the most is 8"],
        ),
        (
            "apart.json",
            r#"{"together": ["same rack"], "member": [{"count": 3, "image": "demo"}]}"#,
            REFUSED,
            &["same rack can never be had for 3 machines", "the most of such machines that share one is 2"],
        ),
        (
            "typo.yaml",
            "member:\n- image: demo\n  where: rack = r1 and cpu.procesors > 1\n",
            USAGE,
            &["there is no attribute `cpu.procesors`", "typo.yaml:3:24", "did you mean `cpu.processors`?"],
        ),
        (
            "unit.toml",
            "[[member]]\nimage = \"demo\"\nwhere = \"hostname ~ \\\"r1\\\" and memory > 64\"\n",
            USAGE,
            &["the unit is missing", "unit.toml:3:41", "a size such as 64 GiB"],
        ),
        (
            "group.toml",
            "together = ['same disk.size']\n[[member]]\nimage = 'demo'\n",
            USAGE,
            &["group.toml:1:19"],
        ),
    ];
    for (name, text, code, words) in cases {
        let path = file(&stage, name, text)?;
        let answer = stage.ci.say(&format!("lease request -f {}", path.display())).await?;
        assert_eq!(answer.code, Some(*code), "{name}: {answer:?}");
        for word in *words {
            assert!(answer.stderr.contains(word), "{name}: no {word:?} in {}", answer.stderr);
        }
    }
    let path = stage.directory().join("apart.json");
    let preview = stage.ci.say(&format!("lease request -f {} --dry-run", path.display())).await?;
    assert_eq!(preview.code, Some(REFUSED), "{preview:?}");
    assert!(
        preview.stdout.contains("what would help\n  now, without same rack\n  now, with 2 instead of 3\n"),
        "{preview:?}"
    );
    stage.end().await
}
