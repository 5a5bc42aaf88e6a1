//! The files that payloads leave behind.

use crate::support::bench::{Bench, Stored, shell};
use hostler_proto::agent::v1::{JUnitTotals, StartRun};
use std::time::Duration;

async fn collected(script: &str, patterns: &[&str]) -> Stored {
    let mut bench = Bench::new().await;
    let (_agent, mut session) = bench.deployed_session().await;
    let junit = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let run = session.run(StartRun { junit, ..shell(1, script) });
    // Not a measurement: an agent that waits for a FIFO would wait for ever.
    tokio::time::timeout(Duration::from_secs(60), run).await.unwrap()
}

fn paths(stored: &Stored) -> Vec<&str> {
    stored.result().files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn junit_files_are_collected_and_counted() {
    let script = r#"
mkdir -p reports/deep/er
echo '<testsuite><testcase/><testcase><failure/></testcase></testsuite>' > reports/a.xml
echo '<testsuites><testsuite><testcase><error/></testcase><testcase><skipped/></testcase></testsuite></testsuites>' > reports/deep/er/b.xml
echo '<project/>' > reports/pom.xml
echo 'not collected' > other.xml
exit 1"#;
    let stored = collected(script, &["reports/**/*.xml", "reports/a.xml"]).await;
    assert_eq!(paths(&stored), ["reports/a.xml", "reports/deep/er/b.xml", "reports/pom.xml"]);
    let expected = JUnitTotals { tests: 4, failures: 1, errors: 1, skipped: 1 };
    assert_eq!((stored.result().junit, stored.result().exit_code), (Some(expected), 1));
    assert_eq!(stored.files["reports/pom.xml"], b"<project/>\n");
    assert_eq!(stored.text(), "");
}

#[tokio::test]
async fn only_regular_files_inside_the_directory_are_collected() {
    let script = r#"
echo secret > ../outside.xml
ln -s ../outside.xml link.xml
ln -s /etc/passwd passwd.xml
mkdir sub real
ln -s .. sub/up
ln -s real linked
echo x > real/inside.xml
mkfifo fifo.xml
mkdir directory.xml
: > "$(printf 'new\nline.xml')"
: > "$(printf 'latin\351.xml')"
"#;
    let stored =
        collected(script, &["*.xml", "*/*.xml", "sub/up/*.xml", "**/*.xml", "../*.xml", "/etc/*"]).await;
    assert_eq!(paths(&stored), ["real/inside.xml"]);
    let mut lines: Vec<_> = stored.text().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "hostler: a file with an unprintable name in \"\" was passed over",
            "hostler: a file with an unprintable name in \"\" was passed over",
            "hostler: the pattern \"../*.xml\" leaves the working directory",
            "hostler: the pattern \"/etc/*\" leaves the working directory",
        ]
    );
}

#[tokio::test]
async fn number_size_and_depth_are_bounded() {
    let script = r#"
truncate -s 20M big.xml
mkdir many; for i in $(seq 1000 1299); do : > many/$i.xml; done
d=deep; for i in $(seq 20); do d=$d/d; done; mkdir -p $d; : > $d/a.xml"#;
    let stored = collected(script, &["**/*.xml"]).await;
    assert_eq!(stored.result().files.len(), 256);
    let lines: Vec<_> = stored.text().lines().collect();
    let deep = format!("hostler: \"deep{}\" is too deep to be looked into", "/d".repeat(16));
    assert_eq!(
        lines,
        [
            "hostler: \"big.xml\" is larger than 16777216 bytes and was not collected",
            deep.as_str(),
            "hostler: more than 256 files match; what follows was not collected",
        ]
    );
}

#[tokio::test]
async fn hostile_xml_is_a_file_like_any_other() {
    let script = r#"
printf '<testsuite><testcase>' > cut.xml
printf '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>' > bomb.xml
printf '<testsuite>\377\376\000<testcase/></testsuite>' > binary.xml
for i in $(seq 5000); do printf '<testsuite>'; done > nested.xml"#;
    let stored = collected(script, &["*.xml"]).await;
    assert_eq!(paths(&stored), ["binary.xml", "bomb.xml", "cut.xml", "nested.xml"]);
    let expected = JUnitTotals { tests: 4, failures: 0, errors: 2, skipped: 0 };
    assert_eq!(stored.result().junit, Some(expected));
}
