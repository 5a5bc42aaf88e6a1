//! Requests that make no sense or can never be satisfied: refused at once, with a hint.

use hostler_e2e::stage::{Cli, Setup};

/// Bad usage, and an answer of no, as the exit codes have them.
const USAGE: i32 = 2;
const REFUSED: i32 = 3;

/// Says each line and checks how it is refused: exit code, and words of the explanation.
async fn check(cli: &Cli, table: &[(&str, i32, &[&str])]) -> anyhow::Result<()> {
    for (line, code, words) in table {
        let answer = cli.say(line).await?;
        assert_eq!(answer.code, Some(*code), "{line}: {answer:?}");
        for word in *words {
            assert!(answer.stderr.contains(word), "{line}: no {word:?} in {}", answer.stderr);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_had_is_refused_with_what_could_be() -> anyhow::Result<()> {
    let stage = Setup::of(4).set().await?;
    stage.register(&stage.room().registration()).await?;
    let table: &[(&str, i32, &[&str])] = &[
        (
            "lease request 5:ppc64le --image demo",
            REFUSED,
            &["5 x ppc64le", "can never be had: 1 of such machines are registered"],
        ),
        ("lease request 1:x86_64 --image fedora", REFUSED, &["image \"fedora\"", "catalogued: demo"]),
        ("lease request 1:x86_64,pool=fast --image demo", REFUSED, &["in pool fast", "0 of such machines"]),
        ("lease request 1,nodes=r9-n99 --image demo", REFUSED, &["among r9-n99", "0 of such machines"]),
        (
            "lease request a=2:x86_64 b=1:x86_64 --image demo",
            REFUSED,
            &["each role alone could be had, but not all of them at once"],
        ),
        ("lease request a=1 a=1 --image demo", USAGE, &["role `a`", "member 2, column 1"]),
        ("lease request 1:x86_64", USAGE, &["names no image"]),
        ("lease release 77", REFUSED, &["you have no lease 77"]),
        ("run 77 -- true", REFUSED, &["you have no lease 77"]),
    ];
    check(&stage.ci, table).await?;
    assert_eq!(stage.ci.json("lease list").await?.as_array().map(Vec::len), Some(0), "none of it is queued");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_its_place() -> anyhow::Result<()> {
    let stage = Setup::of(1).set().await?;
    let table: &[(&str, i32, &[&str])] = &[
        ("lease request 0:x86_64 --image demo", USAGE, &["0"]),
        ("lease request 99999999999:x86_64 --image demo", USAGE, &["99999999999"]),
        ("lease request -1:x86_64 --image demo", USAGE, &["-1"]),
        ("lease request 1:sparc64 --image demo", USAGE, &["unknown architecture `sparc64`", "did you mean"]),
        ("lease request 1:x86_64,image --image demo", USAGE, &["image"]),
        ("lease request 1:x86_64,colour=red --image demo", USAGE, &["colour", "pool"]),
        ("lease request 1 --image demo --duration 5parsecs", USAGE, &["5parsecs", "duration"]),
        ("lease request 1 --image demo --duration 3months", USAGE, &["at most 30 days"]),
        ("lease request 1 --image demo --duration=-5m", USAGE, &["-5m", "duration"]),
        ("lease request", USAGE, &["nothing is asked for"]),
        ("lease show seven", USAGE, &["seven"]),
        ("run 1 --env A -- true", USAGE, &["NAME=VALUE"]),
    ];
    check(&stage.ci, table).await?;

    let good = stage.room().registration().to_toml()?;
    let line = |text: &str| good.lines().position(|l| l.starts_with(text)).unwrap_or_default() + 1;
    let refused: &[(&str, &str, i32, &[&str])] = &[
        ("name = \"r1-n01\"", "name = \"r1-n01", USAGE, &[&format!(":{}", line("name"))]),
        ("mac = \"52:", "mac = \"zz:", USAGE, &["mac", "zz:"]),
        ("address = \"127.", "address = \"999.", USAGE, &["address", "999."]),
        ("arch = \"x86_64\"", "arch = \"sparc64\"", USAGE, &["arch", "sparc64"]),
        ("firmware = \"bios\"", "firmware = \"openfirmware\"", USAGE, &["openfirmware"]),
        ("pool = ", "pol = ", USAGE, &["pol", "pool"]),
        ("uuid = \"", "uuid = \"not-", USAGE, &["uuid"]),
    ];
    let file = stage.directory().join("wrong.toml");
    for (right, wrong, code, words) in refused {
        assert!(good.contains(right), "{right}");
        std::fs::write(&file, good.replacen(right, wrong, 1))?;
        check(&stage.admin, &[(&format!("apply -f {}", file.display()), *code, words)]).await?;
    }
    std::fs::write(&file, "[[node]]\nname = 7\n")?;
    check(&stage.admin, &[(&format!("apply -f {}", file.display()), USAGE, &["name"])]).await?;
    assert_eq!(stage.admin.json("node list").await?.as_array().map(Vec::len), Some(0));
    stage.end().await
}
